"""Templates: one line of HTML, with everything in it escaped."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from poly.press.claims import templates

NAMES = sorted(path.name for path in Path(templates.__file__).parent.glob("*.html"))


def test_every_template_can_be_read() -> None:
    assert len(NAMES) > 5
    for name in NAMES:
        assert "\n" not in templates._one_line(name)


def test_the_score_is_a_sentence_and_a_list() -> None:
    shown = templates.render("score.html", blind="<2> blind.", others=["One & two."])
    assert shown == '<div class="ledger-score"><p>&lt;2&gt; blind.</p><ul><li>One &amp; two.</li></ul></div>'
    assert templates.render("score.html", blind="None.", others=[]) == '<div class="ledger-score"><p>None.</p></div>'


@pytest.mark.parametrize("sign", ["<", ">", "&", '"', "'"])
def test_no_sign_opens_a_tag_or_ends_a_value(sign: str) -> None:
    page = templates.render("predictions.html", rows=[dict.fromkeys(("id", "statement", "predicted", "test"), sign)])
    plain = templates.render("predictions.html", rows=[dict.fromkeys(("id", "statement", "predicted", "test"), "word")])
    assert page.count(sign) == plain.count(sign) + (5 if sign == "&" else 0)


def test_what_is_marked_as_html_stays_html() -> None:
    row = {"id": "C1", "statement": Markup("<i>x</i>"), "predicted": 1, "test": ""}
    assert "<td><i>x</i></td><td>1</td><td></td>" in templates.render("predictions.html", rows=[row])


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        templates.render("predictions.html")
    with pytest.raises(UndefinedError, match="test"):
        templates.render("predictions.html", rows=[{"id": "C1", "statement": "", "predicted": ""}])
