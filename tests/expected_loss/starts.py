import math

import torch
from hypothesis import strategies as st
from torch import Tensor

from generators import generator
from poly import model, noise

f64 = torch.float64


SEEDS = st.integers(0, 2**32)
EXACT: list[noise.Family] = ["bipolar", "dropout", "gaussian"]
VALUES: dict[noise.Family, dict[float, float]] = {
    "bipolar": {-1.0: 0.5, 1.0: 0.5},
    "dropout": {-math.sqrt(2): 0.25, 0.0: 0.5, math.sqrt(2): 0.25},
}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=f64)


def start(n: int = 3, m: int = 4, seed: int = 0) -> Tensor:
    return model.init(n, m, generator=generator(seed))[0]
