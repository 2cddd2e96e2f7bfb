"""Take steps of AdamW on one tied network whose features are on together, compiled.

Inputs are drawn here too, from uniform numbers that the caller hands in. Sums run in one order, as in
``untied.kernels``, so that no result depends on the number of threads.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit
from poly.training.kernels import adamw, adamw_rule
from poly.untied.kernels import backward, forward

Array = NDArray[Any]  # float32 or float64, the same for all arguments of a call
_WIDE = 32  # numbers


class Law(NamedTuple):
    """How inputs are drawn: first which groups of neighboring features are on, then which features of each.

    ``groups``: the probability of each group. ``first``: ``P(first group ≤ k)``, given that one is on. ``inside``,
    ``first_inside``: the same for the features of a group that is on, of which one must be. Without groups, each
    feature is a group, and the last two have one entry.
    """

    groups: NDArray[np.float64]
    first: NDArray[np.float64]
    inside: NDArray[np.float64]
    first_inside: NDArray[np.float64]


@njit(nogil=True, error_model="numpy")
def choose(
    u: NDArray[np.float64], p: NDArray[np.float64], first: NDArray[np.float64], chosen: NDArray[np.int64]
) -> int:
    """Draw which features or groups are on, given that one is. Write them into ``chosen``, and return their number.

    The first is drawn from its law, and each later one is on with its own probability.

    Args:
        u: uniform on [0, 1), (1 + n,).
        p: the probabilities, (n,).
        first: ``P(first ≤ i)``, (n,).
        chosen: (n,).
    """
    n = len(p)
    chosen[0] = min(n - 1, np.searchsorted(first, u[0], side="right"))
    many = 1
    for i in range(chosen[0] + 1, n):
        if u[1 + i] < p[i]:
            chosen[many] = i
            many += 1
    return many


@njit(nogil=True, error_model="numpy")
def draw(u: NDArray[np.float64], law: Law, on: NDArray[np.int64], active: NDArray[np.int64]) -> int:
    """Draw the features of an input that is not empty: write them into ``active``, and return how many.

    Args:
        u: uniform on [0, 1), as many as ``draws``.
        law: of the inputs.
        on: scratch, (groups + features of a group,).
        active: (n,).
    """
    groups, size = len(law.groups), len(law.inside)
    if size == 1:
        return int(choose(u, law.groups, law.first, active))
    members, many = on[groups:], 0
    for k in on[: choose(u, law.groups, law.first, on)]:
        own = 1 + groups + k * (1 + size)
        for i in members[: choose(u[own : own + 1 + size], law.inside, law.first_inside, members)]:
            active[many] = k * size + i
            many += 1
    return many


def draws(law: Law) -> int:
    """Return how many uniform numbers an input takes."""
    groups, size = len(law.groups), len(law.inside)
    return 1 + groups + (groups * (1 + size) if size > 1 else 0)


@njit(nogil=True, error_model="numpy")
def advance(
    w: Array,
    mean: Array,
    square: Array,
    u: NDArray[np.float64],
    first: int,
    law: Law,
    weight: float,
    lr: float,
    weight_decay: float,
    l1: float,
) -> None:
    """Take as many steps as ``u`` has inputs for, in place, the first of them number ``first``.

    Args:
        w: weights, (n, m).
        mean, square: AdamW's moments, (n, m).
        u: uniform on [0, 1), (steps, batch, draws).
        law: of the inputs.
        weight: of an input's error in the loss: the share of inputs that are not empty, over p.
        lr, weight_decay, l1: as in ``cooccurrence.Config``.
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
    scratch = np.empty(len(law.groups) + len(law.inside), np.int64)
    zero, one, penalty, scale = number(0), number(1), number(l1), number(2 * weight / batch)
    for step in range(steps):
        rows[:, :m], columns[:m, :n] = w, w.T
        to_write[:], to_read[:] = zero, zero
        for sample in range(batch):
            there = active[: draw(u[step, sample], law, scratch, active)]
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
