"""The optimizers' updates, compiled: one pass over the weights. A leaf module.

The gradient of the noiseless loss is ``4 (ReLU(W Wᵀ) W − W) + λ sign(W)``; the product is given.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # float32 or float64, the same for all arguments of a call


@numba.njit(cache=True, nogil=True)
def sgd(w: Array, product: Array, numbers: Array) -> None:
    """``w ← w − lr (g + d w)`` in place; numbers: lr, weight decay d, λ."""
    lr, weight_decay, l1 = numbers
    four = w.dtype.type(4)
    for e in range(w.size):
        gradient = four * (product[e] - w[e]) + l1 * np.sign(w[e])
        w[e] -= lr * (gradient + weight_decay * w[e])


@numba.njit(cache=True, nogil=True)
def adamw(w: Array, product: Array, mean: Array, square: Array, numbers: Array) -> None:
    """AdamW's step in place, as in ``torch.optim.AdamW``; numbers: lr / (1 − β₁ᵏ), 1 / √(1 − β₂ᵏ), 1 − lr d, λ,
    1 − β₁, β₂, 1 − β₂, ε at step k."""
    scale, root, decay, l1, to_mean, keep_square, to_square, eps = numbers
    four = w.dtype.type(4)
    for e in range(w.size):
        gradient = four * (product[e] - w[e]) + l1 * np.sign(w[e])
        mean[e] += to_mean * (gradient - mean[e])
        square[e] = keep_square * square[e] + to_square * gradient * gradient
        w[e] = decay * w[e] - scale * mean[e] / (np.sqrt(square[e]) * root + eps)
