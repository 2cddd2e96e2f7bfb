"""Results of inference, and the arguments that all of it checks."""

from typing import NamedTuple

import numpy as np

from poly import checks


class Estimate(NamedTuple):
    """A measured value and its interval."""

    measured: float
    low: float
    high: float


class Test(NamedTuple):
    """An estimate, and the p-value of a test of it."""

    estimate: Estimate
    p_value: float


def check_generator(generator: object) -> np.random.Generator:
    """Return the generator; raise ValueError for anything else."""
    if not isinstance(generator, np.random.Generator):
        raise ValueError(f"generator={generator!r}: must be a numpy.random.Generator")
    return generator


def check_confidence(confidence: float) -> None:
    """Raise ValueError for a confidence that is no number between 0 and 1."""
    checks.probability("confidence", confidence)
