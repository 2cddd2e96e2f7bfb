"""The ledger of claims: predictions registered before numbers, verdicts computed and not typed.

``book/claims.yml`` maps an id to its entry: statement, prediction (a number), tolerance, test, chapter,
expected verdict, blind (were the numbers unknown when it was registered?), registered (date), and, where
there is one, an ``alternative`` prediction with its own tolerance, and what was ``amended`` later, and when.
"""

import hashlib
import html
import json
import math
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml
from IPython.display import display

from poly.press import safe_yaml
from poly.press.metadata import CLAIM_ID, Verdict

# Beyond so many decimals a number is easier read as "0" or as a power of ten.
_MOST_DIGITS = 4
# A float holds no more.
_MOST_DECIMALS = 17
# An interval that is so much narrower than the tolerance may be lost in rounding.
_NEGLIGIBLE = 0.01
_RANGE = re.compile(r"\d to \d|\bbelow\b|\bor more\b|\bat most\b")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Prediction(NamedTuple):
    """A number with the tolerance within which a measurement agrees, and a few words saying what it is."""

    value: float
    tolerance: float
    says: str


class Claim(NamedTuple):
    """One entry of the ledger; ``digits`` decimals are shown and compared, ``amended`` says when and why it changed."""

    id: str
    statement: str
    prediction: Prediction
    alternative: Prediction | None
    test: str
    chapter: str
    expected: Verdict
    blind: bool
    registered: str
    digits: int
    amended: str = ""


class _Loader(safe_yaml.Decimal):
    """Refuses a key that is there twice, of which YAML would keep the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"claims.yml, {key}: registered twice")
        return super().construct_mapping(node, deep)


def load(path: Path | str = "claims.yml") -> dict[str, Claim]:
    """All registered claims by id; chapters run in ``book/``, where the file lies.

    Raises:
        ValueError: a missing file, or an entry with a missing, unknown or unfit field.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such ledger; chapters run in the folder book/")
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # a SafeLoader
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}, byte {error.start}: not valid UTF-8") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path.name}: {' '.join(str(error).split())}") from None
    if not isinstance(entries, dict):
        raise ValueError(f"{path.name}: must map ids to claims")
    return {str(name): _claim(str(name), entry) for name, entry in entries.items()}


