"""Functions for sweeps under test to run."""

import random
from pathlib import Path
from typing import Any

import torch

from poly import metrics, model, perturb

HIDDEN = random.Random(1)


def draw(*, n: int, m: int = 4, generator: torch.Generator) -> dict[str, Any]:
    W = model.init(n, m, generator=generator)
    return {"largest": W.abs().max(), "winners": metrics.winners(W)[0]}


def perturbed_start(*, m: int, generator: torch.Generator) -> float:
    return float(perturb.start(model.init(1, m, generator=generator)).sum())


def count_calls(*, n: int, log: str, generator: torch.Generator) -> float:
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{n}\n")
    return float(torch.rand(1, generator=generator)) + n


def labeled(*, n: int, label: str, generator: torch.Generator) -> float:
    return float(torch.rand(1, generator=generator))


def fail_at_2(*, n: int, generator: torch.Generator) -> int:
    if n == 2:
        raise ValueError("n=2: diverged")
    return n


def by_hidden_state(*, n: int, generator: torch.Generator) -> float:
    return n * HIDDEN.random()


class Runs:
    """Objects that can be called, and are no functions at the top of a module."""

    def __call__(self, *, n: int, generator: torch.Generator) -> int:
        return n

    def method(self, *, n: int, generator: torch.Generator) -> int:
        return n


def local() -> Any:
    def run(*, n: int, generator: torch.Generator) -> int:
        return n

    return run


def oddly_named(*, n: int, generator: torch.Generator) -> dict[str, int]:
    return {"file": n, "allow_pickle": 2, "self": 3, "self.npy": 4}
