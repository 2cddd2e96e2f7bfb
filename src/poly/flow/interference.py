"""Compute the forces ``4 (I − ReLU(W Wᵀ)) W`` on nonzero weights, kept as lists by neuron; compiled.

There are two ways to compute the same sums. By rows, a weight adds its share to a whole row of overlaps, or of forces.
That takes n operations per weight, and the processor does several at a time. By pairs, two features interact only on
neurons where both have weights. That takes a few operations for each pair of weights on one neuron, one at a time.
"""

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit

Array = NDArray[np.float64]
Index = NDArray[np.integer]
# The number of neurons that sums by rows unpack at a time: a block that fits the processor's cache.
_BLOCK = 256
# The number of row operations that take as long as a pair.
_PAIR = 20


@njit(nogil=True)
def rows_are_faster(ptr: Index, n: int) -> bool:
    """Return whether ``force_by_rows`` is faster than ``force_by_pairs``.

    Args:
        ptr: (m + 1); neuron k has the entries ptr[k] … ptr[k + 1] − 1 of the list of weights.
        n: features.
    """
    pairs = 0
    for k in range(ptr.size - 1):
        held = int(ptr[k + 1] - ptr[k])
        pairs += held * (held + 1) // 2
    return _PAIR * pairs > int(ptr[-1]) * n


