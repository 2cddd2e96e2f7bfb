"""Train networks beyond the toy, and store their counts: ``python -m poly.experiments.beyond_archive FOLDER``.

This takes about an hour on two cores. With the same store, an interrupted run continues where it stopped.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, inference
from poly.experiments import beyond_toy
from poly.sweep import archive

# The reported starts are drawn with the number that the commit which registered the claims begins with: Y1 to Y10, and
# Y11 to Y22.
DRAW_Y1, DRAW_Y11 = 0x79F2D1, 0x7953FE
L1 = 1e-3
N = 32
NEURONS = (8, 12, 16, 20, 24, 28, 32, 64, 512)
SCARCE_NETWORKS, SCARCE_OTHER_SIZE = 400, (64, 48, 192)  # networks; another size
# For each λ, the probabilities of a feature; the first is nearly that of features that never meet.
MEETINGS = {1e-3: (1e-5, 3e-4, 1e-3, 1 / 32, 1 / 8, 1 / 2), 1e-2: (1e-4, 3e-3)}
NETWORKS_OF_A_CELL, CELLS = 16, 6  # networks of a cell, and cells
RECTIFIED = ((32, 32, 128), (32, 64, 128))
# Inputs whose features are related: the arguments of ``cooccurrence.Inputs``. The first have no relation.
INDEPENDENT: dict[str, Any] = {"p": 1e-5, "group": 1, "within": 0.0, "exponent": 0.0}
RELATIONS: dict[str, dict[str, Any]] = {
    "none": INDEPENDENT,
    "exclusive pairs": INDEPENDENT | {"p": 1 / 32, "group": 2},
    "exclusive groups": INDEPENDENT | {"p": 1 / 32, "group": 8},
    "blocks": INDEPENDENT | {"group": 4, "within": 0.5},
    "frequency": INDEPENDENT | {"exponent": 1.0},
    "frequency, meeting": INDEPENDENT | {"p": 1 / 32, "exponent": 1.0},
}
# The same with twice as many features and neurons.
RELATIONS_TWICE = ("none", "exclusive groups", "blocks")
RELATED = ((32, 32, 16, 16), (64, 64, 8, 8))  # features, neurons, networks of a cell, cells
CHANGED = (8, 12, 16, 20, 24, 28, 32, 64)  # neurons
# Mean losses up to so many times the usual one count as equal.
EQUAL_LOSS = 1.1
SweepArguments = dict[str, Any]
Array = NDArray[Any]
Grid = dict[str, list[Any]]


def sweeps() -> dict[str, SweepArguments]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    found = {f"rectified-{n}-{m}": rectified(n, m, networks) for n, m, networks in RECTIFIED}
    found |= {
        "scarce": scarce(N, NEURONS, SCARCE_NETWORKS),
        "scarce-other": scarce(SCARCE_OTHER_SIZE[0], SCARCE_OTHER_SIZE[1:2], SCARCE_OTHER_SIZE[2]),
    }
    found |= {f"meeting-{l1:g}": meeting(N, N, ps, l1=l1) for l1, ps in MEETINGS.items()}
    for names, size in zip((tuple(RELATIONS), RELATIONS_TWICE), RELATED, strict=True):
        found |= {
            f"related-{size[0]}-{name.replace(', ', '-').replace(' ', '-')}": related(name, *size) for name in names
        }
    found["rectified-meeting"] = rectified(*RECTIFIED[0], active=2)
    found["scarce-adamw"] = scarce(N, (16, 24, 32), SCARCE_NETWORKS, method="adamw")
    return found | {"changed": changed(N, CHANGED, 128)}


def scarce(n: int, neurons: Sequence[int], networks: int, *, l1: float = L1, method: str = "flow") -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``beyond_toy.scarce``.

    Args:
        n: features.
        neurons: the numbers m of neurons.
        networks: starts at each m.
        l1: λ, in the units of ``model.loss``.
        method: "flow" or "adamw".
    """
    grid: Grid = {"n": [n], "m": list(neurons), "l1": [l1], "method": [method]}
    return _asked(beyond_toy.scarce, networks, grid, "method", draw=DRAW_Y1 if method == "flow" else DRAW_Y11)


def changed(n: int, neurons: Sequence[int], networks: int, *, l1: float = L1) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``beyond_toy.changed``.

    Args:
        n: features.
        neurons: the numbers m of neurons.
        networks: starts at each m.
        l1: λ, in the units of ``model.loss``.
    """
    return _asked(beyond_toy.changed, networks, {"n": [n], "m": list(neurons), "l1": [l1]}, draw=DRAW_Y11)


def related(
    relation: str,
    n: int,
    m: int,
    networks: int,
    cells: int,
    *,
    l1: float = L1,
    steps: int = beyond_toy.STEPS,
) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``beyond_toy.related``.

    Args:
        relation: which features co-occur, a name of ``RELATIONS``.
        n, m: features, neurons.
        networks: starts in each cell of the sweep.
        cells: how many cells.
        l1: λ, in the units of ``model.loss``.
        steps: of AdamW.

    Raises:
        ValueError: another relation.
    """
    checks.one_of("relation", relation, tuple(RELATIONS))
    settings = RELATIONS[relation]
    grid: Grid = {"n": [n], "m": [m], "l1": [l1], "networks": [networks]}
    grid |= {name: [value] for name, value in settings.items()}
    return _asked(beyond_toy.related, cells, grid | _unusual_steps(steps), *settings, draw=DRAW_Y11)


