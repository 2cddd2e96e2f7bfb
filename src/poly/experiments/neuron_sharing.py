"""Measure how sharing a neuron changes the interference on the leading weights of a row.

``sweep.sweep(neuron_sharing.interference, …)`` measures it in one network after another.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, flow, model
from poly.checks import tensors

Array = NDArray[Any]
# Leading weights of a row that are looked at.
_LEADING = 3


class Interference(NamedTuple):
    """Interference on the three largest weights of each row, at times t (k,).

    It is counted outward, per weight and per λ: what it adds to ln|w| in a unit of λt. Each field is a mean over
    weights:
    ``opposite_sign`` and ``same_sign`` over those whose neuron carries another weight of that sign and of at least 0.8
    their size, ``unshared`` over those without any. It is NaN where there are no such weights. Neurons that carry both
    are left out.
    """

    t: Float[Array, " k"]
    unshared: Float[Array, " k"]
    opposite_sign: Float[Array, " k"]
    same_sign: Float[Array, " k"]


def interference(
    *, n: int, m: int, l1: float, first: float, last: float, records: int, generator: torch.Generator
) -> Interference:
    """Run one network by gradient flow, and measure the interference on its leading weights.

    Args:
        n: features, ≥ 2.
        m: hidden neurons, ≥ 3.
        l1: λ > 0, in the units of ``model.loss``.
        first, last: λt of the first and of the last look, 0 < first < last.
        records: how many looks, at even ratios of t, ≥ 2.
        generator: source of the start.

    Returns:
        Interference.

    Raises:
        ValueError: bad input.
    """
    n, m = checks.count("n", n, at_least=2), checks.count("m", m, at_least=_LEADING)
    l1, first, last = checks.positive("l1", l1), checks.positive("first", first), checks.positive("last", last)
    if not first < last:
        raise ValueError(f"last={last!r}: must be > first={first!r}")
    times = np.geomspace(first / l1, last / l1, checks.count("records", records, at_least=2)).tolist()
    path = flow.flow(model.init(n, m, generator=generator), l1, at=times, progress=False)
    means = np.array([mean_interference(W[0], l1) for W in path.values])
    return Interference(path.at.numpy(), *means.T)


def mean_interference(W: Float[Tensor, "n m"], l1: float) -> tuple[float, float, float]:
    """Compute mean interference: unshared, with an opposite sign, with the same sign; see ``Interference``.

    Args:
        W: encodings, (n, m), m ≥ 3.
        l1: λ > 0, in the units of ``model.loss``.

    Raises:
        ValueError: bad weights or λ.
    """
    tensors.weights(W)
    if W.ndim != 2 or W.shape[1] < _LEADING:
        raise ValueError(f"W: has shape {tuple(W.shape)}, must be (n, m) with m ≥ {_LEADING}")
    rows = torch.arange(len(W), device=W.device).repeat_interleave(_LEADING)
    places = W.abs().topk(_LEADING, dim=-1).indices.flatten()
    w = W[rows, places]
    rows, places, w = rows[w != 0], places[w != 0], w[w != 0]
    push = model.forces(W, 0.0).interference[rows, places] / w / checks.positive("l1", l1)
    companions = W[:, places] / w  # (n, weights): relative, negative where the sign is the other
    companions[rows, torch.arange(len(w), device=w.device)] = 0.0
    opposite_sign, same_sign = (companions <= -0.8).any(0), (companions >= 0.8).any(0)
    groups = (~opposite_sign & ~same_sign, opposite_sign & ~same_sign, same_sign & ~opposite_sign)
    unshared, with_opposite, with_same = (push[group].mean().item() for group in groups)
    return unshared, with_opposite, with_same
