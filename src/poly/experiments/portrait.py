"""Follow one unit that serves several outputs: what it reads and gains, before and after its repair.

``sweep.sweep(portrait.follow, …)`` follows one unit of each network.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, metrics, mlp, tasks, training
from poly.experiments import purity
from poly.mlp import Network

Array = NDArray[Any]
# Stages: as trained; divided between itself and a dead unit; after training goes on.
STAGES = ("trained", "divided", "tuned")


class Portrait(NamedTuple):
    """The most impure unit that is divided, and the unit that it is divided with, in each of the ``STAGES``.

    ``reads``: their incoming weights. ``gains``: their gains for all outputs by mean ablation, as shares of all gains
    of the network. ``loss`` and ``impurity``: of the network. All are NaN if no unit is dead, or none is impure.
    """

    reads: Float[Array, "stages 2 bits"]
    gains: Float[Array, "stages 2 clauses"]
    loss: Float[Array, " stages"]
    impurity: Float[Array, " stages"]


def follow(*, p: float, m: int, draw: int, steps: int, generator: torch.Generator) -> Portrait:
    """Train a network as the arm "repaired" of ``purity.compare`` is, and look at it in each stage.

    Args:
        p: probability of a 1.
        m: hidden units.
        draw: number of the clause draw.
        steps: batches, fine-tuning included.
        generator: source of start, batches and the inputs to measure with.
    """
    task = purity.clauses(draw)
    arm = next(arm for arm in purity.chosen_arms("tuned", p, m) if arm.name == "repaired")
    sources = [torch.Generator().manual_seed(int(torch.randint(2**63 - 1, (1,), generator=generator))) for _ in "123"]
    stream = tasks.AndStream(task.bits, p, d=purity.BITS, generator=sources[0])
    start = mlp.init(purity.BITS, m, purity.CLAUSES, generator=sources[1], dtype=torch.float32)
    tuning = round(purity.TUNING * checks.count("steps", steps))

    def fit(network: Network, part: int, masks: Network | None = None) -> Network:
        config = training.FitConfig(lr=arm.lr, steps=part)
        return training.fit(network, stream, config, masks=masks, generator=sources[1], progress=False)

    trained = fit(start, steps - tuning)
    divided = purity.repair(trained, stream)
    if divided is None or torch.equal(divided[0].W1, trained.W1):
        none = np.full((len(STAGES), 2, purity.BITS), np.nan)
        return Portrait(none, none[..., : purity.CLAUSES], none[:, 0, 0], none[:, 0, 0])
    tuned = fit(divided[0], tuning, divided[1])
    seen = tasks.AndStream(task.bits, p, d=purity.BITS, batch=purity.EXAMPLES, generator=sources[2])
    x, y = (part[0] for part in seen.draw(1, np.float64))
    looks = [_look(network, x, y) for network in (trained, divided[0], tuned)]
    unit, copy = _pair(trained, divided[0], looks[0][0])
    return Portrait(
        reads=np.stack([network.W1.numpy()[:, [unit, copy]].T for network in (trained, divided[0], tuned)]),
        gains=np.stack([gains[[unit, copy]] for gains, _, _ in looks]),
        loss=np.array([loss for _, loss, _ in looks]),
        impurity=np.array([impurity for _, _, impurity in looks]),
    )


def _look(network: Network, x: Array, y: Array) -> tuple[Array, float, float]:
    """Return the gains of all units as shares, the loss, and the impurity."""
    double = Network(*(part.double() for part in network))
    hidden = mlp.hidden(double, torch.from_numpy(x)).numpy()
    errors = hidden @ double.W2.numpy() + double.b2.numpy() - y
    gains = metrics.squared_error_gains(hidden, double.W2.numpy(), errors, folds=purity.FOLDS)
    mean = gains.mean(axis=0)
    return mean / mean.sum(), float(np.square(errors).mean()), metrics.impurity(gains).value


def _pair(before: Network, after: Network, gains: Array) -> tuple[int, int]:
    """Find the unit with most gains outside its own output among those divided, and the unit that is its copy."""
    changed = (before.W1 != after.W1).any(dim=0)  # the dead units that took a copy
    impure = gains.sum(axis=1) - gains.max(axis=1)
    copies = {
        int((after.W1[:, dead, None] == after.W1).all(dim=0).logical_and(~changed).nonzero()[0, 0]): int(dead)
        for dead in changed.nonzero()[:, 0]
    }
    unit = max(copies, key=lambda each: impure[each])
    return unit, copies[unit]
