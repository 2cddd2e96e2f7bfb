"""Test what the press adds to a chapter's page."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from poly.press import claims
from poly.press.render import chapter_page

ENTRY = {
    "statement": "Counts are < n²/4m | or so.",
    "prediction": {"value": 1, "tolerance": 0.1, "says": "ratio 1"},
    "test": "a ratio",
    "chapter": "04-counts",
    "expected": "refuted",
    "blind": False,
    "registered": "2026-11-22",
    "digits": 2,
}


@pytest.fixture
def registered(tmp_path: Path) -> dict[str, claims.Claim]:
    import yaml

    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump({"C7a": ENTRY, "C8": ENTRY | {"chapter": "05-start"}}), encoding="utf-8")
    return claims.load(path)


def notebook(*sources: str) -> Any:
    make: Any = new_markdown_cell
    return new_notebook(cells=[make("# Title\n\nFirst words."), *map(make, sources)])  # type: ignore[no-untyped-call]


def checked() -> Any:
    record = {"id": "C7a", "measured": 0.7, "low": 0.6, "high": 0.8, "interval": "95 % interval", "verdict": "refuted"}
    output = new_output("display_data", data={"text/plain": "a card"}, metadata={"poly": {"claim": record}})  # type: ignore[no-untyped-call]
    return new_code_cell("claims.check(…)", outputs=[output])  # type: ignore[no-untyped-call]


def text(found: Any) -> str:
    return "\n".join(cell.source for cell in found.cells)


def test_claims_stand_on_top_and_verdicts_before_the_exercises(registered: dict[str, claims.Claim]) -> None:
    source = notebook("Words.\n\n## Exercises\n\n**1.** Why?")
    source.cells.insert(1, checked())
    found = chapter_page.add_claims(source, "04-counts", registered, {})
    assert [cell.id for cell in found.cells if cell.id.startswith("frame-")] == [
        "frame-claims",
        "frame-verdicts",
        "frame-exercises",
    ]
    box, verdicts = found.cells[1].source, next(cell.source for cell in found.cells if cell.id == "frame-verdicts")
    assert 'href="#claim-C7a"' in box
    assert "C8" not in box + verdicts
    assert "| 0.70 (95 % interval 0.60 to 0.80) |" in verdicts
    assert "verdict-refuted" in verdicts
    assert text(found).index("Words.") < text(found).index("## Verdicts") < text(found).index("## Exercises")
    nbformat.validate(found)


def test_a_page_without_claims_stays_as_it_is(registered: dict[str, claims.Claim]) -> None:
    assert (
        text(chapter_page.add_claims(notebook("Words."), "playground", registered, {}))
        == "# Title\n\nFirst words.\nWords."
    )


GLOSSARY = """
```{glossary}
neuron
  One hidden unit, in a
  {term}`layer <hidden layer>` or so.

encoding
  Row $W_i$.
```
"""


def test_the_glossary_is_read() -> None:
    assert chapter_page.glossary(GLOSSARY) == {
        "neuron": "One hidden unit, in a {term}`layer <hidden layer>` or so.",
        "encoding": "Row $W_i$.",
    }


def test_a_word_is_explained_in_the_margin_beside_its_first_use() -> None:
    source = notebook("A plain paragraph.\n\nThe {term}`neurons <neuron>` of an {term}`encoding`.", "A {term}`neuron`.")
    found = chapter_page.add_claims(source, "x", {}, chapter_page.glossary(GLOSSARY))
    assert found.cells[1].source == (
        "A plain paragraph.\n\n:::{margin}\n**neuron** One hidden unit, in a layer or so.\n:::\n\n"
        ":::{margin}\n**encoding** Row $W_i$.\n:::\n\nThe {term}`neurons <neuron>` of an {term}`encoding`."
    )
    assert found.cells[2].source == "A {term}`neuron`."


@pytest.mark.parametrize(
    "inside", ["## The {term}`neuron`", ":::{admonition} Solution\nText.\n\nA {term}`neuron`.\n:::"]
)
def test_no_note_stands_in_a_heading_or_between_fences(inside: str) -> None:
    found = chapter_page.add_claims(notebook(inside, "A {term}`neuron`."), "x", {}, chapter_page.glossary(GLOSSARY))
    assert found.cells[1].source == inside
    assert found.cells[2].source.startswith(":::{margin}")


def hidden(source: str, *outputs: Any) -> Any:
    made: Any = new_code_cell
    return made(source, metadata={"tags": ["hide-input"]}, outputs=list(outputs))


def output(name: str = "") -> Any:
    made: Any = new_output
    return made("display_data", data={"text/plain": "x"}, metadata={"scrapbook": {"name": name}} if name else {})


def test_hidden_code_that_follows_hidden_code_shares_its_bar() -> None:
    plain: Any = new_code_cell
    cells = [
        hidden("a = 1"),
        hidden("glue(1)", output("g")),
        hidden("show()", output()),
        hidden("b = 2"),
        plain("c = 3"),
    ]
    found = chapter_page.fold_cells(cells)
    assert [cell.source for cell in found] == ["a = 1\n\nglue(1)\n\nshow()", "b = 2", "c = 3"]
    assert [each.metadata for each in found[0].outputs] == [{}, {"scrapbook": {"name": "g"}}]
    assert found[2].metadata == {}


def test_a_cell_that_only_fills_in_numbers_is_hidden_and_settings_have_a_bar() -> None:
    made: Any = new_code_cell
    settings = made("n = 1", metadata={"tags": ["parameters"]})
    glued, seen = made("glue(2)", outputs=[output("g")]), made("claims.check(…)", outputs=[output()])
    found = chapter_page.fold_cells([settings, glued, seen])
    assert found[0].metadata.mystnb["code_prompt_show"] == "Settings of this chapter"
    tags = [cell.metadata.get("tags") for cell in found]
    assert tags == [["parameters", "hide-input"], ["hide-input"], None]
