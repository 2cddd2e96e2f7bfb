"""Compare what all chapters measured with what was registered, and write the ledger's page."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from nbformat import NotebookNode
from scipy import stats

from poly import inference
from poly.press import claims, markup
from poly.press.chapters import Page, outputs_of, poly_metadata
from poly.press.claims import Claim, Prediction, Record, registry, rules, templates
from poly.press.claims.cards import Card

# A verdict is false if the truth lies beyond one end of a 95 % interval.
_ONE_SIDED = 0.025
_Z = stats.norm.ppf(1 - _ONE_SIDED)
_BOUND = ("entry", "amended", "interval")


def records(notebook: NotebookNode) -> list[Record]:
    """Read the records of a chapter's cards, in order."""
    return [
        dict(poly_metadata(output)["claim"]) for _, output in outputs_of(notebook) if "claim" in poly_metadata(output)
    ]


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
    silent = registry.unamended_change(claim, record)
    return [*found, silent] if silent else found


def published(ledger: Mapping[str, Claim], notebooks: Mapping[Page, NotebookNode]) -> list[Record]:
    """List every claim as ``claims.json`` has it. The verdict is open if nothing was measured yet."""
    measured = {record["id"]: record for notebook in notebooks.values() for record in records(notebook)}
    return [
        {key: value for key, value in measured.get(claim.id, _unmeasured(claim)).items() if key not in _BOUND}
        for claim in ledger.values()
    ]


def _unmeasured(claim: Claim) -> Record:
    nothing = dict.fromkeys(("measured", "low", "high"))
    entry = {"id": claim.id, "statement": claim.statement, "chapter": claim.chapter}
    tail = {"verdict": "open", "seeds": 0, "blind": claim.blind}
    return entry | {"predicted": claim.prediction.value} | nothing | tail


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


def tables(ledger: Mapping[str, Claim], notebooks: Mapping[Page, NotebookNode]) -> dict[str, str]:
    """Write the claims and the number of errors to expect, by the names of their places on the ledger's page."""
    measured = {record["id"]: (page, record) for page, notebook in notebooks.items() for record in records(notebook)}
    found = [record for _, record in measured.values() if record["id"] in ledger]
    return {"claims": _list(ledger, measured), "errors": _errors(ledger, found)}


def _list(ledger: Mapping[str, Claim], measured: Mapping[str, tuple[Page, Record]]) -> str:
    ordered = sorted(ledger.values(), key=lambda claim: _in_order(claim.id))
    entries = [_card(claim, measured.get(claim.id)) for claim in ordered]
    times = Counter(card.verdict for card in entries) | Counter(all=len(entries))
    choices = [(verdict, times[verdict]) for verdict in ("all", "confirmed", "refined", "refuted", "open")]
    return templates.render("ledger.html", choices=choices, cards=entries) + "\n"


