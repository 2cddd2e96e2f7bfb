"""Arms: ways to train a network with one hidden layer. Here is what arms of several tasks have in common."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from poly import metrics
from poly.mlp import Network

Array = NDArray[Any]
# What the strength of an arm sets in ``training.FitConfig``.
SETTING = {"l1-weights": "l1", "l1-hidden": "l1_hidden", "bias": "bias_decay", "dropout": "dropout", "noise": "noise"}
# A loss below this share of the best linear model's counts as none.
SOLVED = 1e-3
# Losses within a factor of 1.25 count as equal.
MARGIN = float(np.log(1.25))


class Arm(NamedTuple):
    """A way to train: its name, its initial learning rate, and the strength of what it adds."""

    name: str
    lr: float
    strength: float = 0.0


def trials(
    name: str, *, rates: Sequence[float], few_rates: Sequence[float], strengths: Mapping[str, Sequence[float]]
) -> tuple[Arm, ...]:
    """List the settings of an arm that pilots try: all rates, or fewer rates with each of its strengths."""
    if name not in strengths:
        return tuple(Arm(name, lr) for lr in rates)
    return tuple(Arm(name, lr, strength) for lr in few_rates for strength in strengths[name])


def begin(arm: Arm, start: Network) -> tuple[Network, dict[str, Any]]:
    """Return the start of an arm, and what it sets in ``training.FitConfig``; "bias" starts biases at −1."""
    if arm.name == "bias":
        start = start._replace(b1=torch.full_like(start.b1, -1.0))
    return start, {SETTING[arm.name]: arm.strength} if arm.name in SETTING else {}


def activity(
    network: Network, x: Float[Array, "examples d"]
) -> tuple[Float[Array, "examples units"], Float[Array, "examples outputs"]]:
    """Compute hidden activations and outputs in float64."""
    W1, b1, W2, b2 = (part.double().numpy() for part in network)
    hidden = np.maximum(x @ W1 + b1, 0)
    return hidden, hidden @ W2 + b2


def dealt_impurity(gains: Float[Array, "folds units groups"], deals: int, rng: np.random.Generator) -> float:
    """Compute the mean Π of several deals of the gains to units at random (``metrics.permuted``)."""
    return float(np.mean([metrics.impurity(metrics.permuted(gains, generator=rng)).value for _ in range(deals)]))


def sizes(network: Network, hidden: Float[Array, "examples units"]) -> tuple[float, float]:
    """Count the units that vary, and the nonzero weights."""
    live = (np.ptp(hidden, axis=0) > 0).sum()
    return float(live), float(torch.count_nonzero(network.W1) + torch.count_nonzero(network.W2))


def price(loss: Float[Array, "..."], other: Float[Array, "..."], least: float = 0.0) -> Float[Array, "..."]:
    """Compute how much more one network costs than another, ``ln(max(L, ε) / max(L′, ε))``.

    Args:
        loss, other: L and L′.
        least: ε ≥ 0; networks with losses below it cost the same.
    """
    return np.asarray(np.log(np.maximum(loss, least) / np.maximum(other, least)))