@njit(nogil=True)
def by_feature(ptr: Index, row: Index, n: int) -> tuple[Index, Index, Index]:
    """Sort the list by block of neurons and by feature.

    Args:
        ptr: (m + 1); neuron k has the entries ptr[k] … ptr[k + 1] − 1 of the list of weights.
        row: the feature of each entry.
        n: features.

    Returns:
        The place where each block and feature begins, each entry's neuron in its block, and its place in the original
            list.
    """
    blocks = (ptr.size - 2 + _BLOCK) // _BLOCK
    begin = np.zeros((blocks, n + 1), np.int64)
    for k in range(ptr.size - 1):
        for e in range(ptr[k], ptr[k + 1]):
            begin[k // _BLOCK, row[e] + 1] += 1
    at = 0
    for b in range(blocks):
        begin[b, 0] = at
        for i in range(n):
            begin[b, i + 1] += begin[b, i]
        at = begin[b, n]
    held, order, after = np.empty(row.size, np.uint32), np.empty(row.size, np.uint32), begin.copy()
    for k in range(ptr.size - 1):
        for e in range(ptr[k], ptr[k + 1]):
            at = after[k // _BLOCK, row[e]]
            held[at], order[at] = k % _BLOCK, e
            after[k // _BLOCK, row[e]] += 1
    return begin, held, order


@njit(nogil=True)
def force_by_rows(
    ptr: Index,
    row: Index,
    w: Array,
    begin: Index,
    held: Index,
    order: Index,
    S: Array,
    R: Array,
    out: Array,
    most: Array,
) -> None:
    """Compute the forces on w; write W Wᵀ into the lower triangle of S, and its ReLU into R.

    ``begin``, ``held`` and ``order`` are the results of ``by_feature``. ``most`` becomes the largest force, for each
    neuron, on a weight that is 0, in the list or not.
    """
    n = len(S)
    dense, ordered = np.empty((min(_BLOCK, ptr.size - 1), n)), w[order]
    S[:] = 0.0
    for b in range(len(begin)):
        first, last = b * _BLOCK, min((b + 1) * _BLOCK, ptr.size - 1)
        dense[: last - first] = 0.0
        for k in range(first, last):
            for e in range(ptr[k], ptr[k + 1]):
                dense[k - first, row[e]] = w[e]
        for i in range(n):
            own = slice(begin[b, i], begin[b, i + 1])
            add_rows(dense, held[own], ordered[own], S[i, : i + 1])
    relu(S, R)
    total = np.empty(n)
    for k in range(ptr.size - 1):
        total[:] = 0.0
        add_rows(R, row[ptr[k] : ptr[k + 1]], w[ptr[k] : ptr[k + 1]], total)
        for e in range(ptr[k], ptr[k + 1]):
            out[e] = 4 * (w[e] - total[row[e]])
            if w[e] != 0.0:
                total[row[e]] = 0.0
        most[k] = 4 * np.abs(total).max()


@njit(nogil=True)
def add_rows(rows: Array, chosen: Index, weights: Array, out: Array) -> None:
    """Add ``Σ_p weights_p rows[chosen_p, i]`` to ``out_i``, for the length of out.

    Eight rows are added at a time, to load and store ``out`` less often.
    """
    full = chosen.size // 8 * 8
    for p in range(0, full, 8):
        a, b, c, d = weights[p], weights[p + 1], weights[p + 2], weights[p + 3]
        e, f, g, h = weights[p + 4], weights[p + 5], weights[p + 6], weights[p + 7]
        A, B, C, D = rows[chosen[p]], rows[chosen[p + 1]], rows[chosen[p + 2]], rows[chosen[p + 3]]
        E, F, G, H = rows[chosen[p + 4]], rows[chosen[p + 5]], rows[chosen[p + 6]], rows[chosen[p + 7]]
        for i in range(out.size):
            left = (a * A[i] + b * B[i]) + (c * C[i] + d * D[i])
            out[i] += left + ((e * E[i] + f * F[i]) + (g * G[i] + h * H[i]))
    for p in range(full, chosen.size):
        a, A = weights[p], rows[chosen[p]]
        for i in range(out.size):
            out[i] += a * A[i]


@njit(nogil=True)
def relu(S: Array, R: Array) -> None:
    """Compute R = ReLU(S), both triangles; S (n, n) is symmetric, and only its lower triangle is read."""
    n = len(S)
    for i in range(n):
        for j in range(i + 1):
            R[i, j] = max(S[i, j], 0.0)
    # Tiles stay in the cache; whole columns would not.
    for top in range(0, n, 32):
        for left in range(top, n, 32):
            for j in range(left, min(left + 32, n)):
                for i in range(top, min(top + 32, j)):
                    R[i, j] = R[j, i]


@njit(nogil=True)
def force_by_pairs(ptr: Index, row: Index, w: Array, S: Array, out: Array) -> None:
    """Compute the forces ``4 (W_ik − Σ_j ReLU(W_i·W_j) W_jk)``, but for regularization, by pairs of entries.

    Args:
        ptr: (m + 1); neuron k has the entries ptr[k] … ptr[k + 1] − 1 of the list of weights.
        row: the feature of each entry.
        w: the weight of each entry.
        S: (n, n), zero before; its lower triangle becomes W Wᵀ.
        out: becomes the force on each entry.
    """
    for k in range(ptr.size - 1):
        for a in range(ptr[k], ptr[k + 1]):
            if w[a] != 0.0:
                line = S[row[a]]
                for b in range(ptr[k], a + 1):
                    line[row[b]] += w[a] * w[b]
    out[:] = 0.0
    for k in range(ptr.size - 1):
        for a in range(ptr[k], ptr[k + 1]):
            line, mine, total = S[row[a]], w[a], 0.0
            for b in range(ptr[k], a):
                overlap = max(line[row[b]], 0.0)
                total += overlap * w[b]
                out[b] -= 4 * overlap * mine
            out[a] += 4 * (mine * (1 - line[row[a]]) - total)


@njit(nogil=True)
def clear(ptr: Index, row: Index, S: Array) -> None:
    """Set S to 0 where ``force_by_pairs`` has written, or everywhere, whichever is less work.

    Args:
        ptr: (m + 1); neuron k has the entries ptr[k] … ptr[k + 1] − 1 of the list of weights.
        row: the feature of each entry.
        S: (n, n).
    """
    pairs = 0
    for k in range(ptr.size - 1):
        pairs += (ptr[k + 1] - ptr[k]) ** 2 // 2
    if 4 * pairs > S.size:
        S[:] = 0.0
        return
    for k in range(ptr.size - 1):
        for a in range(ptr[k], ptr[k + 1]):
            line = S[row[a]]
            for b in range(ptr[k], a + 1):
                line[row[b]] = 0.0


@njit(nogil=True)
def row_error(squares: Array, S: Array) -> float:
    """Compute ``max_i √(squares_i / min(‖W_i‖², 1))``; rows without an error count as 0.

    Args:
        squares: (n), the squared error of each row.
        S: (n, n), with ‖W_i‖² on its diagonal.
    """
    worst = 0.0
    for i in range(len(S)):
        if squares[i] > 0.0:
            worst = max(worst, squares[i] / min(S[i, i], 1.0) if S[i, i] > 0.0 else np.inf)
    return float(np.sqrt(worst))


@njit(nogil=True)
def overlap_bound(S: Array) -> float:
    """Compute ``max_i Σ_j ReLU(W_i·W_j)``, at least 1, a bound on the norm of that matrix."""
    n = len(S)
    total = np.zeros(n)
    for i in range(n):
        total[i] += S[i, i]
        for j in range(i):
            total[i] += max(S[i, j], 0.0)
            total[j] += max(S[i, j], 0.0)
    return max(float(total.max()), 1.0)
