"""Compare what all chapters measured with what was registered, and write the ledger's page."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from nbformat import NotebookNode

from poly.press import claims, markup
from poly.press.chapters import Page, outputs_of, poly_metadata
from poly.press.claims import Claim, Record, p_values, registry, rules, scores, templates
from poly.press.claims.entries import Kind
from poly.press.claims.lines import BLINDNESS, Line, Place, all_amendments, line, verdict_of
from poly.press.claims.records import is_hidden
from poly.press.claims.verdicts import VERDICTS
from poly.press.typeset import appendices

_BOUND = ("entry", "amended", "interval")
KINDS: tuple[Kind, ...] = ("prediction", "replication", "identity", "exploration")
# A default that no call can change.
_NONE: Mapping[str, str] = MappingProxyType({})


class Choice(NamedTuple):
    """What the ledger's lines can be filtered by: a name, and its values, each in words and with a number of lines."""

    name: str
    values: list[tuple[str, str, int]]


def records(notebook: NotebookNode) -> list[Record]:
    """Read the records of a chapter's cards, in order."""
    return records_in(output for _, output in outputs_of(notebook))


def records_in(outputs: Iterable[NotebookNode]) -> list[Record]:
    """Read the records of the cards among some outputs, in order."""
    return [dict(found["claim"]) for found in map(poly_metadata, outputs) if "claim" in found]


def faults(ledger: Mapping[str, Claim], notebooks: Mapping[Page, NotebookNode]) -> list[str]:
    """List faults: what the rule forbids, claims not checked where they are due, verdicts and changes unannounced."""
    found = [f"claims.yml, {fault}" for claim in ledger.values() for fault in rules.faults(claim, ledger)]
    found += _misplaced(ledger.values(), notebooks)
    for page, notebook in notebooks.items():
        here = records(notebook)
        times = Counter(record["id"] for record in here)
        due = [claim.id for claim in ledger.values() if claim.chapter == page.name and not claim.retired]
        found += [f"{page.name}: claim {name} is due and not checked" for name in due if not times[name]]
        found += [f"{page.name}: claim {name} is checked {times[name]} times" for name in times if times[name] > 1]
        for record in here:
            claim = ledger.get(record["id"])
            if claim is None or claim.chapter != page.name:
                found.append(f"{page.name}: claim {record['id']} is checked here but not registered for this chapter")
            elif claim.retired:
                found.append(f"{page.name}: claim {record['id']} is checked here but retired")
            else:
                found += [f"{page.name}: {fault}" for fault in _record_faults(claim, record)]
    return found


def _misplaced(ledger: Iterable[Claim], pages: Iterable[Page]) -> list[str]:
    """List claims whose chapter has the number of a page but another name: such an error makes them never due."""
    numbers = {number: page.name for page in pages if (number := _number(page.name))}
    meant = [(claim, numbers.get(_number(claim.chapter), claim.chapter)) for claim in ledger]
    return [
        f"claims.yml, {claim.id}: chapter={claim.chapter!r}, must be {name!r} or have another number"
        for claim, name in meant
        if name != claim.chapter
    ]


def _record_faults(claim: Claim, record: Record) -> list[str]:
    found = []
    if record["verdict"] != claim.expected:
        shown = claims.measurement(record, claim.digits)
        found.append(
            f"claim {claim.id} is registered as {claim.expected}, but {shown} makes it "
            f"{record['verdict']}; predicted: {claims.predicted(claim.prediction)}"
        )
    if is_hidden(record):
        found.append(f"claim {claim.id}: digits={claim.digits} leave nothing of its interval, must be more")
    silent = registry.unamended_change(claim, record)
    return [*found, silent] if silent else found


def published(ledger: Mapping[str, Claim], notebooks: Mapping[Page, NotebookNode]) -> list[Record]:
    """List every claim as ``claims.json`` has it. The verdict is open if nothing was measured yet."""
    measured = {name: record for name, (_, record) in _measured(notebooks).items()}
    return [
        {key: value for key, value in measured.get(claim.id, _unmeasured(claim)).items() if key not in _BOUND}
        | _promised(claim)
        for claim in ledger.values()
    ]


def _unmeasured(claim: Claim) -> Record:
    nothing = dict.fromkeys(("measured", "low", "high"))
    entry = {"id": claim.id, "statement": claim.statement, "chapter": claim.chapter}
    tail = {"verdict": verdict_of(claim, None), "seeds": 0, "blind": claim.blind}
    return entry | {"predicted": claim.prediction.value} | nothing | tail


def _promised(claim: Claim) -> Record:
    """List what an entry says of its own kind and margin, and of its place in the ledger's history."""
    own = {field: getattr(claim, field) for field in ("kind", "with_number", "precision", "succeeds", "retired")}
    return own | {"tolerance": claim.prediction.tolerance, "margin": claim.prediction.margin}