def verdict(claim: Claim, low: float, high: float) -> Verdict:
    """What the interval [low, high] says of the claim.

    confirmed: it lies inside prediction ± tolerance; refuted: wholly outside; refined: refuted, while
    the registered alternative is confirmed; open: anything else.

    Raises:
        ValueError: an interval that is not finite with low ≤ high.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"claim {claim.id}: interval [{low}, {high}] must be finite with low ≤ high")
    if inside(claim.prediction, low, high):
        return "confirmed"
    value, tolerance, _ = claim.prediction
    if value - tolerance <= high and low <= value + tolerance:
        return "open"
    return "refined" if claim.alternative and inside(claim.alternative, low, high) else "refuted"


def fingerprint(claim: Claim) -> str:
    """A hash of all that an entry binds itself to: everything but its amendments."""
    bound = claim._asdict()
    del bound["amended"]
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()


def predict(*ids: str) -> None:
    """Show what is claimed, before anything is measured: one table with statement, prediction and test.

    Raises:
        ValueError: an unknown id.
    """
    rows, lines = "", []
    for claim in map(_find, ids):
        expected = predicted(claim.prediction)
        if claim.alternative:
            expected += f", or else {predicted(claim.alternative)}"
        rows += (
            f'<tr id="predict-{claim.id}"><th scope="row">{claim.id}</th><td>{html.escape(claim.statement)}</td>'
            f"<td>{html.escape(expected)}</td><td>{html.escape(claim.test)}</td></tr>"
        )
        lines += [f"{claim.id}: {claim.statement}", f"    predicted: {expected}", f"    test: {claim.test}"]
    head = "<tr><th>id</th><th>claim</th><th>predicted</th><th>test</th></tr>"
    page = f'<div class="predictions"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    display({"text/html": page, "text/plain": "\n".join(lines)}, raw=True)  # type: ignore[no-untyped-call]


def check(name: str, measured: float, low: float, high: float, *, seeds: int, interval: str = "95 % interval") -> None:
    """Hold a measurement with its interval against the claim, and show the verdict.

    The card's output carries the record (id, statement, chapter, predicted, measured, low, high, verdict, seeds,
    blind, and what binds the entry) for the press, rounded to the claim's digits.

    Args:
        name: id in the ledger.
        measured: the point estimate.
        low, high: its interval.
        interval: what the interval is, as the card says it; "95 % …" where it is one of confidence.
        seeds: the number of independent starts behind it; 0 for a computation without randomness.

    Raises:
        ValueError: an unknown id, or an interval that is not finite with low ≤ measured ≤ high.
    """
    claim = _find(name)
    if not low <= measured <= high:
        raise ValueError(f"claim {name}: measured {measured} must lie in its interval [{low}, {high}]")
    outcome = verdict(claim, low, high)
    telling = high - low > _NEGLIGIBLE * claim.prediction.tolerance
    measured, low, high = (round(value, claim.digits) + 0.0 for value in (measured, low, high))
    record = {
        "id": claim.id,
        "statement": claim.statement,
        "chapter": claim.chapter,
        "predicted": claim.prediction.value,
        "measured": measured,
        "low": low,
        "high": high,
        "verdict": outcome,
        "seeds": seeds,
        "blind": claim.blind,
        "interval": "exact" if low == high else interval,
        "entry": fingerprint(claim),
        "amended": claim.amended,
    }
    shown = measurement(record, claim.digits)
    if low == high and telling and interval.startswith("95 %"):
        raise ValueError(f"claim {name}: digits={claim.digits} leave nothing of its interval, must be more")
    table = [("predicted", predicted(claim.prediction))]
    if claim.alternative:
        table.append(("alternative", predicted(claim.alternative)))
    table += [("measured", shown), ("starts", f"{seeds:,}")] if seeds else [("measured", shown)]
    table.append(("blind", "yes" if claim.blind else "no"))
    if claim.amended:
        table.append(("amended", claim.amended))
    cells = "".join(f'<tr><th scope="row">{key}</th><td>{html.escape(value)}</td></tr>' for key, value in table)
    page = (
        f'<div class="claim claim-{outcome}" id="claim-{claim.id}"><p class="claim-head"><b>{claim.id}</b> '
        f'<span class="claim-verdict">{outcome}</span></p><p>{html.escape(claim.statement)}</p><table>{cells}</table>'
        f'<p class="claim-ledger"><a href="ledger.html#ledger-{claim.id}">in the ledger</a></p></div>'
    )
    plain = "\n".join([f"{claim.id}: {outcome}", claim.statement, *(f"{key}: {value}" for key, value in table)])
    bundle = {"text/html": page, "text/plain": plain}
    display(bundle, raw=True, metadata={"poly": {"claim": record}})  # type: ignore[no-untyped-call]


def _claim(name: str, entry: Any) -> Claim:
    if not isinstance(entry, dict):
        raise ValueError(f"claims.yml, {name}: must be a mapping of fields")
    if not CLAIM_ID.fullmatch(name):
        raise ValueError(f"claims.yml, {name!r}: an id must be letters, digits, '.', '_' and '-', at most 40")
    known = {*Claim._fields} - {"id"}
    _known(f"claims.yml, {name}", entry, known)
    for field in sorted(known - {"alternative", "amended"} - entry.keys()):
        raise ValueError(f"claims.yml, {name}: field {field!r} is missing")
    if entry["expected"] not in get_args(Verdict):
        raise ValueError(f"claims.yml, {name}: expected={entry['expected']!r}, must be one of {get_args(Verdict)}")
    for field, fits, what in (
        ("statement", str, "a sentence"),
        ("test", str, "a sentence"),
        ("chapter", str, "a chapter's name"),
        ("blind", bool, "true or false"),
        ("digits", int, f"a whole number from 0 to {_MOST_DECIMALS}"),
    ):
        value = entry[field]
        bad_count = fits is int and (isinstance(value, bool) or value not in range(_MOST_DECIMALS + 1))
        if not isinstance(value, fits) or (isinstance(value, str) and not value.strip()) or bad_count:
            raise ValueError(f"claims.yml, {name}: {field}={value!r}, must be {what}")
    fields = dict(entry)
    for field in ("prediction", "alternative"):
        fields[field] = _prediction(name, field, entry.get(field))
    if fields["prediction"] is None:
        raise ValueError(f"claims.yml, {name}: prediction is empty")
    amended = str(entry.get("amended", ""))
    if amended and not amendments(amended):
        raise ValueError(f"claims.yml, {name}: amended={amended!r}, must begin with a date, as in 2026-01-31: why")
    if not _date(str(entry["registered"])):
        raise ValueError(f"claims.yml, {name}: registered={entry['registered']!r}, must be a date, as in 2026-01-31")
    return Claim(id=name, **(fields | {"registered": str(entry["registered"])}))


def amendments(text: str) -> list[str]:
    """The dates in an entry's ``amended``, as in "2026-01-31: why; 2026-02-01: why again"."""
    found = re.findall(r"(?:^|; )(\d{4}-\d\d-\d\d): \S", text)
    return found if found and text.startswith(found[0]) and all(map(_date, found)) else []


