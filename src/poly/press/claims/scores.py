"""Count the verdicts in plain sentences: those of blind predictions first, then the others, kind by kind."""

from collections import Counter
from collections.abc import Callable, Sequence

from poly.press.claims.lines import Line
from poly.press.claims.verdicts import VERDICTS
from poly.press.metadata import Verdict

# How one claim of a verdict is counted, and how several are.
_SAID: dict[Verdict, tuple[str, str]] = {
    "confirmed": ("is confirmed", "are confirmed"),
    "refined": ("is refined", "are refined"),
    "refuted": ("is refuted", "are refuted"),
    "open": ("is open", "are open"),
    "holds": ("holds", "hold"),
    "broken": ("is broken", "are broken"),
    "agrees": ("agrees", "agree"),
    "differs": ("differs", "differ"),
    "measured": ("is measured", "are measured"),
}


def blind(lines: Sequence[Line]) -> str:
    """Count the verdicts of blind predictions, in one sentence."""
    found = [line for line in lines if line.measured and line.kind == "prediction" and line.blindness == "blind"]
    if not found:
        return "No prediction was registered blind."
    head = f"{_count(found, 'prediction was', 'predictions were')} registered blind, before the number was known"
    return f"{head}: {tally(found)}."


def others(lines: Sequence[Line], retired: int = 0) -> list[str]:
    """Say how all other claims fared, a sentence for each kind that there is."""
    found = []
    for belongs, one, several in _OTHERS:
        here = [line for line in lines if line.measured and belongs(line)]
        if here:
            found.append(f"{_count(here, one, several)}: {tally(here)}.")
    if explored := [line for line in lines if line.measured and line.kind == "exploration"]:
        found.append(f"{_count(explored, 'exploration has', 'explorations have')} an interval and no verdict.")
    if waiting := [line for line in lines if not line.measured]:
        found.append(f"{_count(waiting, 'claim is', 'claims are')} registered and not measured yet.")
    if retired:
        found.append(f"{retired} {'claim is' if retired == 1 else 'claims are'} retired and not counted here.")
    return found


_SEEN = "not blind, because the number, or one close to it, was known"
_TOGETHER = "registered together with the number, and so not blind either"
_OTHERS: tuple[tuple[Callable[[Line], bool], str, str], ...] = (
    (
        lambda line: line.kind == "prediction" and line.blindness == "seen",
        f"prediction was {_SEEN}",
        f"predictions were {_SEEN}",
    ),
    (
        lambda line: line.kind == "prediction" and line.blindness == "with-number",
        f"prediction was {_TOGETHER}",
        f"predictions were {_TOGETHER}",
    ),
    (
        lambda line: line.kind == "replication",
        "replication compares a new measurement with a published number",
        "replications compare a new measurement with a published number",
    ),
    (
        lambda line: line.kind == "identity",
        "identity is a theorem or a check of the code, and is never counted as a confirmation",
        "identities are theorems or checks of the code, and are never counted as confirmations",
    ),
)


def tally(lines: Sequence[Line]) -> str:
    """Count the verdicts of claims of one kind, as in "2 are confirmed, none is refuted and 1 is open"."""
    times = Counter(line.verdict for line in lines)
    counts = [(times[verdict], *_SAID[verdict]) for verdict in VERDICTS[lines[0].kind]]  # type: ignore[index]
    parts = [f"{times or 'none'} {several if times > 1 else one}" for times, one, several in counts]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _count(found: Sequence[Line], one: str, several: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else several}"
