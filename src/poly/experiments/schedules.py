"""Train networks with a penalty λ that varies over time, or with noise first, and count shared neurons."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, flow, model, training
from poly.experiments import surgery
from poly.experiments.final_weights import METHODS, RELEASED, train_from

Array = NDArray[Any]
SCHEDULES = ("constant", "up", "down", "late", "noise first")
_PARTS = 20
_HIGHEST = 10.0
_NOISE = training.TrainConfig(optimizer="sgd", lr=0.005, steps=20_000, noise="bipolar", sigma=0.1)


class Scheduled(NamedTuple):
    """Ends of one start by each schedule: polysemantic neurons, features in the paper's window, and the loss."""

    shared: Int[Array, " schedules"]
    features: Int[Array, " schedules"]
    loss: Float[Array, " schedules"]


def train_by_schedule(
    *,
    n: int,
    m: int,
    l1: float,
    draw: int,
    schedules: Sequence[str] = SCHEDULES,
    method: str = "flow",
    generator: torch.Generator,
) -> Scheduled:
    """Train one start by several schedules; all end with the same λ.

    "constant": λ from the start. "up", "down": until t = 1/λ the penalty goes from 0, or from 10 λ, to λ, in twenty
    equal steps. "late": no penalty until the network rests. "noise first": 20,000 steps of SGD with learning rate 0.005
    and bipolar noise of σ = 0.1 on the hidden units, without a penalty.

    AdamW as released trains each network in twenty equal parts, and then once more as a whole. λ is constant in a part:
    it goes up or down from part to part, or is 0 in all of them ("late"). The moments begin at 0 in each part.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: the last λ > 0, in the units of ``model.loss``.
        draw: a whole number ≥ 0. The function does not use it; a sweep gives each value a stream of its own.
        schedules: names of ``SCHEDULES``.
        method: "flow", to the end; or "adamw".
        generator: source of the start, and of the noise.

    Returns:
        Scheduled.

    Raises:
        ValueError: bad input.
    """
    l1 = checks.positive("l1", l1)
    checks.count("draw", draw, at_least=0)
    for name in checks.sequence("schedules", schedules):
        checks.one_of("schedules", name, SCHEDULES)
    checks.one_of("method", method, METHODS)
    W = model.init(n, m, generator=generator)
    early = _flow if method == "flow" else _adamw
    ends = [train_from(early(W, l1, name, generator), l1, method, generator) for name in schedules]
    return Scheduled(**surgery.measure(torch.cat([W[:0], *ends]), l1))


def _flow(W: Float[Tensor, "1 n m"], l1: float, schedule: str, generator: torch.Generator) -> Float[Tensor, "1 n m"]:
    """Integrate to the time from which on λ is constant."""
    if schedule == "late":
        return flow.flow(W, 0.0, progress=False).W
    if schedule == "noise first":
        return training.train(W, _NOISE, generator=generator, progress=False).W
    if schedule in ("up", "down"):
        for now in _penalties(schedule, l1):
            W = flow.flow(W, now, t_end=1 / l1 / _PARTS, progress=False).W
    return W


def _adamw(W: Float[Tensor, "1 n m"], l1: float, schedule: str, generator: torch.Generator) -> Float[Tensor, "1 n m"]:
    """Train by AdamW in parts."""
    if schedule == "noise first":
        W = training.train(W, _NOISE, generator=generator, progress=False).W
    for now in _penalties(schedule, l1):
        W = train_from(W, now, "adamw", generator, steps=RELEASED.steps // _PARTS)
    return W


def _penalties(schedule: str, l1: float) -> list[float]:
    """List the penalty of each part."""
    if schedule == "late":
        return [0.0] * _PARTS
    first = {"up": 0.0, "down": _HIGHEST * l1}.get(schedule, l1)
    return [first + (l1 - first) * (part + 0.5) / _PARTS for part in range(_PARTS)]
