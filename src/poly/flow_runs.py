"""Counts by gradient flow that take long, computed once and kept: ``python -m poly.flow_runs FOLDER``.

The paper's sizes, and those on which the law of chapter 6 is tested. Some forty minutes on two cores. What was cut off
goes on where it stopped, given the same store.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from poly import flow, kept, metrics, model, outcome

NETWORKS = 16
# Figures 2 and 3: chapters 4 to 6 ask for these points, or some of them, by the same words.
GRID: dict[str, Sequence[Any]] = {
    "n": [256],
    "m": list(range(256, 4097, 256)),
    "l1": [1e-3, 1e-2, 1e-1],
    "method": ["flow"],
}
PAIRED = ("l1", "method")
# Fixed before any of them ran: features, neurons, networks at each λ, networks in a cell.
FRESH = (
    *((12, 12, 600, 50), (20, 32, 500, 50), (40, 56, 300, 10), (80, 80, 120, 4), (160, 160, 48, 1)),
    *((12, 36, 2400, 50), (20, 80, 2000, 20), (40, 160, 1000, 10), (80, 240, 320, 4), (160, 640, 160, 1)),
    *((12, 96, 5000, 50), (20, 240, 4000, 20), (40, 400, 1500, 5), (80, 800, 700, 2), (160, 1600, 200, 1)),
    (20, 1280, 2500, 10),
)
L1S_FRESH = (0.0015, 0.006, 0.05)
PAIRS_FRESH = ((2, 6, 200_000, 2000), (2, 12, 200_000, 2000), (2, 48, 200_000, 1000))
L1_PAIRS = 0.02


class Counts(NamedTuple):
    """The number of polysemantic neurons of each network of a cell, in the paper's window."""

    count: Int[Tensor, " networks"]


def counts(*, n: int, m: int, l1: float, networks: int, generator: torch.Generator) -> Counts:
    """Count the polysemantic neurons of networks from the paper's start, run by gradient flow to the end.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ, in the units of ``model.loss``.
        networks: how many in one cell.
        generator: source of the starts.

    Raises:
        ValueError: what ``model.init`` and ``flow.flow`` refuse.
    """
    start = model.init(n, m, instances=networks, generator=generator)
    return Counts(metrics.polysemantic_neurons(flow.flow(start, l1, progress=False).W))


def fresh(n: int, m: int, l1s: Sequence[float], networks: int, batch: int) -> dict[str, Any]:
    """The sweep of one size of ``counts``, as arguments of ``kept.table`` and ``kept.keep``."""
    grid: dict[str, Sequence[Any]] = {"n": [n], "m": [m], "l1": list(l1s), "networks": [batch]}
    return {"run": counts, "grid": grid, "seeds": networks // batch, "paired": ("l1",)}


def main() -> None:
    """Compute what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files are kept, such as book/data/flow-runs")
    parser.add_argument("--store", type=Path, help="where single cells are kept until a sweep is whole")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    sweeps: dict[str, dict[str, Any]] = {
        "counts": {"run": outcome.outcome, "grid": GRID, "seeds": NETWORKS, "paired": PAIRED}
    }
    for sizes, l1s in ((FRESH, L1S_FRESH), (PAIRS_FRESH, (L1_PAIRS,))):
        sweeps |= {f"{n}-{m}": fresh(n, m, l1s, *how_many) for n, m, *how_many in sizes}
    for name, asked in sweeps.items():
        path = options.folder / f"kept-{name}.npz"
        if path.exists():
            continue
        print(f"{name}: {asked['grid']}", flush=True)
        started = time.perf_counter()
        kept.keep(path, **asked, store=options.store)
        kept.record(path, asked["run"], started)


if __name__ == "__main__":
    main()