def _in_order(name: str) -> tuple[bool, list[tuple[int, str]]]:
    """Order ids: the paper's claims first, and C2 before C10."""
    parts = [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
    return not re.match(r"C\d", name), parts


def _card(claim: Claim, found: tuple[Page, Record] | None) -> Card:
    rows = [("predicted", claims.predicted(claim.prediction))]
    if claim.alternative:
        rows.append(("or else", claims.predicted(claim.alternative)))
    rows.append(("test", claim.test))
    verdict, place, address = "open", f"{_place(claim.chapter)}, not yet in the book", ""
    if found:
        page, record = found
        verdict, place = record["verdict"], _place(page.name)
        address = f"{page.name}.html#claim-{claim.id}"
        starts = f", {record['seeds']:,} starts" if record["seeds"] else ""
        rows.append(("measured", claims.measurement(record, claim.digits) + starts))
        if verdict != claim.expected:
            rows.append(("expected", claim.expected))
    if claim.amended:
        rows.append(("amended", claim.amended))
    return Card(
        id=claim.id,
        anchor=f"ledger-{claim.id}",
        verdict=verdict,
        statement=markup.one_line(claim.statement),
        rows=[(name, markup.one_line(value)) for name, value in rows],
        place=place,
        address=address,
        registration=f" · {'blind' if claim.blind else 'not blind'} · registered {claim.registered}",
    )


def _number(chapter: str) -> str:
    return re.match(r"0*(\d*)", chapter)[1]  # type: ignore[index]


def _place(chapter: str) -> str:
    """Name a chapter or an appendix: 'chapter 4', 'appendix law of crowds'."""
    number = _number(chapter)
    return markup.one_line(f"chapter {number}" if number else chapter.replace("-", " "))


def chance(claim: Claim, record: Record) -> float | None:
    """Compute the p-value of a verdict: the chance of such an interval if the truth were on the tolerance's edge.

    Errors are normal, as wide as the interval's half on the side of the edge. A confirmed claim is tested against the
    nearer edge, as in two one-sided tests. A refuted one is tested against the edge that it lies beyond. The
    chance to lie as far beyond the other edge is added. For a refined one, the greater of two chances counts: that of
    the refuted prediction, and that of the confirmed alternative.

    Returns:
        The chance; None for an open claim, and for an interval that is not one of confidence.
    """
    measured, low, high = record["measured"], record["low"], record["high"]
    if record["verdict"] == "open" or not str(record.get("interval", "")).startswith("95 %") or not low < high:
        return None
    if record["verdict"] == "confirmed":
        return _outside(claim.prediction, record)
    value, tolerance, *_ = claim.prediction
    side = 1 if measured > value else -1
    half = measured - low if side == 1 else high - measured
    z = _distance(side * (measured - value) - tolerance, half)
    p = float(stats.norm.sf(z) + stats.norm.sf(z + _distance(2 * tolerance, half)))
    refined = record["verdict"] == "refined" and claim.alternative
    return max(p, _outside(refined, record)) if refined else p


def _outside(prediction: Prediction, record: Record) -> float:
    """Compute the chance of an interval this far inside the tolerance if the truth were on its nearer edge."""
    value, tolerance, *_ = prediction
    measured = record["measured"]
    z = min(
        _distance(measured - value + tolerance, measured - record["low"]),
        _distance(value + tolerance - measured, record["high"] - measured),
    )
    return float(stats.norm.sf(z))


def _distance(gap: float, half: float) -> float:
    """Convert a gap to standard errors, given half of a 95 % interval."""
    return float(gap / half * _Z) if half > 0 else math.inf


def _errors(ledger: Mapping[str, Claim], found: Sequence[Record]) -> str:
    decided = [record for record in found if record["verdict"] != "open"]
    tested = [(record, p) for record in decided if (p := chance(ledger[record["id"]], record)) is not None]
    expected = _ONE_SIDED * sum(1 + (record["verdict"] != "confirmed") for record, _ in tested)
    text = (
        f"Of {len(ledger)} registered claims {len(found)} have been measured and {len(decided)} decided. "
        f"{len(tested)} verdicts rest on a 95 % interval of confidence; the others are exact, or come with the range "
        "of what was seen, which says nothing about chance. At worst, where the truth lies on the edge of the "
        "tolerance, a confirmation by interval is false once in forty times; a refutation once in twenty, if the "
        f"tolerance is narrow. So of {len(tested)} at most {expected:.2g} are expected to be false.\n"
    )
    if not tested:
        return text
    adjusted = inference.holm([p for _, p in tested])
    rows = "".join(
        f'| <a href="#ledger-{record["id"]}">{record["id"]}</a> | {record["verdict"]} | {_p(p)} | {_p(q)} |\n'
        for (record, p), q in zip(tested, adjusted, strict=True)
    )
    stand = sum(q <= 2 * _ONE_SIDED for q in adjusted)
    return (
        f"{text}\nHolm's adjustment asks for more: that they be free of error all together, in 95 cases of a hundred. "
        "*Chance* is that of a measurement so far inside or outside the tolerance if the truth were on its edge, with "
        f"normal errors. {stand} of {len(tested)} verdicts stand after the adjustment.\n\n"
        f"| claim | verdict | chance | after Holm |\n|---|---|---:|---:|\n{rows}"
    )


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