def meeting(
    n: int,
    m: int,
    probabilities: Sequence[float],
    *,
    l1: float,
    networks: int = NETWORKS_OF_A_CELL,
    cells: int = CELLS,
    steps: int = beyond_toy.STEPS,
) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``beyond_toy.meeting`` at one size and λ.

    Args:
        n, m: features, neurons.
        probabilities: that a feature is on, one after another.
        l1: λ, in the units of ``model.loss``.
        networks: starts in each cell of the sweep.
        cells: how many cells.
        steps: of AdamW.
    """
    grid: Grid = {"n": [n], "m": [m], "l1": [l1], "p": list(probabilities), "networks": [networks]}
    return _asked(beyond_toy.meeting, cells, grid | _unusual_steps(steps), "p")


def rectified(
    n: int, m: int, networks: int, *, l1: float = L1, active: int = 1, steps: int = beyond_toy.STEPS
) -> SweepArguments:
    """Return the arguments of ``archive.load_or_run`` for ``beyond_toy.rectified`` at one size.

    Args:
        n, m, networks: features, neurons, starts.
        l1: λ, in the units of ``model.loss``.
        active: features that are on in an input, ≥ 1.
        steps: of AdamW.
    """
    grid: Grid = {"n": [n], "m": [m], "l1": [l1]}
    if checks.count("active", active) == 1:  # the stored sweeps do not name one feature
        return _asked(beyond_toy.rectified, networks, grid | _unusual_steps(steps))
    return _asked(beyond_toy.rectified, networks, grid | {"active": [active]} | _unusual_steps(steps), draw=DRAW_Y11)


class Split(NamedTuple):
    """Sharing that remains after the best change of the start, at equal loss.

    ``change``: its name. The estimates are over the networks that did not choose it: ``usual`` and ``need``, the mean
    amounts from usual starts and after the change; ``left``, their ratio; ``loss``, the ratio of mean losses.
    """

    change: str
    usual: inference.Estimate
    need: inference.Estimate
    left: inference.Estimate
    loss: inference.Estimate


def split(
    sharing: Float[Array, "networks starts"],
    loss: Float[Array, "networks starts"],
    names: Sequence[str],
    *,
    seed: int,
) -> Split:
    """Bound the necessary part of sharing from above, by the best change of the start.

    Half of the networks choose the change that leaves the least sharing, among those whose mean loss is at most
    ``EQUAL_LOSS`` times the usual one, or none. The other half measures. What the change leaves is an upper bound of
    what is necessary; the rest is incidental.

    Args:
        sharing: the number of shared neurons, or Π, of usual starts and then of each change.
        loss: of the same networks.
        names: of the changes.
        seed: of resampling, ≥ 0.

    Raises:
        ValueError: fewer than four networks, shapes that do not fit, or numbers that are not finite.
    """
    sharing, loss = checks.array("sharing", sharing), checks.array("loss", loss)
    names = checks.sequence("names", names)
    half = len(sharing) // 2 if sharing.ndim == 2 else 0
    if half < 2 or sharing.shape != loss.shape or sharing.shape[1] != 1 + len(names):
        shapes = f"{sharing.shape} and loss {loss.shape}"
        raise ValueError(f"sharing: has shape {shapes}, both must have at least 4 rows and {1 + len(names)} columns")
    for name, values in (("sharing", sharing), ("loss", loss)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: holds NaN or infinity, every entry must be finite")
    sharing = np.round(sharing, 9)  # rounding errors are no spread
    equal = loss[:half].mean(0) <= EQUAL_LOSS * loss[:half, 0].mean()
    best = int(np.where(equal, sharing[:half].mean(0), np.inf).argmin())
    both, costs = sharing[half:, [best, 0]], loss[half:, [best, 0]]
    need, usual = (inference.bootstrap(side, seed=seed) for side in both.T)
    left, cost = (inference.ratio(each, seed=seed) for each in (both, costs))
    return Split(("none", *names)[best], usual, need, left, cost)


def _unusual_steps(steps: int) -> Grid:
    """Return the grid's entry for ``steps``; none for the default, which stored sweeps do not name."""
    return {} if steps == beyond_toy.STEPS else {"steps": [steps]}


def _asked(run: Any, seeds: int, grid: Grid, *paired: str, draw: int = DRAW_Y1) -> SweepArguments:
    return {"run": run, "grid": grid | {"draw": [draw]}, "seeds": seeds, "paired": ("l1", *paired)}


def main() -> None:
    """Compute the files that do not exist yet."""
    options = archive.parser(__doc__, "book/data/beyond-runs").parse_args()
    archive.compute_all(options.folder, sweeps(), options.store)


if __name__ == "__main__":
    main()
