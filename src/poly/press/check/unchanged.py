"""Compare the stored book with that of another commit: every glued value, figure, claim and address.

Results may have moved to another chapter. A new result is no difference. One that is gone or has another value is.
"""

import io
import re
import tarfile
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from nbformat import NotebookNode
from numpy.typing import NDArray

from poly.press import checkout
from poly.press.chapters import PressError, figures_of, outputs_of, read_notebook, read_pages
from poly.press.claims import ledger
from poly.press.figures import figure_data
from poly.press.text_comparison import GLUED, paired_numbers

# The fields of a claim's record that must be the same: its measurement and its verdict.
_CLAIM = ("verdict", "measured", "low", "high", "predicted", "seeds", "blind")
_LABEL = re.compile(r"^\(([\w-]+)\)=|^:label: *([\w-]+)|\{#([\w-]+)\}", re.MULTILINE)


class Facts(NamedTuple):
    """The facts of the stored book, by name."""

    glued: dict[str, str]
    series: dict[str, NDArray[Any]]
    claims: dict[str, dict[str, Any]]
    addresses: set[str]


def unchanged(root: Path, base: str) -> list[str]:
    """List what is gone since another commit's book, and what has another value, a line each.

    Args:
        root: the folder of the book.
        base: the commit, as git names it.

    Raises:
        PressError: there is no such commit, or a book cannot be read.
    """
    commit = checkout.git(root, "rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}") or b""
    packed = checkout.git(root, "archive", commit.decode().strip(), "--", "book", "_toc.yml") if commit else None
    if packed is None:
        raise PressError(f"unchanged: BASE={base}: no such commit here, or it holds no book")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
        return differences(facts(Path(folder)), facts(root))


def facts(root: Path) -> Facts:
    """Read the facts of the book from its pages and the stored outputs of its chapters."""
    found = Facts({}, {}, {}, set())
    for page in read_pages(root):
        found.addresses.add(f"{page.docname}.html")
        if page.path.suffix != ".ipynb":
            found.addresses.update(_labels(page.path.read_text(encoding="utf-8")))
            continue
        notebook = read_notebook(page.path)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                found.addresses.update(_labels(cell.source))
        found.glued.update(_glued(notebook))
        for figure in figures_of(notebook):
            found.addresses.add(figure["name"])
            for name, values in figure_data.unpack(figure["data"]).series.items():
                found.series[f"{figure['name']}, {name}"] = values
        found.claims.update({record["id"]: record for record in ledger.records(notebook)})
    return found


def differences(before: Facts, after: Facts) -> list[str]:
    """List what is gone, and what has another value; numbers in text may have fewer or more digits than before."""
    lines = [f"address {name} is gone" for name in sorted(before.addresses - after.addresses)]
    kinds: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("value", before.glued, after.glued),
        ("figure", before.series, after.series),
        ("claim", before.claims, after.claims),
    ]
    for kind, those, now in kinds:
        lines += [f"{kind} {name} is gone" for name in those if name not in now]
    for name in before.glued.keys() & after.glued.keys():
        if not same_text(before.glued[name], after.glued[name]):
            lines.append(f"value {name} was {before.glued[name]}, is {after.glued[name]}")
    for name in before.series.keys() & after.series.keys():
        one, other = before.series[name], after.series[name]
        if one.shape != other.shape or not np.array_equal(one, other, equal_nan=one.dtype.kind == "f"):
            lines.append(f"figure {name} plots other numbers")
    for name in before.claims.keys() & after.claims.keys():
        old, new = before.claims[name], after.claims[name]
        lines += [
            f"claim {name}: {key} was {old.get(key)}, is {new.get(key)}"
            for key in _CLAIM
            if old.get(key) != new.get(key)
        ]
    return sorted(lines)


def same_text(before: str, after: str) -> bool:
    """Return whether two texts have the same words, and numbers that agree at the coarser of two roundings."""
    pairs = paired_numbers(before, after)
    return pairs is not None and all(_same_number(one, other) for one, other in pairs)


def _same_number(one: str, other: str) -> bool:
    a, b = (Decimal(text.replace(",", "").replace("−", "-")) for text in (one, other))
    last = max(number.as_tuple().exponent for number in (a, b))
    unit = Decimal(1).scaleb(int(last))
    return a.quantize(unit) == b.quantize(unit)


def _glued(notebook: NotebookNode) -> dict[str, str]:
    found = {}
    for _, output in outputs_of(notebook):
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        if name:
            found[str(name)] = str(output.get("data", {}).get(GLUED, ""))
    return found


def _labels(text: str) -> set[str]:
    return {next(filter(None, match)) for match in _LABEL.findall(text)}
