"""Random draws for the tests of inference."""

import numpy as np

from poly import inference


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def covered(found: list[inference.Estimate], truth: float) -> float:
    return float(np.mean([e.low <= truth <= e.high for e in found]))
