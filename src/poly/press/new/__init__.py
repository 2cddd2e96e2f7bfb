"""Write a new chapter or appendix from a template: a small experiment with a claim and a figure, to be changed."""

import re
from collections.abc import Iterable
from pathlib import Path

from poly.press.chapters import PressError, read_pages, read_text
from poly.press.disk import atomic_write

TEMPLATES = Path(__file__).parent
TOC = "_toc.yml"
ENTRIES = Path("book") / "claims.yml"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def new(root: Path, name: str, day: str) -> list[str]:
    """Write the chapter, name it in the table of contents, add an example of a claim, and say what to do next.

    Args:
        root: the book's folder.
        name: the name of the chapter's file, without its ending.
        day: today, as the claim's date.

    Raises:
        PressError: the name is not fit for a file and an address, or there is such a page.
    """
    if not NAME.fullmatch(name):
        raise PressError(f"{name!r}: must be words of small letters and digits, joined by '-', as in appendix-my-check")
    path = root / "book" / f"{name}.ipynb"
    if path.exists() or name in {page.name for page in read_pages(root)}:
        raise PressError(f"book/{name}.ipynb exists already: choose another name")
    entries = read_text(root / ENTRIES) if (root / ENTRIES).is_file() else ""
    claim = _free(re.findall(r"^(\w+):", entries, re.MULTILINE))
    title = name.removeprefix("appendix-").replace("-", " ").capitalize()
    words = {"CLAIM": claim, "NAME": name, "TITLE": title, "DAY": day}
    contents = _listed(read_text(root / TOC), name)
    atomic_write(path, _filled("template.ipynb", words))
    atomic_write(root / ENTRIES, f"{entries.rstrip()}\n\n".lstrip() + _filled("claim.yml", words))
    atomic_write(root / TOC, contents)
    return [
        f"wrote book/{name}.ipynb, and claim {claim} in {ENTRIES.as_posix()}",
        f"1. change both: `make notebook` opens the chapter; {claim}'s entry holds the prediction and the test",
        "2. commit them, then `make register`: commits prove that the prediction came before its number",
        f"3. `make record CHAPTERS={name}` executes the chapter and stores its outputs",
        "4. `make book` shows it, `make test` checks it; docs/experiments.md says more",
    ]


def _filled(template: str, words: dict[str, str]) -> str:
    return re.sub("|".join(words), lambda found: words[found[0]], read_text(TEMPLATES / template))


def _free(taken: Iterable[str]) -> str:
    """Find an id for the claim: Q and the first number that is free."""
    known, number = set(taken), 1
    while f"Q{number}" in known:
        number += 1
    return f"Q{number}"


def _listed(contents: str, name: str) -> str:
    """Name the page in the table of contents: a chapter behind the last one, anything else behind the appendices."""
    lines = contents.splitlines(keepends=True)
    pages = [place for place, line in enumerate(lines) if re.match(r"\s*- file: book/", line)]
    appendices = [place for place in pages if "book/appendix-" in lines[place]]
    chapters = [place for place in pages if re.search(r"book/\d", lines[place])]
    if not pages:
        raise PressError(f"{TOC}: names no page by a line such as '- file: book/01-one'")
    last = ((chapters if name[0].isdecimal() else appendices) or chapters or pages)[-1]
    indent = lines[last][: lines[last].index("-")]
    return "".join([*lines[: last + 1], f"{indent}- file: book/{name}\n", *lines[last + 1 :]])
