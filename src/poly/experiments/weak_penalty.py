"""Train networks with weaker and weaker ℓ1 penalties, from the start and from the end of a flow without a penalty.

Without a penalty the gradient flow ends at zero loss: rows of length 1 without a positive overlap. A weak penalty moves
a network along this set, at a speed that is proportional to λ. So for λ → 0 the end should not depend on λ, and it
should be the same whether the penalty acts from the start or only when the network rests.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from numpy.typing import NDArray

from poly import checks, flow, metrics, model

Array = NDArray[Any]


class Ends(NamedTuple):
    """Ends of one start, with the penalty from the start (first row) and from rest on (second row).

    ``shared``: polysemantic neurons in the paper's window, for each penalty. ``same``: features whose largest weight is
    on the neuron, with the sign, that it has with the last penalty from rest on.
    """

    shared: Int[Array, "2 penalties"]
    same: Int[Array, "2 penalties"]


def train_weak_penalties(*, n: int, m: int, l1s: Sequence[float], draw: int, generator: torch.Generator) -> Ends:
    """Integrate the flow of one start to its end with each penalty, from the start and from rest without a penalty.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ n, so that a network can rest at zero loss.
        l1s: penalties λ > 0, in the units of ``model.loss``; the last one is compared with.
        draw: a whole number ≥ 0, not used here. In a sweep, each has starts of its own.
        generator: source of the start.

    Returns:
        Ends.

    Raises:
        ValueError: bad input.
    """
    n = checks.count("n", n)
    checks.count("m", m, at_least=n)
    checks.count("draw", draw, at_least=0)
    penalties = [checks.positive("l1s", l1) for l1 in checks.sequence("l1s", l1s)]
    if not penalties:
        raise ValueError(f"l1s={l1s!r}: must have at least one")
    start = model.init(n, m, generator=generator)
    rest = flow.flow(start, 0.0, progress=False).W
    ends = torch.cat([flow.flow(W, l1, progress=False).W for W in (start, rest) for l1 in penalties])
    winner = metrics.winners(ends)
    sign = ends.gather(-1, winner[..., None])[..., 0].sign()
    same = ((winner == winner[-1]) & (sign == sign[-1])).sum(-1)
    shared = metrics.polysemantic_neurons(ends)
    return Ends(*(values.reshape(2, -1).numpy() for values in (shared, same)))
