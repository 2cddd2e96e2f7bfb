"""Train features together and separately by several optimizers; count those that keep the neuron of their largest
initial weight.

In a *crowd* all features of a network are trained together. *Apart*, each feature has a network of its own and begins
with the same row, so that nothing interferes. ``apply_changes_to_end`` trains changed starts by AdamW to its end.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, flow, interventions, metrics, model, training
from poly.experiments import surgery
from poly.experiments.final_weights import RELEASED, released

Array = NDArray[Any]
# Enough that no winner moves in the second half, where it can be reached: four times the released number.
_STEPS = 4 * RELEASED.steps
# The learning rate of SGD, and the λt to which it follows the gradient flow.
_RATE, _END = 0.05, 10.0
_RATES = {"rate / 16": (1 / 16, 4.0), "rate / 4": (1 / 4, 2.0), "4 rate": (4.0, 0.5), "16 rate": (16.0, 0.5)}
# AdamW with one change at a time (Adam: weight decay is part of the gradient), and its steps in units of ``_STEPS``.
_CHANGES: dict[str, tuple[dict[str, Any], float]] = {
    "AdamW": ({}, 1.0),
    "Adam": ({"optimizer": "adam"}, 1.0),
    **{name: ({"lr": RELEASED.lr * times}, steps) for name, (times, steps) in _RATES.items()},
    "beta1 0": ({"betas": (0.0, 0.999)}, 1.0),
    "beta2 0": ({"betas": (0.9, 0.0)}, 1.0),
    "beta2 0.9": ({"betas": (0.9, 0.9)}, 1.0),
    "beta2 0.99": ({"betas": (0.9, 0.99)}, 1.0),
    "beta2 0.9999": ({"betas": (0.9, 0.9999)}, 2.0),
    "eps 1e-4": ({"eps": 1e-4}, 1.0),
    "eps 1e-2": ({"eps": 1e-2}, 4.0),
    "decay 0": ({"weight_decay": 0.0}, 1.0),
    "decay 0.1": ({"weight_decay": 0.1}, 1.0),
    "decay 1": ({"weight_decay": 1.0}, 1.0),
    "row moments": ({"second_moments": "rows"}, 1.0),
}
OPTIMIZERS = ("flow", "SGD", "momentum", "sign", "eps 1", *_CHANGES)


class Found(NamedTuple):
    """What an optimizer makes of one start. The first three fields have two values: in a crowd, and apart.

    ``features``: those with a weight in the paper's window. ``kept``: those of them whose largest weight is on their
    favorite neuron, where their largest initial weight was. ``moved``: features whose largest weight changes its neuron
    in the second half of training. ``shared`` and ``loss``: polysemantic neurons of the crowd, and its loss.
    """

    features: Int[Array, "2"]
    kept: Int[Array, "2"]
    moved: Int[Array, "2"]
    shared: int
    loss: float


def train_by_optimizer(
    *, n: int, m: int, l1: float, optimizer: str, draw: int, apart: int = 4, generator: torch.Generator
) -> Found:
    """Train all features of a start in one network, and some in networks of their own, by one optimizer.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ > 0, in the units of ``model.loss``.
        optimizer: a name of ``OPTIMIZERS``; ``settings`` lists what it means.
        draw: a whole number ≥ 0. The function does not use it; a sweep gives each value a stream of its own.
        apart: how many features are trained apart, the first of the network, ≤ n.
        generator: source of the start.

    Returns:
        Found.

    Raises:
        ValueError: bad input, or weights that stop being finite.
    """
    n, l1 = checks.count("n", n), checks.positive("l1", l1)
    checks.one_of("optimizer", optimizer, OPTIMIZERS)
    checks.count("draw", draw, at_least=0)
    if checks.count("apart", apart) > n:
        raise ValueError(f"apart={apart!r}: must be at most the n = {n} features")
    W = model.init(n, m, generator=generator)
    found = []
    for start in (W, W[0, :apart, None]):
        half, end = (each.reshape(-1, m) for each in _train(start, l1, optimizer))
        winner, held = metrics.winners(end), checks.in_window(end).any(-1)
        kept = held & (winner == metrics.winners(W[0, : len(end)]))
        found.append([int(each.sum()) for each in (held, kept, metrics.winners(half) != winner)])
        if len(found) == 1:
            shared, loss = int(metrics.polysemantic_neurons(end)), float(model.loss(end, l1))
    features, kept, moved = np.array(found).T
    return Found(features, kept, moved, shared, loss)


class ChangedEnds(NamedTuple):
    """Ends of one start by AdamW: as it is, with each change, and with the control of each.

    ``shared``, ``features``, ``loss``: as in ``surgery.Compared``. ``moved``: features whose largest weight changes its
    neuron in the second half of training.
    """

    shared: Int[Array, ""]
    changed_shared: Int[Array, " changes"]
    control_shared: Int[Array, " changes"]
    features: Int[Array, ""]
    changed_features: Int[Array, " changes"]
    control_features: Int[Array, " changes"]
    loss: Float[Array, ""]
    changed_loss: Float[Array, " changes"]
    control_loss: Float[Array, " changes"]
    moved: Int[Array, ""]
    changed_moved: Int[Array, " changes"]
    control_moved: Int[Array, " changes"]


def apply_changes_to_end(
    *, n: int, m: int, l1: float, draw: int, changes: str | Sequence[str], generator: torch.Generator
) -> ChangedEnds:
    """Change a start as ``surgery.apply_changes`` does, and train by AdamW for four times the released steps.

    Args:
        n: features, ≥ 2.
        m: hidden neurons, ≥ n.
        l1: λ > 0, in the units of ``model.loss``.
        draw: a whole number ≥ 0. The function does not use it; a sweep gives each value a stream of its own.
        changes: names of ``surgery.CHANGES``, or the name of one of ``surgery.SETS``.
        generator: source of the start, and of all draws of changes and controls.

    Returns:
        ChangedEnds.

    Raises:
        ValueError: bad input, or weights that stop being finite.
    """
    n, l1 = checks.count("n", n, at_least=2), checks.positive("l1", l1)
    checks.count("draw", draw, at_least=0)
    names = surgery.names_of(changes)
    W = model.init(n, checks.count("m", m, at_least=n), generator=generator)
    changed = torch.cat([W[:0], *(surgery.CHANGES[name](W, generator) for name in names)])
    controls = torch.cat([W[:0], *(interventions.control(W, each[None], generator=generator) for each in changed)])
    half, end = _train(torch.cat([W, changed, controls]), l1, "AdamW")
    measured = surgery.measure(end, l1)
    measured["moved"] = (metrics.winners(half) != metrics.winners(end)).sum(-1).numpy()
    found: dict[str, Any] = {}
    for name, values in measured.items():
        found[name], parts = values[0], values[1:].reshape(2, -1)
        found["changed_" + name], found["control_" + name] = parts
    return ChangedEnds(**found)


def settings(optimizer: str, l1: float) -> training.TrainConfig:
    """Return what the name of an optimizer means; "flow" has no such settings.

    Args:
        optimizer: a name of ``OPTIMIZERS`` but "flow".
        l1: λ > 0, in the units of ``model.loss``.

    Raises:
        ValueError: another name, or a λ that is not positive.
    """
    checks.one_of("optimizer", optimizer, OPTIMIZERS[1:])
    l1 = checks.positive("l1", l1)
    # Even numbers of steps have a half.
    long = 2 * round(_END / (l1 * _RATE) / 2)
    if optimizer == "SGD":
        return training.TrainConfig(optimizer="sgd", lr=_RATE, steps=long, l1=l1)
    if optimizer == "momentum":  # each gradient counts 1/(1 − 0.9) times
        return training.TrainConfig(optimizer="sgd", lr=_RATE / 10, momentum=0.9, steps=long, l1=l1)
    if optimizer == "sign":
        return training.TrainConfig(optimizer="sign", lr=1e-4, steps=5 * _STEPS, l1=l1)
    if optimizer == "eps 1":  # gradients soon are far below 1: like SGD with momentum
        changes: dict[str, Any] = {"eps": 1.0, "lr": _RATE, "steps": long}
    else:
        changes, steps = _CHANGES[optimizer]
        changes = changes | {"steps": 2 * round(_STEPS * steps / 2)}
    return released(l1, **changes)


def _train(
    W: Float[Tensor, "instances rows m"], l1: float, optimizer: str
) -> tuple[Float[Tensor, "instances rows m"], Float[Tensor, "instances rows m"]]:
    """Train networks; return their weights after half of the steps, and at the end."""
    if optimizer == "flow":  # ends at rest
        end = flow.flow(W, l1, progress=False).W
        return end, end
    config = settings(optimizer, l1)
    # As in the released code; the small steps of SGD would be lost in single precision.
    dtype = torch.float64 if config.optimizer == "sgd" else torch.float32
    run = training.train(W.to(dtype), config, at=[config.steps // 2], generator=torch.Generator(), progress=False)
    return run.values[0].double(), run.W.double()
