"""Simulate one row without interference exactly, with two numbers (claims C5, C6; figure F1).

The row obeys ``ẇ_k = (1 − ‖w‖²) w_k − λ`` (theory units, see ``model``). It is stepped by explicit Euler, and a weight
that reaches 0 stays there. The growth factor and the ℓ1 penalty are the same for all weights. A step therefore only
multiplies the difference of two surviving weights. Let M(t) be the largest weight and A(t) the product of all growth
factors. Then every survivor is

    w_k(t) = M(t) − A(t) g_k,    g_k = max_j w_j(0) − w_k(0).

Two numbers describe the row, whatever m is. ‖w‖² and ‖w‖₁ follow from prefix sums of the sorted gaps g. Weights reach 0
in the order of their gaps, the largest first, and a step costs O(1). Gaps are measured from the *largest* weight to
avoid cancellation at the end of the race. The last survivors then differ by the gaps themselves, not by the difference
of two large numbers.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from poly import checks, perturb
from poly.compiled import njit

Array = NDArray[np.float64]
Alive = NDArray[np.int64]
_MOST_RECORDS = 10**6
_MOST_STEPS = 10**10
_LARGEST = 1e100  # sums of a row, and their squares, must not overflow
# Steps of one compiled call; Python handles an interrupt between two calls.
_UNBROKEN = 2**24


class Path(NamedTuple):
    """The record of a race: times t (k,), surviving weights (k,) int64, ‖w‖₁ (k,) and ‖w‖₂ (k,)."""

    t: Float[Array, " k"]
    survivors: Int[Alive, " k"]
    l1_norm: Float[Array, " k"]
    l2_norm: Float[Array, " k"]


def sparsify(w0: ArrayLike, shrink: float, *, step: float = 0.5, t_end: float | None = None) -> Path:
    """Simulate the race inside one row, until one weight survives or until ``t_end``.

    The step is ``w ← w + η ((1 − ‖w‖²) w − λ)`` on |w|, and a weight that reaches 0 stays there. The result equals that
    simulation step by step, in O(m log m) for the sort and O(1) per step. Weights below 1e-16 of the largest count as
    0. Exactly tied leaders never separate: the race then ends when only they are left.

    Args:
        w0: initial row, (m,), any signs.
        shrink: λ ≥ 0 in theory units (l1 / 4); > 0 unless ``t_end`` is given.
        step: Euler step η > 0 in theory units.
        t_end: the path ends at the first step at or beyond this time; None: at the end of the race.

    Returns:
        Path, from t = 0 to the end. It has every step, or every 2nd, 4th, … step of a path longer than a million steps.
            The last step is always included.

    Raises:
        ValueError: bad input; a race that would take more than 10¹⁰ steps; or a step at which Euler does not keep the
            order of the weights, ``‖w‖² ≥ 1 + 1/η``.

    Source: section 3.3 of the paper for the equation and F1 for the settings; the reduction is ours.

    Example:
        >>> path = sparsify.sparsify([0.6, 0.5, -0.4], 0.01)
        >>> path.survivors[0].item(), path.survivors[-1].item()
        (3, 1)
    """
    gaps, top, steps = _prepare(perturb.start(checks.array("w0", w0)), shrink, step, t_end)
    record, _ = _run(gaps, top, shrink, step, steps)
    return Path(*record)


def weights_at(w0: ArrayLike, shrink: float, t: float, *, step: float = 0.5) -> Float[Array, " m"]:
    """Compute the row at the first step at or beyond time t, in its original order and with its signs.

    ``w_k = sign(w_k(0)) (M − A g_k)₊``

    Args, raises: as ``sparsify``, with ``t`` for ``t_end``.

    Returns:
        (m,).
    """
    start = perturb.start(checks.array("w0", w0))
    checks.nonnegative("t", t)
    gaps, top, steps = _prepare(start, shrink, step, t)
    _, (M, A, alive) = _run(gaps, top, shrink, step, steps)
    # Ranks identify the weights that have reached 0: A restarts when only tied leaders are left.
    gap = top - np.abs(start)
    living = gap <= gaps[alive - 1] if alive else np.zeros(gap.shape, dtype=bool)
    return np.where(living, np.copysign(M - A * gap, start), 0.0)


def _prepare(w0: ArrayLike, shrink: float, step: float, t_end: float | None) -> tuple[Array, float, int]:
    """Compute the sorted gaps to the largest weight, that weight, and the number of steps.

    The number is −1 for a run to the end of the race.
    """
    start = checks.array("w0", w0)
    if start.ndim != 1 or start.size == 0:
        raise ValueError(f"w0: has shape {start.shape}, must be one row of shape (m,), m ≥ 1")
    if _LARGEST < (largest := float(np.abs(start).max())) < np.inf:
        raise ValueError(f"w0: has an entry of size {largest:g}, must be at most {_LARGEST:g}")
    shrink, step = checks.nonnegative("shrink", shrink), checks.positive("step", step)
    if t_end is None:
        if shrink * step * _MOST_STEPS < 1:
            raise ValueError(
                f"shrink={shrink!r}: at step={step!r} the race lasts over 1e10 steps; "
                "must be larger, or t_end must be given"
            )
        steps = -1
    else:
        # Rounding must not add a step to a whole multiple of the step.
        exact = checks.nonnegative("t_end", t_end) / step
        if exact > _MOST_STEPS:
            raise ValueError(f"t_end={t_end!r}: is over 1e10 steps of step={step!r}, must be nearer")
        steps = math.ceil(exact * (1 - 1e-15))
    # Computed in place, because every copy takes 0.8 GB at m = 1e8.
    gaps = -np.abs(start)
    # Sorting takes half of the time, and F1 starts from a sorted row.
    if (gaps[:-1] >= gaps[1:]).all():
        gaps = gaps[::-1].copy()
    elif not (gaps[:-1] <= gaps[1:]).all():
        gaps.sort()
    top = -float(gaps[0])
    if not math.isfinite(top) or not math.isfinite(float(gaps[-1])):
        raise ValueError("w0: holds NaN or infinity, every entry must be finite")
    gaps += top
    return gaps, top, steps


def _run(
    gaps: Array, top: float, shrink: float, step: float, steps: int
) -> tuple[tuple[Array, Alive, Array, Array], tuple[float, float, int]]:
    sums, squares = _prefix_sums(gaps)
    # One block: the allocator keeps 32 MB for the next call, but returns four blocks of 8 MB to the system. Fetching
    # those again, page by page, takes as long as the race.
    block = np.empty((4, _MOST_RECORDS))
    state, counts, lost_at, norm2, over = np.array([top, 1.0]), np.array([0, gaps.size, 0, 1, 0]), -1.0, 0.0, False
    while not over:
        # Python handles an interrupt between two calls.
        lost_at, norm2, over = _race(
            gaps, sums, squares, state, counts, float(shrink), float(step), steps, _UNBROKEN, block
        )
    if lost_at >= 0:
        raise ValueError(
            f"step={step!r}: at t={lost_at:g} the row has ‖w‖²={norm2:.6g}; the Euler step keeps the "
            f"order of the weights only while ‖w‖² < 1 + 1/step = {1 + 1 / step:.6g}, so it must be smaller"
        )
    t, l1, l2, survivors = block[:, : counts[2]]
    record = t, survivors.view(np.int64), l1, l2
    return record, (float(state[0]), float(state[1]), int(counts[1]))


@njit()
def _prefix_sums(gaps: Array) -> tuple[Array, Array]:
    """Compute Σ g and Σ g² over the first k gaps, k = 0 … m, with compensation.

    Plain sums of 1e8 terms lose six digits.
    """
    sums, squares = np.empty(gaps.size + 1), np.empty(gaps.size + 1)
    sums[0] = squares[0] = 0.0
    sum_lost = square_lost = 0.0
    for k in range(gaps.size):
        term = gaps[k] - sum_lost
        sums[k + 1] = sums[k] + term
        sum_lost = (sums[k + 1] - sums[k]) - term
        term = gaps[k] * gaps[k] - square_lost
        squares[k + 1] = squares[k] + term
        square_lost = (squares[k + 1] - squares[k]) - term
    return sums, squares


@njit()
def _race(
    gaps: Array,
    sums: Array,
    squares: Array,
    state: Array,
    counts: Alive,
    shrink: float,
    step: float,
    steps: int,
    unbroken: int,
    block: Array,
) -> tuple[float, float, bool]:
    """Run a part of the loop.

    ``state`` holds M and A. ``counts`` holds the step, the survivors, the records, their stride and the steps until the
    next record. Both are updated in place. The records are in ``block``.

    Returns:
        The time and the ‖w‖² at which the order of the weights was lost (time −1: not yet), and whether the race is
            over.
    """
    t, l1, l2 = block[0], block[1], block[2]
    survivors, most = block[3].view(np.int64), t.size
    M, A = state[0], state[1]
    i, alive, records, stride, until_record = counts[0], counts[1], counts[2], counts[3], counts[4]
    lost_at, norm2, over, tax, last = -1.0, 0.0, False, step * shrink, i + unbroken
    while True:
        while alive > 0 and A * gaps[alive - 1] >= M:
            alive -= 1
        settled = alive == 0 or gaps[alive - 1] == 0.0  # one weight, tied leaders, or none
        if settled:
            A = 1.0  # no gap is left to scale, and A would overflow in a long run
        over = i == steps or (settled and steps < 0)
        norm2 = M * (alive * M - 2 * A * sums[alive]) + A * A * squares[alive]
        if until_record == 0 or over:
            t[records], survivors[records] = i * step, alive
            l1[records], l2[records] = alive * M - A * sums[alive], math.sqrt(max(norm2, 0.0))
            records += 1
            until_record = stride
            if records == most and not over:
                # Keep every second record; the doubled stride gives the next one.
                for r in range(0, records, 2):
                    t[r // 2], survivors[r // 2], l1[r // 2], l2[r // 2] = t[r], survivors[r], l1[r], l2[r]
                records, stride = most // 2, stride * 2
        if over:
            break
        growth = 1 + step - step * norm2
        if not growth > 0.0:  # NaN, too: the norm has overflowed
            lost_at, over = i * step, True
            break
        M = growth * M - tax
        if M < 0.0:  # noqa: PLR1730  # a branch hardly ever taken costs less than a maximum in the loop's one chain
            M = 0.0
        A *= growth
        i += 1
        until_record -= 1
        if i == last:
            break
    state[0], state[1] = M, A
    counts[0], counts[1], counts[2], counts[3], counts[4] = i, alive, records, stride, until_record
    return lost_at, norm2, over
