"""Take the optimizers' steps on one instance, on one thread. Needs no torch.

All inputs share the hidden noise ξ. With ``Y_ij = ReLU(W_i·W_j + ξ·W_j)`` and ``E = 2 (Y − I) ∘ 1[Y > 0]``, the
gradient is ``(E + Eᵀ) W + (Eᵀ 1) ξᵀ + λ sign(W)``. It takes two matrix products, with noise or without.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit

Array = NDArray[Any]  # float32 or float64, the same for all arguments of a call
# The defaults of torch.optim.AdamW, which the released code does not change.
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


# Below this size a step is compiled completely. Above it, numpy computes only half of the product W Wᵀ.
_LARGE = 2**13


def advance(
    w: Array, mean: Array, square: Array, xi: Array, first: int, last: int, lr: float, weight_decay: float, l1: float
) -> None:
    """Take steps ``first`` … ``last`` − 1 in place: of AdamW if there are moments, of SGD if they are empty.

    Args:
        w: weights, (n, m).
        mean, square: AdamW's moments, (n, m); or (0, 0).
        xi: σ times the noise of each of these steps, (steps, m); or (0, m).
        lr, weight_decay, l1: as in ``training.TrainConfig``.
    """
    if w.size < _LARGE:
        _small(w, mean, square, xi, first, last, lr, weight_decay, l1)
        return
    n, m = w.shape
    overlap, errors, product = np.empty((n, n), w.dtype), np.empty((n, n), w.dtype), np.empty_like(w)
    noise, shift, outgoing = np.zeros(m, w.dtype), np.zeros(n, w.dtype), np.empty(n, w.dtype)
    with np.errstate(all="ignore"):  # a run that diverges is reported by the caller
        for step in range(first, last):
            if len(xi):
                noise = xi[step - first]
                np.matmul(w, noise, out=shift)
            np.matmul(w, w.T, out=overlap)
            _errors(overlap, shift, errors, outgoing)
            np.matmul(errors, w, out=product)
            _update(w, mean, square, product, outgoing, noise, step, lr, weight_decay, l1)


@njit(nogil=True, error_model="numpy")
def _small(
    w: Array, mean: Array, square: Array, xi: Array, first: int, last: int, lr: float, weight_decay: float, l1: float
) -> None:
    n, m = w.shape
    overlap, errors, product = np.empty((n, n), w.dtype), np.empty((n, n), w.dtype), np.empty_like(w)
    quiet, shift, outgoing = np.zeros(m, w.dtype), np.zeros(n, w.dtype), np.empty(n, w.dtype)
    for step in range(first, last):
        noise = xi[step - first] if len(xi) else quiet
        if len(xi):
            np.dot(w, noise, shift)
        np.dot(w, w.T, overlap)
        _errors(overlap, shift, errors, outgoing)
        np.dot(errors, w, product)
        _update(w, mean, square, product, outgoing, noise, step, lr, weight_decay, l1)


@njit(nogil=True, error_model="numpy")
def _errors(overlap: Array, shift: Array, errors: Array, outgoing: Array) -> None:
    """Compute ``E + Eᵀ`` and the sums of E's columns.

    Where the output is 0 the ReLU passes no gradient, also on the diagonal.
    """
    n = len(overlap)
    two, zero = overlap.dtype.type(2), overlap.dtype.type(0)
    outgoing[:] = zero
    for i in range(n):
        for j in range(i):
            one, other = max(overlap[i, j] + shift[j], zero), max(overlap[i, j] + shift[i], zero)
            errors[i, j] = two * (one + other)
            errors[j, i] = errors[i, j]
            outgoing[j] += two * one
            outgoing[i] += two * other
        own = overlap[i, i] + shift[i]
        error = two * (own - overlap.dtype.type(1)) if own > zero else zero
        errors[i, i] = two * error
        outgoing[i] += error


@njit(nogil=True, error_model="numpy")
def _update(
    w: Array,
    mean: Array,
    square: Array,
    product: Array,
    outgoing: Array,
    noise: Array,
    step: int,
    lr: float,
    weight_decay: float,
    l1: float,
) -> None:
    """Update w in place: ``w ← w − lr (g + d w)``, or as ``torch.optim.AdamW`` does."""
    number = w.dtype.type  # one float64 operand would make all arithmetic float64
    zero, penalty, rate, decay = number(0), number(l1), number(lr), number(weight_decay)
    rule = adamw_rule(step, lr, weight_decay, zero)
    for i in range(w.shape[0]):
        for k in range(w.shape[1]):
            x = w[i, k]
            sign = penalty if x > zero else (-penalty if x < zero else zero)
            gradient = product[i, k] + outgoing[i] * noise[k] + sign
            if mean.size == 0:
                w[i, k] = x - rate * (gradient + decay * x)
            else:
                w[i, k], mean[i, k], square[i, k] = adamw(x, gradient, mean[i, k], square[i, k], rule)


@njit(nogil=True, error_model="numpy")
def adamw_rule(step: int, lr: float, weight_decay: float, zero: Any) -> Any:
    """Return the factors of step number ``step``, which counts from 0, in the type of ``zero``."""
    number = type(zero)
    return (
        number(1 - lr * weight_decay),
        number(lr / (1 - BETA1 ** (step + 1))),
        number((1 - BETA2 ** (step + 1)) ** -0.5),
        number(1 - BETA1),
        number(BETA2),
        number(1 - BETA2),
        number(EPS),
    )


@njit(nogil=True, error_model="numpy")
def adamw(x: Any, gradient: Any, mean: Any, square: Any, rule: Any) -> Any:
    """Return a weight and its two moments after a step of ``torch.optim.AdamW``.

    ``m ← m + (1 − β₁)(g − m)``, ``s ← β₂ s + (1 − β₂) g²``, ``x ← (1 − ηd) x − η/(1 − β₁ᵗ) m / (√(s/(1 − β₂ᵗ)) + ε)``.

    Args:
        x, gradient, mean, square: of one weight.
        rule: of ``adamw_rule``.
    """
    kept, scale, root, to_mean, keep_square, to_square, eps = rule
    mean = mean + to_mean * (gradient - mean)
    square = keep_square * square + to_square * gradient * gradient
    return kept * x - scale * mean / (np.sqrt(square) * root + eps), mean, square
