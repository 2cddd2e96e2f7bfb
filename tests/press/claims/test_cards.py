"""Cards and tables of predictions: written as the chapters store them, character for character."""

import re
from pathlib import Path
from typing import Any

import pytest

from poly.press import chapters
from poly.press.claims import Claim, Prediction, cards, load
from press.claims.test_verdicts import ELSE, claim

ROOT = Path(__file__).parents[3]
RECORD = {"measured": 1.25, "low": 1.0, "high": 1.5, "interval": "95 % interval", "verdict": "confirmed", "seeds": 1200}


def stored() -> list[tuple[dict[str, Any], dict[str, str]]]:
    """List what outputs store of claims: the record, empty for a table of predictions, and what is shown."""
    pages = chapters.find_chapters(chapters.read_pages(ROOT), [])
    outputs = [each for page in pages for _, each in chapters.outputs_of(chapters.read_notebook(page.path))]
    shown = [(chapters.poly_metadata(each).get("claim", {}), each.get("data", {})) for each in outputs]
    return [(record, data) for record, data in shown if record or 'class="predictions"' in data.get("text/html", "")]


def test_stored_cards_and_tables_are_written_as_they_are() -> None:
    ledger = load(ROOT / "book" / "claims.yml")
    found = stored()
    assert sum(bool(record) for record, _ in found) > 50
    assert sum(not record for record, _ in found) > 5
    for record, data in found:
        if record:
            card = cards.chapter_card(ledger[record["id"]], record)
            written = cards.card_html(card), cards.card_text(card)
        else:
            claims = [ledger[name] for name in re.findall(r'<tr id="predict-([^"]+)">', data["text/html"])]
            written = cards.predictions_html(claims), cards.predictions_text(claims)
        assert written == (data["text/html"], data["text/plain"])


def test_the_card_of_an_exploration_has_no_prediction() -> None:
    card = cards.chapter_card(claim()._replace(kind="exploration"), RECORD | {"verdict": "measured"})
    assert [name for name, _ in card.rows] == ["measured", "starts", "blind"]


def test_a_card() -> None:
    card = cards.chapter_card(claim(), RECORD)
    assert cards.card_html(card) == (
        '<div class="claim claim-confirmed" id="claim-C9"><p class="claim-head"><b>C9</b> '
        '<span class="claim-verdict">confirmed</span></p><p><var>s</var></p><table>'
        '<tr><th scope="row">predicted</th><td><var>p</var> (tolerance ±0.5)</td></tr>'
        '<tr><th scope="row">measured</th><td>1.25 (95 % interval 1.00 to 1.50)</td></tr>'
        '<tr><th scope="row">starts</th><td>1,200</td></tr>'
        '<tr><th scope="row">blind</th><td>yes</td></tr></table>'
        '<p class="claim-ledger"><a href="ledger.html#ledger-C9">in the ledger</a></p></div>'
    )
    assert cards.card_text(card).splitlines() == [
        "C9: confirmed",
        "s",
        "predicted: p (tolerance ±0.5)",
        "measured: 1.25 (95 % interval 1.00 to 1.50)",
        "starts: 1,200",
        "blind: yes",
    ]


def test_a_place_that_is_not_there_yet_has_no_link() -> None:
    card = cards.chapter_card(claim(), RECORD)._replace(address="", place="chapter 9", registration=" · blind")
    assert cards.card_html(card).endswith('<p class="claim-ledger">chapter 9 · blind</p></div>')


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        ({}, ["predicted", "measured", "starts", "blind"]),
        ({"alternative": ELSE}, ["predicted", "alternative", "measured", "starts", "blind"]),
        ({"amended": "2026-02-01: why"}, ["predicted", "measured", "starts", "blind", "amended"]),
    ],
)
def test_rows_stand_where_there_is_something_to_say(change: dict[str, Any], rows: list[str]) -> None:
    assert [name for name, _ in cards.chapter_card(claim()._replace(**change), RECORD).rows] == rows


def test_texts_stay_texts_and_quotes_are_references() -> None:
    text = '<em>&amp;</em> "it\'s" {{ card }} {% if so %}'
    written = "&lt;em&gt;&amp;amp;&lt;/em&gt; &quot;it&#x27;s&quot; {{ card }} {% if so %}"
    odd: Claim = claim()._replace(statement=text, test=text, prediction=Prediction(1.0, 0.5, text))
    assert f"<p>{written}</p>" in cards.card_html(cards.chapter_card(odd, RECORD))
    page = cards.predictions_html([odd])
    assert page.count(f"<td>{written}</td>") == 2  # the statement and the test
    assert page.count(written) == 3
