"""Train networks beyond the toy, and store their counts: ``python -m poly.experiments.beyond_archive FOLDER``.

This takes about half an hour on two cores. With the same store, an interrupted run continues where it stopped.
"""

from collections.abc import Sequence
from typing import Any

from poly.experiments import beyond_toy
from poly.sweep import archive

# The reported starts are drawn with the number that the commit which registered the claims begins with.
DRAW = 0x79F2D1
L1 = 1e-3
N = 32
NEURONS = (8, 12, 16, 20, 24, 28, 32, 64, 512)
SCARCE, OTHER = 400, (64, 48, 192)  # networks; another size
# For each λ, the probabilities of a feature; the first is nearly that of features that never meet.
MEETINGS = {1e-3: (1e-5, 3e-4, 1e-3, 1 / 32, 1 / 8, 1 / 2), 1e-2: (1e-4, 3e-3)}
CELL, CELLS = 16, 6  # networks of a cell, and cells
RECTIFIED = ((32, 32, 128), (32, 64, 128))
Asked = dict[str, Any]
Grid = dict[str, list[Any]]


def sweeps() -> dict[str, Asked]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    found = {f"rectified-{n}-{m}": rectified(n, m, networks) for n, m, networks in RECTIFIED}
    found |= {"scarce": scarce(N, NEURONS, SCARCE), "scarce-other": scarce(OTHER[0], OTHER[1:2], OTHER[2])}
    return found | {f"meeting-{l1:g}": meeting(N, N, ps, l1=l1) for l1, ps in MEETINGS.items()}


def scarce(n: int, neurons: Sequence[int], networks: int, *, l1: float = L1) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for ``beyond_toy.scarce`` by gradient flow."""
    grid: Grid = {"n": [n], "m": list(neurons), "l1": [l1], "method": ["flow"]}
    return _asked(beyond_toy.scarce, networks, grid, "method")


def meeting(
    n: int,
    m: int,
    probabilities: Sequence[float],
    *,
    l1: float,
    networks: int = CELL,
    cells: int = CELLS,
    steps: int = beyond_toy.STEPS,
) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for ``beyond_toy.meeting`` at one size and λ."""
    grid: Grid = {"n": [n], "m": [m], "l1": [l1], "p": list(probabilities), "networks": [networks]}
    return _asked(beyond_toy.meeting, cells, grid | _other(steps), "p")


def rectified(n: int, m: int, networks: int, *, l1: float = L1, steps: int = beyond_toy.STEPS) -> Asked:
    """Return the arguments of ``archive.load_or_run`` for ``beyond_toy.rectified`` at one size."""
    grid: Grid = {"n": [n], "m": [m], "l1": [l1]}
    return _asked(beyond_toy.rectified, networks, grid | _other(steps))


def _other(steps: int) -> Grid:
    """The stored sweeps do not name the usual number of steps."""
    return {} if steps == beyond_toy.STEPS else {"steps": [steps]}


def _asked(run: Any, seeds: int, grid: Grid, *paired: str) -> Asked:
    return {"run": run, "grid": grid | {"draw": [DRAW]}, "seeds": seeds, "paired": ("l1", *paired)}


def main() -> None:
    """Compute the files that do not exist yet."""
    options = archive.parser(__doc__, "book/data/beyond-runs").parse_args()
    archive.compute_all(options.folder, sweeps(), options.store)


if __name__ == "__main__":
    main()
