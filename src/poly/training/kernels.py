"""Take the optimizers' steps on one instance, on one thread.

All inputs share the hidden noise ξ. With ``Y_ij = ReLU(W_i·W_j + ξ·W_j)`` and ``E = 2 (Y − I) ∘ 1[Y > 0]``, the
gradient is ``(E + Eᵀ) W + (Eᵀ 1) ξᵀ + λ sign(W)``. It takes two matrix products, with noise or without.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit

Array = NDArray[Any]  # float32 or float64, the same for all arguments of a call
# The defaults of torch.optim.AdamW, which the released code does not change.
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
SGD, SIGN, ADAM, ADAMW = range(4)
# Below this size a step is compiled completely. Above it, numpy computes only half of the product W Wᵀ.
_LARGE = 2**13


class Rule(NamedTuple):
    """How an optimizer takes a step; the numbers are those of ``training.TrainConfig``.

    ``kind``: SGD, SIGN, ADAM or ADAMW. ``rows``: whether all weights of a row share their second moment.
    """

    kind: int
    lr: float
    weight_decay: float = 0.0
    momentum: float = 0.0
    beta1: float = BETA1
    beta2: float = BETA2
    eps: float = EPS
    rows: bool = False


def advance(w: Array, mean: Array, square: Array, xi: Array, first: int, last: int, rule: Rule, l1: float) -> None:
    """Take steps ``first`` … ``last`` − 1 in place.

    Args:
        w: weights, (n, m).
        mean: the running mean of gradients, (n, m); (0, 0) for an optimizer without one.
        square: the second moments of Adam and AdamW, (n, m), of which a rule for rows uses the first column; or (0, 0).
        xi: σ times the noise of each of these steps, (steps, m); or (0, m).
        rule: of the optimizer.
        l1: as in ``training.TrainConfig``.
    """
    if w.size < _LARGE:
        _small(w, mean, square, xi, first, last, rule, l1)
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
            _update(w, mean, square, product, outgoing, noise, step, rule, l1)


@njit(nogil=True, error_model="numpy")
def _small(w: Array, mean: Array, square: Array, xi: Array, first: int, last: int, rule: Rule, l1: float) -> None:
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
        _update(w, mean, square, product, outgoing, noise, step, rule, l1)


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
    rule: Rule,
    l1: float,
) -> None:
    """Update w in place by one step of an optimizer."""
    number = w.dtype.type  # one float64 operand would make all arithmetic float64
    zero, penalty, rate, momentum = number(0), number(l1), number(rule.lr), number(rule.momentum)
    kept, coupled = number(1 - rule.lr * rule.weight_decay), rule.kind in (SGD, ADAM)
    decay = number(rule.weight_decay if coupled else 0.0)
    factors = adamw_rule(step, rule.lr, 0.0 if coupled else rule.weight_decay, zero, rule.beta1, rule.beta2, rule.eps)
    # A loop for each kind, so that the compiler can vectorize it.
    for i in range(w.shape[0]):
        out = outgoing[i]
        if rule.rows:
            power = zero
            for k in range(w.shape[1]):
                power += _gradient(w[i, k], product[i, k], out, noise[k], penalty, decay) ** 2
            square[i, 0] = factors[4] * square[i, 0] + factors[5] * power / number(w.shape[1])
            scale = factors[1] / (np.sqrt(square[i, 0]) * factors[2] + factors[6])
            for k in range(w.shape[1]):
                gradient = _gradient(w[i, k], product[i, k], out, noise[k], penalty, decay)
                mean[i, k] += factors[3] * (gradient - mean[i, k])
                w[i, k] = factors[0] * w[i, k] - scale * mean[i, k]
        elif rule.kind in (ADAM, ADAMW):
            for k in range(w.shape[1]):
                gradient = _gradient(w[i, k], product[i, k], out, noise[k], penalty, decay)
                w[i, k], mean[i, k], square[i, k] = adamw(w[i, k], gradient, mean[i, k], square[i, k], factors)
        elif rule.kind == SIGN:
            for k in range(w.shape[1]):
                gradient = _gradient(w[i, k], product[i, k], out, noise[k], penalty, decay)
                w[i, k] = kept * w[i, k] - rate * np.sign(gradient)
        elif mean.size == 0:
            for k in range(w.shape[1]):
                w[i, k] -= rate * _gradient(w[i, k], product[i, k], out, noise[k], penalty, decay)
        else:
            for k in range(w.shape[1]):
                gradient = _gradient(w[i, k], product[i, k], out, noise[k], penalty, decay)
                mean[i, k] = momentum * mean[i, k] + gradient
                w[i, k] -= rate * mean[i, k]


@njit(nogil=True, error_model="numpy")
def _gradient(x: Any, product: Any, outgoing: Any, noise: Any, penalty: Any, decay: Any) -> Any:
    zero = x - x
    sign = penalty if x > zero else (-penalty if x < zero else zero)
    return (product + outgoing * noise + sign) + decay * x


@njit(nogil=True, error_model="numpy")
def adamw_rule(
    step: int,
    lr: float,
    weight_decay: float,
    zero: Any,
    beta1: float = BETA1,
    beta2: float = BETA2,
    eps: float = EPS,
) -> Any:
    """Return the seven factors of one step of AdamW, as ``adamw`` reads them.

    They are ``1 − ηd``, ``η/(1 − β₁ᵗ)``, ``(1 − β₂ᵗ)^(−1/2)``, ``1 − β₁``, β₂, ``1 − β₂`` and ε, with t = step + 1.

    Args:
        step: its number, from 0.
        lr, weight_decay: η and d.
        zero: a number of the type that the factors get.
        beta1, beta2, eps: β₁, β₂ and ε.
    """
    number = type(zero)
    return (
        number(1 - lr * weight_decay),
        number(lr / (1 - beta1 ** (step + 1))),
        number((1 - beta2 ** (step + 1)) ** -0.5),
        number(1 - beta1),
        number(beta2),
        number(1 - beta2),
        number(eps),
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
