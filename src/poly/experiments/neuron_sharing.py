"""What sharing a neuron does to a weight on the way: the interference on leading weights, by who else is there.

``sweep.sweep(handicap.handicap, …)`` measures it in one network after another.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, flow, model

Array = NDArray[Any]
# Leading weights of a row that are looked at.
_LEADING = 3


class Handicap(NamedTuple):
    """Interference on the three largest weights of each row, at times t (k,).

    It is counted outward, per weight and per λ: what it adds to ln|w| in a unit of λt. The mean over weights whose
    strongest companion on the neuron, of at least 0.8 their size, has the opposite sign (``partner``), the same sign
    (``rival``), or is not there (``alone``); NaN where there are no such weights. Neurons with both are left out.
    """

    t: Float[Array, " k"]
    alone: Float[Array, " k"]
    partner: Float[Array, " k"]
    rival: Float[Array, " k"]


def handicap(
    *, n: int, m: int, l1: float, first: float, last: float, records: int, generator: torch.Generator
) -> Handicap:
    """Run one network by gradient flow, and look at its leading weights.

    Args:
        n: features, ≥ 2.
        m: hidden neurons, ≥ 3.
        l1: λ > 0, in the units of ``model.loss``.
        first, last: λt of the first and of the last look, 0 < first < last.
        records: how many looks, at even ratios of t, ≥ 2.
        generator: source of the start.

    Returns:
        Handicap.

    Raises:
        ValueError: bad input.
    """
    n, m = checks.count("n", n, at_least=2), checks.count("m", m, at_least=_LEADING)
    l1, first, last = checks.positive("l1", l1), checks.positive("first", first), checks.positive("last", last)
    if not first < last:
        raise ValueError(f"last={last!r}: must be > first={first!r}")
    times = np.geomspace(first / l1, last / l1, checks.count("records", records, at_least=2)).tolist()
    path = flow.flow(model.init(n, m, generator=generator), l1, at=times, progress=False)
    means = np.array([measured(W[0], l1) for W in path.values])
    return Handicap(path.at.numpy(), *means.T)


def measured(W: Float[Tensor, "n m"], l1: float) -> tuple[float, float, float]:
    """Alone, with a partner, with a rival: see ``Handicap``.

    Args:
        W: encodings, (n, m), m ≥ 3.
        l1: λ > 0, in the units of ``model.loss``.

    Raises:
        ValueError: bad weights or λ.
    """
    checks.weights(W)
    if W.ndim != 2 or W.shape[1] < _LEADING:
        raise ValueError(f"W: has shape {tuple(W.shape)}, must be (n, m) with m ≥ {_LEADING}")
    rows = torch.arange(len(W), device=W.device).repeat_interleave(_LEADING)
    places = W.abs().topk(_LEADING, dim=-1).indices.flatten()
    w = W[rows, places]
    rows, places, w = rows[w != 0], places[w != 0], w[w != 0]
    push = model.forces(W, 0.0).interference[rows, places] / w / checks.positive("l1", l1)
    companions = W[:, places] / w  # (n, weights): relative, negative where the sign is the other
    companions[rows, torch.arange(len(w), device=w.device)] = 0.0
    partner, rival = (companions <= -0.8).any(0), (companions >= 0.8).any(0)
    groups = (~partner & ~rival, partner & ~rival, rival & ~partner)
    alone, with_partner, with_rival = (push[group].mean().item() for group in groups)
    return alone, with_partner, with_rival
