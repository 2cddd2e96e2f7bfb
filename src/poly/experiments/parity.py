"""Train networks on multitask sparse parity in several ways, and measure what each costs and how pure its units are.

A linear model cannot solve any part of the task (``tasks.ParityStream``). Hidden units must learn their features.
``sweep.sweep(parity.train_arms, …)`` runs a grid of draws of the tasks' bits.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from poly import checks, metrics, mlp, parallel, tasks
from poly.experiments.arms import STRENGTHS, Arm, activity, begin, dealt_impurity, fitter, sizes
from poly.experiments.arms import trials as trials_of
from poly.mlp import Network

Array = NDArray[Any]
TASKS, BITS, SIZE, UNITS, STEPS = 8, 24, 3, 64, 10_000
# Inputs to measure with, and their folds.
EXAMPLES, FOLDS = 16_384, 8
_PERMUTATIONS = 20

ARMS = ("default", "l1-weights", "l1-hidden", "bias", "dropout", "noise")
# The trials of the pilots, twelve for each arm, where there is a strength.
_STRENGTHS = STRENGTHS | {"l1-weights": (1e-5, 3e-5, 1e-4, 3e-4)}


class Measured(NamedTuple):
    """What is measured of each arm on fresh inputs.

    ``loss``: squared error; 1 is that of the best linear model. ``impurity`` and ``negative``: of ``metrics.impurity``
    by mean ablation and task. ``squares``: Π from squares of gains. ``permuted``: Π if gains were dealt to units at
    random. ``live``: units that vary. ``weights``: nonzero weights.
    """

    loss: Float[Array, " arms"]
    impurity: Float[Array, " arms"]
    negative: Float[Array, " arms"]
    squares: Float[Array, " arms"]
    permuted: Float[Array, " arms"]
    live: Float[Array, " arms"]
    weights: Float[Array, " arms"]


def trials(name: str) -> tuple[Arm, ...]:
    """List the twelve settings of an arm that the pilots try."""
    checks.one_of("name", name, ARMS)
    return trials_of(name, strengths=_STRENGTHS)


def bits(draw: int) -> Int[Array, "tasks k"]:
    """Draw three different bits for each task; tasks may have bits in common."""
    rng = np.random.default_rng(checks.count("draw", draw, at_least=0))
    return np.stack([rng.permutation(BITS)[:SIZE] for _ in range(TASKS)])


def train_arms(
    *,
    draw: int,
    arms: str | Sequence[tuple[str, float, float]],
    steps: int,
    generator: torch.Generator,
) -> Measured:
    """Train the given arms on the tasks of a draw, with the same seeds for starts and batches, and measure them.

    Args:
        draw: number of the draw of bits.
        arms: "tuned", as the pilots have chosen; or a list, each of the form of ``Arm``.
        steps: batches of 256 that each arm is trained on.
        generator: source of start, batches, noise and the inputs to measure with.

    Raises:
        ValueError: an unknown arm, or numbers out of their range.
    """
    task = bits(draw)
    seeds = parallel.seeds(generator, 4)
    chosen = chosen_arms(arms) if isinstance(arms, str) else tuple(Arm(*each) for each in arms)
    rows = [measure(train(arm, task, steps=steps, seeds=seeds[:3]), task, seed=seeds[3]) for arm in chosen]
    return Measured(*np.array(rows).T)


def chosen_arms(name: str) -> tuple[Arm, ...]:
    """Return the arms as the pilots have chosen them.

    Raises:
        ValueError: another word than "tuned".
    """
    checks.one_of("arms", name, ("tuned",))
    return tuple(Arm(each, *TUNED[each]) for each in ARMS)


def train(arm: Arm, task: Int[Array, "tasks k"], *, steps: int, seeds: Sequence[int]) -> Network:
    """Train one arm.

    Args:
        arm: "default", or with a penalty, noise or dropout; "bias" starts biases at −1, and they decay.
        task: the bits of each task.
        steps: batches.
        seeds: of start, batches, and noise.

    Raises:
        ValueError: an unknown arm.
    """
    checks.one_of("arm", arm.name, ARMS)
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]
    start = mlp.init(TASKS + BITS, UNITS, 1, generator=sources[0], dtype=torch.float32)
    stream = tasks.ParityStream(task, d=BITS, generator=sources[1])
    start, added = begin(arm, start)
    return fitter(arm, stream, steps, generator=sources[2])(start, **added)


def measure(network: Network, task: Int[Array, "tasks k"], *, seed: int) -> list[float]:
    """Measure one network on fresh inputs, in the order of ``Measured``."""
    generator = torch.Generator().manual_seed(seed)
    stream = tasks.ParityStream(task, d=BITS, batch=EXAMPLES, generator=generator)
    x, y = (part[0] for part in stream.draw(1, np.float64))
    hidden, outputs = activity(network, x)
    errors = outputs - y
    change = (hidden.mean(axis=0) - hidden) * network.W2.double().numpy()[:, 0]
    gains = metrics.by_group(change * (2 * errors + change), x[:, :TASKS].argmax(axis=1), folds=FOLDS)
    found, rng = metrics.impurity(gains), np.random.default_rng(seed)
    return [
        float(np.square(errors).mean()),
        found.value,
        found.negative,
        metrics.impurity_of_squares(gains),
        dealt_impurity(gains, _PERMUTATIONS, rng),
        *sizes(network, hidden),
    ]


# Settings that the pilots have chosen (``tasks_archive.choose``): learning rate and strength.
TUNED: dict[str, tuple[float, float]] = {
    "default": (0.0094, 0.0),
    "l1-weights": (0.015, 1e-05),
    "l1-hidden": (0.015, 0.0004),
    "bias": (0.005, 0.0),
    "dropout": (0.015, 0.02),
    "noise": (0.015, 0.01),
}
