"""Compute counts by gradient flow that take long, and store them: ``python -m poly.experiments.flow_archive FOLDER``.

The sizes are the paper's, and those for the fit and the tests of ``theory.biased_slots``. This takes an hour on two
cores. With the same store, an interrupted run continues where it stopped.
"""

from collections.abc import Sequence
from typing import Any

from poly.experiments import final_weights, trajectories, weak_penalty
from poly.sweep import archive

NETWORKS = 16
# Figures 2 and 3 of the paper. Requests for these points, or some of them, must use the same values.
GRID: dict[str, Sequence[Any]] = {
    "n": [256],
    "m": list(range(256, 4097, 256)),
    "l1": [1e-3, 1e-2, 1e-1],
    "method": ["flow"],
}
PAIRED = ("l1", "method")
# Other numbers of features, with λ and widths of each; and one size with enough networks for a distribution of counts.
NETWORKS_OTHERS, NETWORKS_LAW = 64, 400
OTHERS: dict[int, list[float]] = {32: [1e-3, 1e-2], 64: [1e-2], 128: [1e-2]}
RATIOS = (1, 2, 4, 8)  # m/n
LAW: dict[str, Sequence[Any]] = {"n": [64], "m": [128], "l1": [1e-3], "method": ["flow"]}
# Networks whose weights are recorded during training.
NETWORKS_FOLLOWED = 8
FOLLOWED: dict[str, Sequence[Any]] = {"n": [256], "m": [512, 1024], "l1": [1e-3], "method": ["flow"], "records": [41]}
# For the fit of the law, beside the paper's sizes: features, neurons, networks at each λ, networks in a cell.
SIZES_FIT = (
    *((4, 4, 2000, 50), (8, 8, 1200, 50), (8, 32, 2000, 50), (16, 16, 600, 50), (16, 32, 1000, 50), (24, 24, 300, 10)),
    *((24, 48, 500, 10), (24, 192, 900, 10), (48, 48, 150, 5), (48, 120, 300, 5), (48, 768, 600, 5)),
    *((64, 256, 240, 2), (96, 96, 60, 2), (96, 240, 150, 2)),
)
L1S_FIT = (0.003, 0.03)
# The sizes on which the second law was tested; the third one is fitted to them, too.
SIZES_SECOND_LAW = (
    *((12, 12, 600, 50), (20, 32, 500, 50), (40, 56, 300, 10), (80, 80, 120, 4), (160, 160, 48, 1)),
    *((12, 36, 2400, 50), (20, 80, 2000, 20), (40, 160, 1000, 10), (80, 240, 320, 4), (160, 640, 160, 1)),
    *((12, 96, 5000, 50), (20, 240, 4000, 20), (40, 400, 1500, 5), (80, 800, 700, 2), (160, 1600, 200, 1)),
    (20, 1280, 2500, 10),
)
L1S_TESTED = (0.0015, 0.006, 0.05)
# The sizes on which the third law is tested, fixed before any of them ran.
SIZES_THIRD_LAW = (
    *((10, 10, 600, 50), (28, 40, 400, 20), (56, 70, 160, 8), (112, 112, 60, 2)),
    *((10, 30, 2400, 50), (28, 84, 900, 20), (56, 224, 500, 4), (112, 448, 160, 2)),
    *((10, 100, 4000, 50), (28, 280, 1500, 10), (56, 560, 500, 4), (112, 1120, 180, 1), (14, 896, 2000, 20)),
)
L1S_FRESH = (0.002, 0.007, 0.04)
PAIRS = ((2, 8, 300_000, 2000), (2, 6, 200_000, 2000), (2, 12, 200_000, 2000), (2, 48, 200_000, 1000))
L1_PAIRS = 0.02
# Two sizes of one shape, m = 2n, at the paper's λ, with enough networks to compare their shares of n²/4m.
SIZES_TWICE_AS_WIDE = ((32, 64, 4000, 50), (256, 512, 300, 1))
L1_HALVES = 1e-3
# Weaker and weaker penalties: features, neurons, networks. The starts are drawn with the number that the commit which
# registered X6 and X7 begins with.
SIZES_WEAK = ((16, 16, 512), (32, 32, 192), (32, 128, 192), (64, 256, 96))
L1S_WEAK, DRAW_X6 = (1e-2, 1e-3, 1e-4), 0x865324


def count_sweep(n: int, m: int, l1s: Sequence[float], networks: int, batch: int) -> dict[str, Any]:
    """Return the arguments of ``archive.load_or_run`` and ``archive.save`` for the sweep of one size."""
    grid: dict[str, Sequence[Any]] = {"n": [n], "m": [m], "l1": list(l1s), "networks": [batch]}
    return {"run": final_weights.count, "grid": grid, "seeds": networks // batch, "paired": ("l1",)}


def weak(n: int, m: int, networks: int, l1s: Sequence[float] = L1S_WEAK) -> dict[str, Any]:
    """Return the arguments of ``archive.load_or_run`` for ``weak_penalty.train_weak_penalties`` at one size."""
    grid: dict[str, Sequence[Any]] = {"n": [n], "m": [m], "l1s": [tuple(l1s)], "draw": [DRAW_X6]}
    return {"run": weak_penalty.train_weak_penalties, "grid": grid, "seeds": networks, "paired": ("l1s",)}


def sweeps() -> dict[str, dict[str, Any]]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    ends: dict[str, Any] = {"run": final_weights.train, "paired": PAIRED}
    found: dict[str, dict[str, Any]] = {
        "counts": ends | {"grid": GRID, "seeds": NETWORKS},
        "law": ends | {"grid": LAW, "seeds": NETWORKS_LAW},
    }
    for n, l1s_other in OTHERS.items():
        grid = GRID | {"n": [n], "m": [n * ratio for ratio in RATIOS], "l1": l1s_other}
        found[f"others-{n}"] = ends | {"grid": grid, "seeds": NETWORKS_OTHERS}
    run, paired = trajectories.trajectory, (*PAIRED, "records")
    found["trajectories"] = {"run": run, "grid": FOLLOWED, "seeds": NETWORKS_FOLLOWED, "paired": paired}
    by_l1s = (
        (SIZES_FIT, L1S_FIT),
        (SIZES_SECOND_LAW, L1S_TESTED),
        (SIZES_THIRD_LAW, L1S_FRESH),
        (PAIRS, (L1_PAIRS,)),
        (SIZES_TWICE_AS_WIDE, (L1_HALVES,)),
    )
    for sizes, l1s in by_l1s:
        found |= {f"{n}-{m}": count_sweep(n, m, l1s, *how_many) for n, m, *how_many in sizes}
    return found | {f"weak-{n}-{m}": weak(n, m, networks) for n, m, networks in SIZES_WEAK}


def main() -> None:
    """Compute the files that do not exist yet."""
    options = archive.parser(__doc__, "book/data/flow-runs").parse_args()
    archive.compute_all(options.folder, sweeps(), options.store)


if __name__ == "__main__":
    main()
