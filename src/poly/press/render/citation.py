"""Write how to cite this copy of the book, from ``CITATION.cff`` and from the runs of its chapters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from poly.press.chapters import Page, PressError, read_yaml
from poly.press.execute import provenance

FILE = "CITATION.cff"


def tables(root: Path, notebooks: Mapping[Page, NotebookNode], url: str | None) -> dict[str, str]:
    """Write the citation in words and as BibTeX, by the name of its place on a page; nothing if there is no file.

    Raises:
        PressError: the file lacks a title, a version or authors.
    """
    path = root / FILE
    if not path.is_file():
        return {}
    listed: Any = read_yaml(path)
    try:
        title, version = str(listed["title"]), str(listed["version"])
        authors = [_name(author) for author in listed["authors"]]
    except (TypeError, KeyError) as error:
        raise PressError(f"{FILE}: must have a title, a version and authors with names ({error!r})") from None
    commit = provenance.book(root)["commit"]
    runs = [provenance.stamp(notebook).get("date", "") for notebook in notebooks.values()]
    day = max(runs, default="")[:10]
    fields = {
        "author": " and ".join(f"{{{author}}}" for author in authors),
        "title": f"{{{title}}}",
        "version": f"{version}, commit {commit}",
        "year": day[:4],
        "url": url or "",
    }
    bibtex = "".join(f"  {name:7} = {{{value}}},\n" for name, value in fields.items() if value)
    words = f"{', '.join(authors)}: *{title}.* Version {version}, commit {commit}"
    words += f", executed {day}." if day else "."
    return {"citation": f"{words}\n\n```bibtex\n@software{{what_causes_polysemanticity_book,\n{bibtex}}}\n```\n"}


def _name(author: Mapping[str, Any]) -> str:
    return str(author["name"]) if "name" in author else f"{author['given-names']} {author['family-names']}"
