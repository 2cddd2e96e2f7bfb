"""Decide when a gradient flow has ended, on the lists of ``sparse``; compiled."""

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit

Array = NDArray[np.float64]
Index = NDArray[np.integer]
# The largest weight of a row that is gone, without λ: forces of order 1 have errors of order 1e-15.
_GONE = 1e-12


@njit(nogil=True)
def at_rest(row: Index, w: Array, velocity: Array, n: int, slow: float) -> bool:
    """Return whether every row moves too slowly to matter.

    A short row is slow without being at rest, so speeds are relative to its largest weight.

    Args:
        row: the feature of each entry of the list of weights.
        w, velocity: the weight of each entry, and its change by time.
        n: features.
        slow: the largest speed that does not matter, for a weight of size 1.
    """
    speed, size = np.zeros(n), np.zeros(n)
    for e in range(w.size):
        speed[row[e]] = max(speed[row[e]], abs(velocity[e]))
        size[row[e]] = max(size[row[e]], abs(w[e]))
    return bool(np.all(speed <= slow * np.minimum(size, 1.0)))


@njit(nogil=True)
def stays(before: Array, now: Array, time: float, slow: float) -> bool:
    """Return whether no row has changed between two times, with W (n, m) at each of them.

    A row has not changed if its mean velocity is as slow as that of a row at rest. Without λ, overlaps rest on the
    ReLU's kink, where long steps jitter. The speed itself then stays above rounding errors. A row that others crowd out
    shrinks by the same share in equal times, without end. It counts as gone once it is tiny and still shrinks.
    """
    for i in range(len(now)):
        size = np.abs(now[i]).max()
        gone = size < _GONE and size <= np.abs(before[i]).max()
        if not gone and np.abs(now[i] - before[i]).max() > slow * time * min(size, 1.0):
            return False
    return True


@njit(nogil=True)
def finished(ptr: Index, row: Index, w: Array, n: int, l1: float) -> bool:
    """Return whether the end is known without integration; if so, set w to the end.

    The end is known if no two features hold a neuron with equal signs: no overlap can become positive, so rows do not
    interact. The loss of a row, ``(1 − ‖w‖²)² + λ‖w‖₁``, only falls, so a row whose loss is below 1 never becomes 0.
    Its largest weight wins, and ends where ``4 (1 − w²) w = λ``. Exactly tied leaders stay tied. Without λ a row keeps
    its direction and ends at length 1.
    """
    for k in range(ptr.size - 1):
        up = down = 0
        for e in range(ptr[k], ptr[k + 1]):
            up += w[e] > 0
            down += w[e] < 0
        if up > 1 or down > 1:
            return False
    norm2, norm1, top, ties = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for e in range(w.size):
        norm2[row[e]] += w[e] ** 2
        norm1[row[e]] += abs(w[e])
        top[row[e]] = max(top[row[e]], abs(w[e]))
    for i in range(n):
        if l1 > 0 and norm1[i] > 0 and (1 - norm2[i]) ** 2 + l1 * norm1[i] >= 1:
            return False
    for e in range(w.size):
        ties[row[e]] += abs(w[e]) == top[row[e]]
    for e in range(w.size):
        i = row[e]
        if l1 == 0.0:
            w[e] /= np.sqrt(norm2[i])
        elif abs(w[e]) < top[i]:
            w[e] = 0.0
        else:
            w[e] = np.sign(w[e]) * _alone(ties[i], l1)
    return True


@njit(nogil=True)
def _alone(ties: float, l1: float) -> float:
    """Compute the size at rest of a row's ``ties`` equal weights, by Newton's method.

    It is the largest root of ``4 (1 − ties w²) w = λ``.
    """
    w = float(ties**-0.5)
    for _ in range(100):
        change = (ties * w**3 - w + l1 / 4) / (3 * ties * w**2 - 1)
        w -= change
        if abs(change) <= 1e-16 * w:
            break
    return w