def substitutions(ledger: Mapping[str, Claim], notebooks: Mapping[Page, NotebookNode]) -> dict[str, str]:
    """Write what any page may quote of a claim, such as C7a.

    ``{{ C7a }}`` links to its card. ``{{ C7a_measured }}`` is its number with the interval, ``{{ C7a_predicted }}`` the
    predicted one, and ``{{ C7a_starts }}`` counts the starts behind it. A claim that no chapter has measured links to
    its entry in the ledger, and has none of the others.
    """
    found = {claim.id: f"[{claim.id}](ledger.html#ledger-{claim.id}){{.external}}" for claim in ledger.values()}
    for page, notebook in notebooks.items():
        for record in records(notebook):
            if claim := ledger.get(record["id"]):
                address = f"({page.name}.html#claim-{claim.id}){{.external}}"
                found[claim.id] = f"[{claim.id}]{address}"
                found[f"{claim.id}_measured"] = f"[{claims.measurement(record, claim.digits)}]{address}"
                found[f"{claim.id}_predicted"] = f"{claim.prediction.value:g}"
                found[f"{claim.id}_starts"] = f"{record['seeds']:,} starts"
    return found


def tables(
    ledger: Mapping[str, Claim], notebooks: Mapping[Page, NotebookNode], commits: Mapping[str, str] = _NONE
) -> dict[str, str]:
    """Write the parts of the ledger's page, by the names of their places on it.

    Args:
        ledger: all claims.
        notebooks: the chapters that measure them.
        commits: the commits that registered claims, by id, as far as they are known.
    """
    lines = _lines(ledger, notebooks, commits)
    there = [line for line in lines if not line.retired]
    retired = [line for line in lines if line.retired]
    in_force = {claim.id for claim in ledger.values() if not claim.retired}
    found = [record for name, (_, record) in _measured(notebooks).items() if name in in_force]
    parts = {
        "score": templates.render("score.html", blind=scores.blind(there), others=scores.others(there, len(retired))),
        "errors": p_values.errors(ledger, found),
        "claims": templates.render("ledger.html", lines=there, choices=_choices(there)),
        "retired": templates.render("retired.html", lines=retired),
        "amendments": templates.render("amendments.html", changes=all_amendments(ledger)),
    }
    return {"ids": _searchable(ledger), **{name: f"{html}\n" for name, html in parts.items()}}


def _searchable(ledger: Mapping[str, Claim]) -> str:
    """Write the claims' ids as entries of an index: the search of the book does not see the table's HTML."""
    return f"```{{index}} {', '.join(ledger)}\n```\n" if ledger else ""


def _measured(notebooks: Mapping[Page, NotebookNode]) -> dict[str, tuple[Page, Record]]:
    return {record["id"]: (page, record) for page, notebook in notebooks.items() for record in records(notebook)}


def _lines(
    ledger: Mapping[str, Claim], notebooks: Mapping[Page, NotebookNode], commits: Mapping[str, str]
) -> list[Line]:
    measured = _measured(notebooks)
    successors: dict[str, list[str]] = {}
    for claim in ledger.values():
        successors.setdefault(claim.succeeds, []).append(claim.id)
    found = []
    for claim in sorted(ledger.values(), key=lambda claim: _in_order(claim.id)):
        page, record = measured.get(claim.id, (None, None))
        place = _place(page.name if page else claim.chapter, notebooks)
        after = successors.get(claim.id, ())
        found.append(line(claim, record, place, commit=commits.get(claim.id, ""), successors=after))
    return found


def _choices(lines: Sequence[Line]) -> list[Choice]:
    """List what the lines can be filtered by, with the number of lines for each value."""
    verdicts = list(dict.fromkeys(verdict for kind in KINDS for verdict in VERDICTS[kind]))
    by_page = sorted(lines, key=lambda line: (not _number(line.chapter), line.place))  # chapters, then appendices
    known: dict[str, dict[str, str]] = {
        "kind": dict(zip(KINDS, KINDS, strict=True)),
        "verdict": dict(zip(verdicts, verdicts, strict=True)),
        "chapter": {line.chapter: line.place for line in by_page},
        "blindness": BLINDNESS,
    }
    found = []
    for name, values in known.items():
        times = Counter(getattr(line, name) for line in lines)
        found.append(Choice(name, [(value, said, times[value]) for value, said in values.items() if times[value]]))
    return found


def _in_order(name: str) -> tuple[bool, list[tuple[int, str]]]:
    """Return the sort key of an id: the paper's claims come first, and C2 before C10."""
    parts = [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
    return not re.match(r"C\d", name), parts


def _number(chapter: str) -> str:
    return re.match(r"0*(\d*)", chapter)[1]  # type: ignore[index]


def _place(chapter: str, pages: Iterable[Page]) -> Place:
    """Name a chapter or an appendix: 'chapter 4', 'appendix B', or 'appendix law of crowds' if it is not there."""
    if number := _number(chapter):
        return Place(chapter, f"chapter {number}")
    letter = appendices.letters(page.docname for page in pages).get(f"book/{chapter}")
    return Place(chapter, markup.one_line(f"appendix {letter}" if letter else chapter.replace("-", " ")))
