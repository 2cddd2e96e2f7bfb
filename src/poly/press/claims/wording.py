"""Write numbers, measurements and predictions as readers see them on cards, in tables and in messages."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from poly.press.claims.entries import Claim, Prediction

# With more decimals, a number is easier to read as "0" or as a power of ten.
_MOST_DIGITS = 4
_RANGE = re.compile(r"\d to \d|\bbelow\b|\bor more\b|\bat most\b")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int) -> str:
    """Write a number with `digits` decimals, and with a true minus.

    >>> number(-0.5, 2)
    '−0.50'
    """
    if digits > _MOST_DIGITS and value == 0:
        return f"0 (to {digits} decimals)"
    return f"{value:.{digits}f}".replace("-", "−")


def measurement(record: Mapping[str, Any], digits: int) -> str:
    """Write a record's measurement with its interval, as in "1.23 (95 % interval 1.10 to 1.38)"."""
    measured = number(record["measured"], digits)
    if record["low"] == record["high"]:
        return measured
    ends = f"{number(record['low'], digits)} to {number(record['high'], digits)}"
    return f"{measured} ({record.get('interval', 'interval')} {ends})"


def interval(found: Iterable[float], form: str = "{:.2f}", unit: str = "") -> str:
    """Write a number and its interval for a sentence: "0.26 (0.24 to 0.27)", "26 % (24 to 27)".

    A count of 0 has the bound above, "0 (0 to 0.006)", and a number without spread is "1.00 in all".

    Args:
        found: measured, low, high.
        form: of each number, as for ``str.format``.
        unit: written behind the number.
    """
    value, low, high = found
    if low == high:
        return _signed(form, value) + unit + " in all"
    if value == 0 == low:
        return f"0{unit} (0 to {high:.1g})" if high < 1 else f"0{unit} (0 to {_signed(form, high)})"
    measured, *ends = (_signed(form, each) for each in (value, low, high))
    return f"{measured}{unit} ({' to '.join(ends)})"


def _signed(form: str, value: float) -> str:
    return form.format(value).replace("-", "−")


def predicted(prediction: Prediction) -> str:
    """Write a prediction in its words, with its tolerance where the words are not a range already."""
    if _RANGE.search(prediction.says):
        return prediction.says
    return f"{prediction.says} (tolerance ±{_tolerance(prediction.tolerance)})"


def predicted_or_else(claim: Claim) -> str:
    """Write a claim's prediction, and its alternative if it has one; an exploration has none."""
    if claim.kind == "exploration":
        return "nothing: found by looking"
    first = predicted(claim.prediction)
    return f"{first}, or else {predicted(claim.alternative)}" if claim.alternative else first


def _tolerance(value: float) -> str:
    exponent = math.floor(math.log10(value))
    if exponent < -_MOST_DIGITS:
        return f"{value / 10**exponent:g} · 10{str(exponent).translate(_SUPERSCRIPT)}".removeprefix("1 · ")
    return f"{value:g}"
