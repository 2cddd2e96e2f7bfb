"""Check arguments, and name the argument, its value and what is allowed in the error. Needs no torch."""

import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, SupportsAbs, TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

# The square of it, and the closed forms of ``theory`` at it, still fit float64.
_LARGEST_COUNT = 10**100
# The sizes of weights that the paper counts as 1.
WINDOW = (0.8, 1.2)
_Weights = TypeVar("_Weights", bound=SupportsAbs[Any])
_Config = TypeVar("_Config")


def count(name: str, value: object, at_least: int = 1) -> int:
    """Check that a value is a whole number ≥ ``at_least`` and return it as an int; raise ValueError otherwise."""
    try:  # a tensor of one entry would pass for a number
        number = None if getattr(value, "ndim", 0) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, RuntimeError):
        number = None
    if number is None or isinstance(value, bool) or number < at_least:
        raise ValueError(f"{name}={value!r}: must be a whole number ≥ {at_least}")
    if number > _LARGEST_COUNT:
        raise ValueError(f"{name}: is too large, must be at most 1e100")
    return number


def counts(**values: object) -> None:
    """Check named parameters, whole numbers ≥ 1 or nonempty lists of them; raise ValueError otherwise."""
    for name, value in _each(values.items()):
        count(name, value)


def nonnegatives(**values: object) -> None:
    """Check named parameters, finite numbers ≥ 0 or nonempty lists of them; raise ValueError otherwise."""
    for name, value in _each(values.items()):
        nonnegative(name, value)


def positives(**values: object) -> None:
    """Check named parameters, finite numbers > 0 or nonempty lists of them; raise ValueError otherwise."""
    for name, value in _each(values.items()):
        positive(name, value)


def _each(values: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    """Yield every number with its name; those in lists are called ``name[index]``."""
    for name, value in values:
        if not isinstance(value, list | tuple):
            yield name, value
        elif not value:
            raise ValueError(f"{name}={value!r}: must hold at least one number")
        else:
            yield from _each((f"{name}[{i}]", item) for i, item in enumerate(value))


def nonnegative(name: str, value: object) -> float:
    """Check that a value is a finite number ≥ 0 and return it as a float; raise ValueError otherwise."""
    number = _number(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name}={value!r}: must be a finite number ≥ 0")
    return number


def positive(name: str, value: object) -> float:
    """Check that a value is a finite number > 0 and return it as a float; raise ValueError otherwise."""
    number = _number(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name}={value!r}: must be a finite number > 0")
    return number


def moderate(name: str, value: object) -> float:
    """Check that a value is 0 or between 1e-100 and 1e100, which a solver can scale; raise ValueError otherwise."""
    number = nonnegative(name, value)
    if number and not 1e-100 <= number <= 1e100:
        raise ValueError(f"{name}={value!r}: must be 0 or between 1e-100 and 1e100")
    return number


def finite(name: str, value: object) -> float:
    """Check that a value is a finite number and return it as a float; raise ValueError otherwise."""
    number = _number(value)
    if not math.isfinite(number):
        raise ValueError(f"{name}={value!r}: must be a finite number")
    return number


def below_one(name: str, value: object) -> float:
    """Check that a value is a number ≥ 0 and < 1 and return it as a float; raise ValueError otherwise."""
    number = _number(value)
    if not 0 <= number < 1:
        raise ValueError(f"{name}={value!r}: must be a number ≥ 0 and < 1")
    return number


def probability(name: str, value: object) -> float:
    """Check that a value is a number > 0 and < 1 and return it as a float; raise ValueError otherwise."""
    number = _number(value)
    if not 0 < number < 1:
        raise ValueError(f"{name}={value!r}: must be a number > 0 and < 1")
    return number


def share(name: str, value: object) -> float:
    """Check that a value is a number ≥ 0 and ≤ 1 and return it as a float; raise ValueError otherwise."""
    number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name}={value!r}: must be a number ≥ 0 and ≤ 1")
    return number


def _number(value: object) -> float:
    if isinstance(value, bool | str | bytes):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    """Check that ``value`` is one of the ``allowed`` ones; raise ValueError otherwise."""
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{name}={value!r}: must be one of {choices}")