def _date(text: str) -> bool:
    try:
        return date.fromisoformat(text) <= date.today() + timedelta(days=1)
    except ValueError:
        return False


def _prediction(name: str, field: str, entry: Any) -> Prediction | None:
    if entry is None:
        return None
    place = f"claims.yml, {name}: {field}"
    if not isinstance(entry, dict) or set(Prediction._fields) - entry.keys():
        raise ValueError(f"{place} must have a number value, a number tolerance, and says")
    _known(place, entry, {*Prediction._fields})
    if not isinstance(entry["says"], str) or not entry["says"].strip():
        raise ValueError(f"{place}: says={entry['says']!r}, must be a few words")
    found = Prediction(_number(place, entry, "value"), _number(place, entry, "tolerance"), entry["says"])
    if not (math.isfinite(found.value) and math.isfinite(found.tolerance) and found.tolerance > 0):
        raise ValueError(f"{place} must be finite, with tolerance > 0")
    return found


def _known(place: str, entry: dict[Any, Any], known: set[str]) -> None:
    for field in sorted(entry.keys() - known, key=str):
        raise ValueError(f"{place}: unknown field {field!r}, allowed are {', '.join(sorted(known))}")


def _number(place: str, entry: dict[str, Any], field: str) -> float:
    """The field as a float; YAML takes 1e-6, which has no point, for a word."""
    value = entry[field]
    written = isinstance(value, str) and re.fullmatch(r"[-+]?(0|[1-9]\d*)(\.\d*)?([eE][-+]?\d+)?", value, re.ASCII)
    if isinstance(value, bool) or not (isinstance(value, int | float) or written):
        raise ValueError(f"{place}: {field}={value!r}, must be a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _find(name: str) -> Claim:
    ledger = load()
    if name not in ledger:
        raise ValueError(f"claim {name!r}: not in claims.yml, which has {', '.join(ledger)}")
    return ledger[name]


def inside(prediction: Prediction, low: float, high: float) -> bool:
    """Whether the interval lies within the tolerance."""
    return prediction.value - prediction.tolerance <= low and high <= prediction.value + prediction.tolerance


def number(value: float, digits: int) -> str:
    """The number as cards and the ledger show it."""
    if digits > _MOST_DIGITS and value == 0:
        return f"0 (to {digits} decimals)"
    return f"{value:.{digits}f}".replace("-", "−")


def measurement(record: dict[str, Any], digits: int) -> str:
    """A card's measurement with its interval, as cards and the ledger show it."""
    shown = number(record["measured"], digits)
    if record["low"] == record["high"]:
        return shown
    span = f"{number(record['low'], digits)} to {number(record['high'], digits)}"
    return f"{shown} ({record.get('interval', 'interval')} {span})"


def _tolerance(value: float) -> str:
    exponent = math.floor(math.log10(value))
    if exponent < -_MOST_DIGITS:
        return f"{value / 10**exponent:g} · 10{str(exponent).translate(_SUPERSCRIPT)}".removeprefix("1 · ")
    return f"{value:g}"


def predicted(prediction: Prediction) -> str:
    """The prediction in words, with its tolerance where the words are no range already."""
    if _RANGE.search(prediction.says):
        return prediction.says
    return f"{prediction.says} (tolerance ±{_tolerance(prediction.tolerance)})"
