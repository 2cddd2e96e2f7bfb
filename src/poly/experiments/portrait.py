"""Follow one unit that serves several outputs: what it reads and gains, before and after its repair.

``sweep.sweep(portrait.follow, …)`` follows one unit of each network.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, metrics, mlp, parallel, tasks
from poly.experiments import purity
from poly.experiments.arms import fitter, squared_error_gains
from poly.mlp import Network

Array = NDArray[Any]
# Stages: as trained; divided between itself and a dead unit; after training goes on.
STAGES = ("trained", "divided", "tuned")
# A unit serves two outputs if they have this share of its gains, and the second at least this share of the first's.
_BOTH, _SECOND = 0.95, 0.5


class Portrait(NamedTuple):
    """A unit that serves two outputs, and the dead unit that it is divided with, in each of the ``STAGES``.

    ``reads``: their incoming weights. ``gains``: their gains for all outputs by mean ablation, as shares of all gains
    of the network. ``loss`` and ``impurity``: of the network. All are NaN if no unit that serves two outputs is
    divided.
    """

    reads: Float[Array, "stages 2 bits"]
    gains: Float[Array, "stages 2 clauses"]
    loss: Float[Array, " stages"]
    impurity: Float[Array, " stages"]


def follow(*, p: float, m: int, draw: int, steps: int, generator: torch.Generator) -> Portrait:
    """Train a network as the arm "repaired" of ``purity.train_arms`` is, and look at it in each stage.

    Args:
        p: probability of a 1.
        m: hidden units.
        draw: number of the clause draw.
        steps: batches, fine-tuning included.
        generator: source of start, batches and the inputs to measure with.
    """
    task = purity.clauses(draw)
    arm = next(arm for arm in purity.chosen_arms("tuned", p, m) if arm.name == "repaired")
    sources = [torch.Generator().manual_seed(seed) for seed in parallel.seeds(generator, 3)]
    stream = tasks.AndStream(task.bits, p, d=purity.BITS, generator=sources[0])
    start = mlp.init(purity.BITS, m, purity.CLAUSES, generator=sources[1], dtype=torch.float32)
    fit = fitter(arm, stream, checks.count("steps", steps), generator=sources[1])
    trained = fit(start, part=1 - purity.TUNING)
    divided = purity.repair(trained, stream)
    none = np.full((len(STAGES), 2, purity.BITS), np.nan)
    nothing = Portrait(none, none[..., : purity.CLAUSES], none[:, 0, 0], none[:, 0, 0])
    if divided is None:
        return nothing
    tuned = fit(*divided, part=purity.TUNING)
    seen = tasks.AndStream(task.bits, p, d=purity.BITS, batch=purity.EXAMPLES, generator=sources[2])
    x, y = (part[0] for part in seen.draw(1, np.float64))
    looks = [_look(network, x, y) for network in (trained, divided[0], tuned)]
    pair = _pair(trained, divided[0], looks[0][0])
    if pair is None:
        return nothing
    unit, copy = pair
    return Portrait(
        reads=np.stack([network.W1.numpy()[:, [unit, copy]].T for network in (trained, divided[0], tuned)]),
        gains=np.stack([gains[[unit, copy]] for gains, _, _ in looks]),
        loss=np.array([loss for _, loss, _ in looks]),
        impurity=np.array([impurity for _, _, impurity in looks]),
    )


def _look(network: Network, x: Array, y: Array) -> tuple[Array, float, float]:
    """Return the gains of all units as shares, the loss, and the impurity."""
    _, errors, gains = squared_error_gains(network, x, y, folds=purity.FOLDS)
    mean = gains.mean(axis=0)
    return mean / mean.sum(), float(np.square(errors).mean()), metrics.impurity(gains).value


def _pair(before: Network, after: Network, gains: Array) -> tuple[int, int] | None:
    """Choose the divided unit that serves two outputs and gains most, and find its copy; None if there is none."""
    changed = (before.W1 != after.W1).any(dim=0)  # the dead units that took a copy
    ordered = np.sort(gains, axis=1)[:, ::-1]
    best, found = 0.0, None
    for dead in changed.nonzero()[:, 0].tolist():
        same = (after.W1[:, dead, None] == after.W1).all(dim=0).logical_and(~changed)
        unit = int(same.nonzero()[0, 0])
        first, second = ordered[unit, :2]
        both = first + second >= _BOTH * ordered[unit].sum() and second >= _SECOND * first
        if both and ordered[unit].sum() > best:
            best, found = ordered[unit].sum(), (unit, dead)
    return found