def sequence(name: str, values: Any) -> list[Any]:
    """Return the values of a sequence as a list; raise ValueError for anything else."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name}={values!r}: must be a sequence of numbers")
    return list(values)


def configs(config: object, kind: type[_Config]) -> list[_Config]:
    """Return the settings of several runs, or of one, as a list.

    Args:
        config: of the type ``kind``, or a list of them with equal ``steps``.
        kind: a class of settings.

    Raises:
        ValueError: an empty list, settings of another type, or unequal steps.
    """
    found: list[Any] = list(config) if isinstance(config, list | tuple) else [config]
    if not found:
        raise ValueError(f"config={config!r}: must hold at least one {kind.__name__}")
    for each in found:
        if not isinstance(each, kind):
            raise ValueError(f"config={each!r}: must be a {kind.__name__}, or a list of them")
    steps = {each.steps for each in found}
    if len(steps) != 1:
        raise ValueError(f"config: has steps {sorted(steps)}, must be equal")
    return found


def increasing(name: str, values: Sequence[float], last: float | None = None) -> list[float]:
    """Check recording times, finite, ≥ 0, increasing and at most ``last``; raise ValueError otherwise."""
    times = [nonnegative(name, value) for value in sequence(name, values)]
    for before, after in pairwise(times):
        if after <= before:
            raise ValueError(f"{name}: must increase, but {after:g} follows {before:g}")
    if last is not None and times and times[-1] > last:
        raise ValueError(f"{name}: {times[-1]:g} lies beyond the end of the run at {last:g}")
    return times


def array(name: str, values: ArrayLike) -> Float[NDArray[np.float64], "..."]:
    """Return real numbers as a float64 array, which may share memory; raise ValueError for anything else."""
    if hasattr(values, "detach"):  # a torch tensor, perhaps on another device
        values = values.detach().cpu()
    if np.ma.is_masked(values):
        raise ValueError(f"{name}: has masked entries, must hold numbers only, as from .compressed()")
    try:
        if np.asarray(values).dtype.kind not in "biuf":  # text, dates and complex numbers would be converted
            raise TypeError("no real numbers")
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}={values!r}: must be an array of real numbers ({error})") from None


def window(name: str, value: Any) -> tuple[float, float]:
    """Check for a window of sizes, a pair 0 ≤ low ≤ high, and return it; raise ValueError otherwise."""
    try:
        low, high = (float(edge) for edge in value)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 <= low <= high:
        raise ValueError(f"{name}={value!r}: must be a pair 0 ≤ low ≤ high")
    return low, high


def in_window(weights: _Weights, near: tuple[float, float] = WINDOW) -> _Weights:
    """Tell which weights have a size in a window, ``low ≤ |w| ≤ high``.

    Args:
        weights: a tensor or an array of any shape. NaN lies in no window.
        near: the window (low, high); by default the paper's.

    Returns:
        A tensor or an array of truth values, of the shape of ``weights``.

    Raises:
        ValueError: a window that is not 0 ≤ low ≤ high.

    Source: figure 2 of the paper.
    """
    low, high = window("near", near)
    size = abs(weights)
    found: _Weights = (low <= size) & (size <= high)
    return found


def diverged(lr: float, network: Sequence[int] | str = (), *, step: int | None = None, besides: str = "") -> ValueError:
    """Build the error of a training whose weights stopped being finite.

    Args:
        lr: the learning rate.
        network: which one: its indices along the instance axes, or its name; empty for the only one.
        step: one by which it happened, if known.
        besides: other settings that may be too large, as the error names them.

    Returns:
        The error, to be raised.

    Example:
        >>> checks.diverged(10.0, (1, 2), step=40)
        ValueError('lr=10.0: the weights stopped being finite in instance 1, 2 by step 40, must be smaller')
    """
    name = network if isinstance(network, str) or not network else f"instance {', '.join(map(str, network))}"
    where = f" in {name}" if name else ""
    when = "" if step is None else f" by step {step}"
    return ValueError(f"lr={lr!r}{besides}: the weights stopped being finite{where}{when}, must be smaller")


def function(name: str, value: object) -> None:
    """Check that ``value`` can be called; raise ValueError otherwise."""
    if not callable(value):
        raise ValueError(f"{name}={value!r}: must be a function")


def progress(value: object) -> None:
    """Check the choice to show a progress bar: True, False or None; raise ValueError otherwise.

    None shows it where there is a terminal.
    """
    one_of("progress", value, (None, True, False))
