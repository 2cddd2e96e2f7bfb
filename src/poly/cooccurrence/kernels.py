"""Take steps of AdamW on one tied network whose features are on together, compiled.

Inputs are drawn here too, from uniform numbers that the caller hands in. Sums run in one order, as in
``untied.kernels``, so that no result depends on the number of threads.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit
from poly.training.kernels import adamw, adamw_rule
from poly.untied.kernels import backward, forward

Array = NDArray[Any]  # float32 or float64, the same for all arguments of a call
_WIDE = 32  # numbers


@njit(nogil=True, error_model="numpy")
def choose(u: NDArray[np.float64], p: float, active: NDArray[np.int64]) -> int:
    """Draw which features are on, given that one is: write them into ``active``, and return how many.

    The first is drawn from its geometric law, ``P(first ≤ i) = (1 − (1 − p)^(i+1)) / (1 − (1 − p)^n)``, and each later
    one is on with probability p.

    Args:
        u: uniform on [0, 1), (1 + n,).
        p: in (0, 1).
        active: (n,).
    """
    n = len(active)
    some = -np.expm1(n * np.log1p(-p))
    first = min(n - 1, int(np.log1p(-u[0] * some) / np.log1p(-p)))
    active[0] = first
    many = 1
    for i in range(first + 1, n):
        if u[1 + i] < p:
            active[many] = i
            many += 1
    return many


@njit(nogil=True, error_model="numpy")
def advance(
    w: Array,
    mean: Array,
    square: Array,
    u: NDArray[np.float64],
    first: int,
    p: float,
    lr: float,
    weight_decay: float,
    l1: float,
) -> None:
    """Take as many steps as ``u`` has inputs for, in place, the first of them number ``first``.

    Args:
        w: weights, (n, m).
        mean, square: AdamW's moments, (n, m).
        u: uniform on [0, 1), (steps, batch, 1 + n).
        p, lr, weight_decay, l1: as in ``cooccurrence.Config``.
    """
    (n, m), (steps, batch, _) = w.shape, u.shape
    number = w.dtype.type
    # Rows are filled up with zeros to whole vectors of the processor.
    wide_n, wide_m = -(-n // _WIDE) * _WIDE, -(-m // _WIDE) * _WIDE
    rows = np.zeros((n, wide_m), w.dtype)
    to_write, to_read = np.empty_like(rows), np.empty_like(rows)
    columns, offset, unused = np.zeros((wide_m, wide_n), w.dtype), np.zeros(wide_n, w.dtype), np.zeros(n, w.dtype)
    hidden, back, output = np.empty(wide_m, w.dtype), np.empty(wide_m, w.dtype), np.empty(wide_n, w.dtype)
    active, on = np.empty(n, np.int64), np.zeros(n, w.dtype)
    zero, one, penalty = number(0), number(1), number(l1)
    # Inputs without a feature have no gradient and are not drawn; this is their share, and the 1/p of the loss.
    scale = number(2 * -np.expm1(n * np.log1p(-p)) / p / batch)
    for step in range(steps):
        rows[:, :m], columns[:m, :n] = w, w.T
        to_write[:], to_read[:] = zero, zero
        for sample in range(batch):
            there = active[: choose(u[step, sample], p, active)]
            for i in there:
                on[i] = one
            forward(rows, columns, offset, there, m, False, hidden, output)
            backward(rows, output, on, hidden, scale, False, unused, to_read, back)
            for i in there:
                on[i] = zero
                for k in range(wide_m):
                    to_write[i, k] += back[k]
        rule = adamw_rule(first + step, lr, weight_decay, zero)
        for i in range(n):
            for k in range(m):
                x = w[i, k]
                sign = penalty if x > zero else (-penalty if x < zero else zero)
                gradient = to_write[i, k] + to_read[i, k] + sign
                w[i, k], mean[i, k], square[i, k] = adamw(x, gradient, mean[i, k], square[i, k], rule)
