"""Bad input, refused in the caller's words: the argument, its value, what is allowed."""

import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

# Its square, and what laws make of it, still fits float64.
_LARGEST_COUNT = 10**100


def count(name: str, value: object, at_least: int = 1) -> int:
    """A whole number of things, ``value ≥ at_least``; raises ValueError otherwise."""
    try:  # a tensor of one entry would pass for a number, and is a list
        number = None if getattr(value, "ndim", 0) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, RuntimeError):
        number = None
    if number is None or isinstance(value, bool) or number < at_least:
        raise ValueError(f"{name}={value!r}: must be a whole number ≥ {at_least}")
    if number > _LARGEST_COUNT:
        raise ValueError(f"{name}: is too large, must be at most 1e100")
    return number


def counts(**values: object) -> None:
    """Whole numbers ≥ 1 by name, or nonempty lists of them: a chapter's parameters; raises ValueError otherwise."""
    for name, value in _each(values.items()):
        count(name, value)


def nonnegatives(**values: object) -> None:
    """Finite numbers ≥ 0 by name, or nonempty lists of them: a chapter's parameters; raises ValueError otherwise."""
    for name, value in _each(values.items()):
        nonnegative(name, value)


def positives(**values: object) -> None:
    """Finite numbers > 0 by name, or nonempty lists of them: a chapter's parameters; raises ValueError otherwise."""
    for name, value in _each(values.items()):
        positive(name, value)


def _each(values: Iterable[tuple[str, object]]) -> Iterator[tuple[str, object]]:
    """Every number with its name; those in lists are called ``name[index]``."""
    for name, value in values:
        if not isinstance(value, list | tuple):
            yield name, value
        elif not value:
            raise ValueError(f"{name}={value!r}: must hold at least one number")
        else:
            yield from _each((f"{name}[{i}]", item) for i, item in enumerate(value))


def nonnegative(name: str, value: object) -> float:
    """A finite number ``value ≥ 0``; raises ValueError otherwise."""
    number = _number(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name}={value!r}: must be a finite number ≥ 0")
    return number


def positive(name: str, value: object) -> float:
    """A finite number ``value > 0``; raises ValueError otherwise."""
    number = _number(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name}={value!r}: must be a finite number > 0")
    return number


def moderate(name: str, value: object) -> float:
    """A number that is 0 or 1e-100 … 1e100, which a solver can scale; raises ValueError otherwise."""
    number = nonnegative(name, value)
    if number and not 1e-100 <= number <= 1e100:
        raise ValueError(f"{name}={value!r}: must be 0 or between 1e-100 and 1e100")
    return number


def finite(name: str, value: object) -> float:
    """A finite number; raises ValueError otherwise."""
    number = _number(value)
    if not math.isfinite(number):
        raise ValueError(f"{name}={value!r}: must be a finite number")
    return number


def _number(value: object) -> float:
    if isinstance(value, bool | str | bytes):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    """Raises ValueError unless ``value`` is one of the ``allowed`` names."""
    if value not in allowed:
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{name}={value!r}: must be one of {choices}")


def sequence(name: str, values: Any) -> list[Any]:
    """The values of a sequence; raises ValueError for one that is none."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name}={values!r}: must be a sequence of numbers")
    return list(values)


def increasing(name: str, values: Sequence[float], last: float | None = None) -> list[float]:
    """Recording times: finite, ≥ 0, in increasing order, none beyond ``last``."""
    times = [nonnegative(name, value) for value in sequence(name, values)]
    for before, after in pairwise(times):
        if after <= before:
            raise ValueError(f"{name}: must increase, but {after:g} follows {before:g}")
    if last is not None and times and times[-1] > last:
        raise ValueError(f"{name}: {times[-1]:g} lies beyond the end of the run at {last:g}")
    return times


def array(name: str, values: ArrayLike) -> Float[NDArray[np.float64], "..."]:
    """Real numbers as a float64 array, which may share memory with ``values``; raises ValueError for anything else."""
    if hasattr(values, "detach"):  # a torch tensor, perhaps of another device
        values = values.detach().cpu()
    if np.ma.is_masked(values):
        raise ValueError(f"{name}: has masked entries, must hold numbers only, as from .compressed()")
    try:
        if np.asarray(values).dtype.kind not in "biuf":  # text, dates and complex numbers would be converted
            raise TypeError("no real numbers")
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}={values!r}: must be an array of real numbers ({error})") from None


def function(name: str, value: object) -> None:
    """Raises ValueError unless ``value`` can be called."""
    if not callable(value):
        raise ValueError(f"{name}={value!r}: must be a function")


def progress(value: object) -> None:
    """Whether to show a bar; None: where there is a terminal."""
    one_of("progress", value, (None, True, False))
