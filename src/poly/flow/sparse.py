"""Integrate the gradient flow on lists of the nonzero weights: for small networks, or when few are left. Compiled.

An entry of the lists is one weight: its feature ``row``, its value ``w``, the ``force`` on it. The entries are sorted
by neuron. Those of ``neuron[k]`` are the entries ``ptr[k]`` … ``ptr[k + 1] − 1``, in the order of their features.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit
from poly.flow.interference import (
    add_rows,
    by_feature,
    clear,
    force_by_pairs,
    force_by_rows,
    overlap_bound,
    relu,
    row_error,
    rows_are_faster,
)
from poly.flow.rkc import coefficients, error_of, longest_step, next_step, stages
from poly.flow.signs import clamped, code_of, penalty_sign, velocity_of
from poly.flow.stopping import at_rest, finished, stays

Array = NDArray[np.float64]
Index = NDArray[np.integer]
Codes = NDArray[np.int8]
Flag = NDArray[np.bool_]
# Candidates for the stiffest rate over max_i Σ_j ReLU(W_i·W_j), of which 4 to 12 were observed, mostly 8 to 10. A step
# that fails may have been unstable, so the next larger one is tried.
_RATES = (9.0, 10.5, 12.0, 14.0)
# Speeds below this, or below this share of λ, count as rest: forces of order 1 have errors of order 1e-15 in float64.
_AT_REST = 1e-9
_AT_REST_SHARE = 1e-4
# A run with ``t_end`` uses this stricter threshold for rest.
_STILL = 1e-13
# A row whose end is known and whose speed is below this has reached its end.
_CLOSE = 1e-6
# Without λ: the time and the number of steps after which rows are compared with before. Both double each time.
_LONG, _MANY = 1e4, 64


# When a run may end before ``stop``: never, when nothing moves, or when the end is known.
NEVER, AT_REST, KNOWN = 0, 1, 2


@numba.njit(nogil=True)  # compiled into ``advance``, which is stored
def _advance(
    W: Array, l1: float, tol: float, times: Array, steps: Array, instance: int, stop: float, until: int, cancelled: Flag
) -> None:
    t, h = times[instance], steps[instance]
    n = len(W)
    slow = _AT_REST if until else _STILL
    slow = min(slow, _AT_REST_SHARE * l1) if l1 > 0 else slow
    S = np.zeros((n, n))  # W Wᵀ, the lower triangle
    neuron, ptr, row, w = _lists(W)
    force = np.empty(row.size)
    force_by_pairs(ptr, row, w, S, force)
    most = np.full(neuron.size, np.inf)
    guess = 0
    began, first, taken, longer = W.copy(), t, 0, 1
    while True:
        ptr, row, w, force = _with_activated(most > l1, ptr, row, w, force, S, l1)
        direction, velocity = _directions(w, force, l1)
        if t >= stop or cancelled[0]:
            break
        if row.size == 0 or at_rest(row, w, velocity, n, slow):
            t = np.inf if until else stop
            break
        if until and (until == KNOWN or np.abs(velocity).max() <= _CLOSE) and finished(ptr, row, w, n, l1):
            t = np.inf
            break
        if l1 == 0.0 and taken >= longer * _MANY and t - first >= longer * _LONG:
            reached = _matrix(neuron, ptr, row, w, W)
            if stays(began, reached, t - first, slow):
                t = np.inf if until else stop
                break
            began, first, taken, longer = reached, t, 0, 2 * longer
        taken += 1
        bound = overlap_bound(S)
        while True:
            rate = _RATES[guess] * bound
            step = min(h, stop - t, longest_step(rate))
            new, new_force, most, error = _step(ptr, row, w, direction, velocity, S, l1, step, rate, n)
            h = next_step(h, step, error / tol)
            if error <= tol or cancelled[0]:
                break
            guess = min(guess + 1, len(_RATES) - 1)
        t += step
        times[instance] = t  # for the progress bar
        neuron, ptr, row, w, force, most = _living(neuron, ptr, row, new, new_force, most)
    W[:] = _matrix(neuron, ptr, row, w, W)
    times[instance], steps[instance] = t, h


@njit(nogil=True)
def _matrix(neuron: Index, ptr: Index, row: Index, w: Array, like: Array) -> Array:
    """Convert the lists to a matrix, of the shape of ``like``."""
    W = np.zeros_like(like)
    for k in range(neuron.size):
        for e in range(ptr[k], ptr[k + 1]):
            W[row[e], neuron[k]] = w[e]
    return W


@njit(nogil=True)
def _lists(W: Array) -> tuple[Index, Index, Index, Array]:
    """List the neurons with nonzero weights, where each one's entries begin, and each entry's feature and value."""
    n, m = W.shape
    held = np.zeros(m, np.int64)
    for i in range(n):
        for k in range(m):
            if W[i, k] != 0.0:
                held[k] += 1
    neuron = np.nonzero(held)[0]
    ptr = np.zeros(neuron.size + 1, np.int64)
    place = np.empty(m, np.int64)
    for c in range(neuron.size):
        place[neuron[c]] = ptr[c]
        ptr[c + 1] = ptr[c] + held[neuron[c]]
    # Unsigned, because compiled code tests the sign of a signed index first.
    row, w = np.empty(ptr[-1], np.uint32), np.empty(ptr[-1])
    for i in range(n):
        for k in range(m):
            if W[i, k] != 0.0:
                row[place[k]], w[place[k]] = i, W[i, k]
                place[k] += 1
    return neuron, ptr, row, w


@numba.njit(nogil=True)
def _with_activated(
    may: NDArray[np.bool_], ptr: Index, row: Index, w: Array, force: Array, S: Array, l1: float
) -> tuple[Index, Index, Array, Array]:
    """Insert each zero weight whose force exceeds λ; check only the neurons that ``may`` marks."""
    if not may.any():
        return ptr, row, w, force
    n = len(S)
    R, felt = np.empty((n, n)), np.zeros(n, np.bool_)
    relu(S, R)
    for i in range(n):
        for j in range(i):
            if R[i, j] > 0.0:
                felt[i] = felt[j] = True
    total = np.empty(n)
    activated_at, activated_row, activated_force = [0 for _ in range(0)], [0 for _ in range(0)], [0.0 for _ in range(0)]
    for k in range(may.size):
        own = slice(ptr[k], ptr[k + 1])
        heavy = felt[row[own]]
        if not may[k] or not heavy.any():
            continue
        total[:] = 0.0
        add_rows(R, row[own][heavy], w[own][heavy], total)
        for e in range(ptr[k], ptr[k + 1]):
            total[row[e]] = 0.0
        for i in range(n):
            if 4 * abs(total[i]) > l1:
                activated_at.append(k)
                activated_row.append(i)
                activated_force.append(-4 * total[i])
    if len(activated_at) == 0:
        return ptr, row, w, force
    return _merged(ptr, row, w, force, np.array(activated_at), np.array(activated_row), np.array(activated_force))  # type: ignore[no-any-return]


@njit(nogil=True)
def _merged(
    ptr: Index, row: Index, w: Array, force: Array, activated_at: Index, activated_row: Index, activated_force: Array
) -> tuple[Index, Index, Array, Array]:
    """Insert weights 0 at these neurons and features; both lists are in the order of neurons, then of features."""
    size = row.size + activated_row.size
    new_ptr, new_row = np.zeros_like(ptr), np.empty(size, np.uint32)
    new_w, new_force = np.zeros(size), np.empty(size)
    at = b = 0
    for k in range(ptr.size - 1):
        e = ptr[k]
        while e < ptr[k + 1] or (b < activated_at.size and activated_at[b] == k):
            if b < activated_at.size and activated_at[b] == k and (e == ptr[k + 1] or activated_row[b] < row[e]):
                new_row[at], new_force[at] = activated_row[b], activated_force[b]
                b += 1
            else:
                new_row[at], new_w[at], new_force[at] = row[e], w[e], force[e]
                e += 1
            at += 1
        new_ptr[k + 1] = at
    return new_ptr, new_row, new_w, new_force


@njit(nogil=True)
def _living(
    neuron: Index, ptr: Index, row: Index, w: Array, force: Array, most: Array
) -> tuple[Index, Index, Index, Array, Array, Array]:
    """Remove the weights that are 0, and the neurons that have no weight left."""
    keep = w != 0.0
    counts = np.zeros(neuron.size, np.int64)
    for k in range(neuron.size):
        for e in range(ptr[k], ptr[k + 1]):
            counts[k] += keep[e]
    held = np.nonzero(counts)[0]
    new_ptr = np.zeros(held.size + 1, np.int64)
    new_ptr[1:] = np.cumsum(counts[held])
    return neuron[held], new_ptr, row[keep], w[keep], force[keep], most[held]


@njit(nogil=True)
def _directions(w: Array, force: Array, l1: float) -> tuple[Codes, Array]:
    """Compute the codes and velocities of the listed weights."""
    direction, velocity = np.empty(w.size, np.int8), np.empty(w.size)
    for e in range(w.size):
        direction[e] = code_of(w[e], force[e], l1)
        velocity[e] = velocity_of(direction[e], force[e], l1)
    return direction, velocity


@numba.njit(nogil=True)  # compiled into ``advance``, which is stored
def _step(
    ptr: Index,
    row: Index,
    w: Array,
    direction: Codes,
    velocity: Array,
    S: Array,
    l1: float,
    h: float,
    rate: float,
    n: int,
) -> tuple[Array, Array, Array, float]:
    """Take one Chebyshev step.

    Returns:
        The weights after it, the force on them, the largest force on weights at 0 by neuron, and the largest error of a
            row.
    """
    s = stages(h, rate)
    mu, nu, mu_tilde, gamma_tilde = coefficients(s)
    before, now = w.copy(), w + mu_tilde[1] * h * velocity
    seen, force = np.empty_like(w), np.empty_like(w)
    rows = rows_are_faster(ptr, n)
    begin, which, order = by_feature(ptr, row, n) if rows else (np.empty((0, 0), np.int64), row[:0], row[:0])
    R = np.empty((n, n) if rows else (0, 0))
    # Sums by pairs do not include the forces on weights at 0.
    most = np.full(ptr.size - 1, np.inf)
    S[:] = 0.0
    for j in range(2, s + 2):
        for e in range(w.size):
            seen[e] = clamped(now[e], direction[e])
        if rows:
            force_by_rows(ptr, row, seen, begin, which, order, S, R, force, most)
        else:
            force_by_pairs(ptr, row, seen, S, force)
        if j > s:
            break
        if not rows:
            clear(ptr, row, S)
        rest = 1 - mu[j] - nu[j]
        for e in range(w.size):
            velocity_now = force[e] - l1 * penalty_sign(now[e], direction[e])
            before[e] = (
                rest * w[e]
                + mu[j] * now[e]
                + nu[j] * before[e]
                + h * (mu_tilde[j] * velocity_now + gamma_tilde[j] * velocity[e])
            )
        before, now = now, before
    squares = np.zeros(n)
    for e in range(w.size):
        if not np.isfinite(now[e]):  # clamped, it would count as a weight that reaches 0
            return seen, force, most, np.inf
        # A weight that reaches 0 is exact there, so the slopes before and after do not measure its error.
        if seen[e] != 0.0:
            after = force[e] - l1 * np.sign(seen[e])
            squares[row[e]] += error_of(w[e], seen[e], h, velocity[e], after) ** 2
    return seen, force, most, row_error(squares, S)


@njit(nogil=True)
def advance(W: Array, l1: float, tol: float, t: Array, h: Array, stop: float, until: int, cancelled: Flag) -> None:
    """Bring instances to time ``stop``, or to their end, in place.

    Args:
        W: weights, (instances, n, m).
        l1, tol: as in ``flow.flow``.
        t, h: time and next step of each instance. An instance that has reached its end, as ``until`` defines it, has
            t = ∞.
        stop: the time.
        until: ``NEVER``, ``AT_REST`` or ``KNOWN``.
        cancelled: ends all instances once it is true.
    """
    for instance in range(len(W)):
        if t[instance] < stop:
            _advance(W[instance], l1, tol, t, h, instance, stop, until, cancelled)
