"""Arms: ways to train a network with one hidden layer. Here is what arms of several tasks have in common."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, metrics, training
from poly.mlp import Network
from poly.training.minibatch import Stream

Array = NDArray[Any]
# Arms in words, as figures name them.
LABELS = {
    "default": "usual training",
    "rate": "larger learning rate",
    "l1-weights": "ℓ1 on weights",
    "l1-hidden": "ℓ1 on activations",
    "dropout": "dropout",
    "noise": "noise on units",
    "bias": "biases start at −1",
    "repaired": "repair by dead units",
    "pruned": "pruned by size",
    "pruned-released": "pruned, then free",
    "wide": "four times wider, as many weights",
    "oracle-released": "held, then free",
    "untrained": "untrained units",
}
# What the strength of an arm sets in ``training.FitConfig``.
SETTING = {"l1-weights": "l1", "l1-hidden": "l1_hidden", "bias": "bias_decay", "dropout": "dropout", "noise": "noise"}
# What pilots try on tasks with a squared error: twelve learning rates, or three with each strength. The strengths of
# "l1-weights" differ from task to task.
RATES, FEW_RATES = tuple(float(f"{lr:.1e}") for lr in np.geomspace(5e-4, 5e-2, 12)), (1.5e-3, 5e-3, 1.5e-2)
STRENGTHS = {
    "l1-hidden": (1e-4, 4e-4, 1.6e-3, 6.4e-3),
    "bias": (0.0, 0.1, 0.3, 1.0),
    "dropout": (0.02, 0.05, 0.1, 0.2),
    "noise": (0.01, 0.03, 0.1, 0.2),
}
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
    name: str,
    *,
    rates: Sequence[float] = RATES,
    few_rates: Sequence[float] = FEW_RATES,
    strengths: Mapping[str, Sequence[float]],
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


def fitter(
    arm: Arm,
    stream: Stream,
    steps: int,
    *,
    loss: Literal["squared", "cross-entropy"] = "squared",
    generator: torch.Generator,
) -> Callable[..., Network]:
    """Return the function that trains networks of an arm, ``fit(network, masks=None, *, part=1.0, **added)``.

    It takes a part of all steps, in which the learning rate falls from the arm's to 0; ``added`` are further settings
    of ``training.FitConfig``. All calls draw from one stream and one source of noise.

    Args:
        arm: its learning rate counts.
        stream: of batches.
        steps: all of them, ≥ 0.
        loss: as in ``training.FitConfig``.
        generator: source of noise.

    Raises:
        ValueError: steps that are no whole number ≥ 0; the function raises what ``training.fit`` refuses.
    """
    steps = checks.count("steps", steps, at_least=0)

    def fit(network: Network, masks: Network | None = None, *, part: float = 1.0, **added: Any) -> Network:
        config = training.FitConfig(lr=arm.lr, steps=round(part * steps), loss=loss, **added)
        return training.fit(network, stream, config, masks=masks, generator=generator, progress=False)

    return fit


def activity(
    network: Network, x: Float[Array, "examples d"]
) -> tuple[Float[Array, "examples units"], Float[Array, "examples outputs"]]:
    """Compute hidden activations and outputs in float64."""
    W1, b1, W2, b2 = (part.double().numpy() for part in network)
    hidden = np.maximum(x @ W1 + b1, 0)
    return hidden, hidden @ W2 + b2


class Gained(NamedTuple):
    """Hidden activations and errors of the outputs on some inputs, and what units gain by mean ablation."""

    hidden: Float[Array, "examples units"]
    errors: Float[Array, "examples outputs"]
    gains: Float[Array, "folds units outputs"]


def squared_error_gains(
    network: Network, x: Float[Array, "examples d"], y: Float[Array, "examples outputs"], *, folds: int
) -> Gained:
    """Compute the gains of all units for all outputs, in float64, as ``metrics.squared_error_gains`` does.

    Args:
        network: W1 (d, units), b1 (units,), W2 (units, outputs), b2 (outputs,).
        x, y: inputs and targets.
        folds: parts of the examples, each with gains of its own.

    Raises:
        ValueError: what ``metrics.squared_error_gains`` refuses.
    """
    hidden, outputs = activity(network, x)
    errors = outputs - y
    return Gained(
        hidden=hidden,
        errors=errors,
        gains=metrics.squared_error_gains(hidden, network.W2.double().numpy(), errors, folds=folds),
    )


def dealt_impurity(gains: Float[Array, "folds units groups"], deals: int, rng: np.random.Generator) -> float:
    """Compute the mean Π of several permutations of the gains (``metrics.permuted``)."""
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
