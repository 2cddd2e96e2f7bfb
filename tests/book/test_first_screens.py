"""The first screen of each chapter, and the front page: what was found comes first, in short sentences."""

import re
from pathlib import Path

import pytest

from poly.press.chapters import Page, figures_of, find_chapters, read_notebook, read_pages
from poly.press.claims import load

ROOT = Path(__file__).parents[2]
STORY = [page for page in find_chapters(read_pages(ROOT), []) if re.match(r"\d\d-", page.name)]
FRONT = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
LONGEST = 25  # words
NUMBER = re.compile(r"\{\{ \w+_measured \}\}|\{glue:text\}`[^`]+`")


def sentences(text: str) -> list[str]:
    """Return the sentences of a page's paragraphs, lists and tables, without markup; a glued number is one word."""
    text = re.sub(r"<figure.*?>|</?\w+.*?>|^% .*$|^#+ .*$|^\|[-|]+\|$", "\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"\{\{ \w+ \}\}|\{glue:text\}`[^`]*`", "0.5", text)
    text = re.sub(r"\{\w+\}`([^`<]*)(?:<[^`]*>)?`", r"\1", text)
    parts = [part for block in re.split(r"\n\s*\n|\n(?=[-|\d])", text) for part in block.split("|")]
    found = [each for part in parts for each in re.split(r"(?<=[.:;?!])\**\s+(?=[\W_]*[A-Z`])", part)]
    return [each.strip() for each in found if re.search(r"\w", each)]


def test_no_sentence_of_the_front_page_is_long() -> None:
    found = sentences(FRONT)
    assert len(found) > 60
    assert [each for each in found if len(each.split()) > LONGEST] == []


def test_a_line_for_each_chapter_says_what_was_found_with_a_number_and_a_link() -> None:
    lines = re.findall(r"^\d\. .*$", FRONT, re.MULTILINE)
    assert len(lines) == len(STORY)
    for line in lines:
        assert NUMBER.search(line), line
        assert "{doc}`" in line, line


def test_a_sentence_of_26_words_would_be_found() -> None:
    assert max(len(each.split()) for each in sentences(f"One. {'Word ' * 26}end. Two.")) == 27


@pytest.mark.parametrize("page", STORY, ids=lambda page: page.name)
def test_a_chapter_begins_with_what_was_found(page: Page) -> None:
    notebook = read_notebook(page.path)
    first = notebook.cells[0].source
    _, title, found, *_ = re.split(r"\n\s*\n|(?<=\)=)\n", first)
    assert title.startswith("# ")
    assert len(sentences(found)[0].split()) <= LONGEST, "one short sentence says what was found"
    opening = []
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.MULTILINE):
            break
        opening.append(cell)
    text = first + "".join(cell.source for cell in opening if cell.cell_type == "markdown")
    assert NUMBER.search(text), "a number before the first heading"
    shown = [output for cell in opening for output in cell.get("outputs", [])]
    assert any("figure" in output.get("metadata", {}).get("poly", {}) for output in shown), "a picture before it"
    assert figures_of(notebook)


def test_a_retired_claim_that_was_measured_keeps_its_address() -> None:
    pages = "".join(
        cell.source for page in find_chapters(read_pages(ROOT), []) for cell in read_notebook(page.path).cells
    )
    retired = [claim for claim in load(ROOT / "book" / "claims.yml").values() if "Last record" in claim.retired]
    assert len(retired) > 3
    assert [claim.id for claim in retired if f'<span id="claim-{claim.id}"></span>' not in pages] == []


def test_a_chapter_has_at_most_1500_words() -> None:
    assert words("## A title\n\nSee {term}`rows <row>` and {glue:text}`a_b:s`.\n\n$$x = 1$$\n\n:::{note}\n") == 6
    found = {page.name: words(markdown(page)) for page in STORY}
    assert {name: number for name, number in found.items() if number > 1500} == {}


def markdown(page: Page) -> str:
    return "\n\n".join(cell.source for cell in read_notebook(page.path).cells if cell.cell_type == "markdown")


def words(text: str) -> int:
    """Count words between white space, without equations and the lines of directives; a glued number is one word."""
    text = re.sub(r"\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"\{glue:text\}`[^`]*`", "0.5", text)
    text = re.sub(r"\{\w+(?::\w+)?\}`([^`<]*)(?:<[^`]*>)?`", r"\1", text)
    return len(re.sub(r"^(?::::|```|:\w+:|\(.*\)=).*$|^#+ ", "", text, flags=re.MULTILINE).split())
