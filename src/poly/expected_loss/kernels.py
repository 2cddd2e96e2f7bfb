"""Compiled kernels for the expected loss and force of one network under hidden noise.

Gaussian noise has closed forms. Discrete noise has 2^m or 3^m patterns, but their sum needs no list of them. Each half
of the neurons has a sorted list of the sums of its own patterns. The noise z is the sum of one number from each list.
For each number of one list, the output is positive from some place in the other list on. As the number rises, this
place falls. Three running sums over the entries from that place on give the expected values.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
# The square of larger noise overflows, and infinite sums cannot be sorted.
_LARGEST = 1e150


class _Half(NamedTuple):
    """All patterns of one half of the neurons, sorted by their sums Σ_k σ ξ_k W_jk; each field is (patterns,).

    A code has one digit per neuron, the first neuron's digit first. The share is Σ_i E[e_ij; pattern], which ``_meet``
    adds up.
    """

    sums: Array
    chance: Array
    code: Codes
    share: Array


@njit(nogil=True)
def evaluate(W: Array, sigma: float, values: Array, chances: Array, force: Array) -> float:
    """Compute the expected loss of one network, and write −∂L/∂W into ``force``.

    Args:
        W: encodings, (n, m).
        sigma: σ ≥ 0.
        values, chances: values of the noise ξ of one neuron, with mean 0, and their probabilities; empty for N(0, 1).
        force: (n, m), overwritten.
    """
    n, m = W.shape
    total = 0.0
    force[:] = 0.0
    overlap, error, push = np.empty(n), np.empty(n), np.empty(m)
    for j in range(n):
        for i in range(n):
            overlap[i] = 0.0
            for k in range(m):
                overlap[i] += W[i, k] * W[j, k]
        if values.size == 0 or sigma == 0:
            total += _gaussian(overlap, j, W[j], sigma, error, push)
        else:
            total += _discrete(overlap, j, W[j], sigma, values, chances, error, push)
        # error_i = E[e_ij] and push = Σ_i E[e_ij σ ξ]. The gradient has terms of both factors of W_i·W_j and of
        # z = σ ξ·W_j.
        for k in range(m):
            force[j, k] -= push[k]
            for i in range(n):
                force[i, k] -= error[i] * W[j, k]
                force[j, k] -= error[i] * W[i, k]
    return total


@njit(nogil=True)
def _gaussian(overlap: Array, j: int, w: Array, sigma: float, error: Array, push: Array) -> float:
    """Compute the loss of output j summed over the inputs; write E[e] into ``error`` and Σ_i E[e σ ξ] into ``push``.

    ``z ~ N(0, s²)`` with ``s = σ ‖W_j‖``. Therefore ``E[e σ ξ] = E[e z] W_j / ‖W_j‖²``, and Y > 0 with probability
    Φ(a / s).
    """
    s = sigma * math.sqrt(overlap[j])
    total, along = 0.0, 0.0
    for i in range(overlap.size):
        a, own = overlap[i], 1.0 if i == j else 0.0
        # Without noise Φ is 1[a > 0], and its density at the kink counts as 0.
        t = a / s if s > 0 else (math.inf if a > 0 else -math.inf)
        positive = 0.5 * math.erfc(-t / math.sqrt(2.0))
        density = math.exp(-0.5 * t * t) / math.sqrt(2 * math.pi)
        mean = a * positive + s * density
        total += (a * a + s * s) * positive + a * s * density - 2 * own * mean + own
        error[i] = 2 * (mean - own * positive)
        along += 2 * sigma * (sigma * positive - (own * sigma * density / s if s > 0 else 0.0))
    for k in range(w.size):
        push[k] = along * w[k]
    return total


@njit(nogil=True)
def _discrete(
    overlap: Array, j: int, w: Array, sigma: float, values: Array, chances: Array, error: Array, push: Array
) -> float:
    """Compute for noise with few values what ``_gaussian`` computes for Gaussian noise."""
    if not sigma * np.abs(values).max() * np.abs(w).sum() < _LARGEST:
        error[:] = push[:] = math.inf
        return math.inf
    middle = w.size // 2
    one, other = _half(sigma * w[:middle], values, chances), _half(sigma * w[middle:], values, chances)
    total = 0.0
    for i in range(overlap.size):
        cost, error[i] = _meet(overlap[i], 1.0 if i == j else 0.0, one, other)
        total += cost
    _entries(one, sigma * values, push[:middle])
    _entries(other, sigma * values, push[middle:])
    return total


@njit(nogil=True)
def _half(steps: Array, values: Array, chances: Array) -> _Half:
    """List the patterns of one half, sorted by their sums.

    Neuron by neuron, the sorted list is shifted by each value of the next neuron's noise, and the shifted lists are
    merged.
    """
    base = values.size
    sums, code, chance = np.zeros(1), np.zeros(1, np.int64), np.ones(1)
    for step in steps:
        more, more_code = sums + values[0] * step, code * base
        for v in range(1, base):
            more, more_code = _merged(more, more_code, sums + values[v] * step, code * base + v)
        sums, code, chance = more, more_code, np.outer(chance, chances).ravel()
    return _Half(sums, chance[code], code, np.zeros(sums.size))


@njit(nogil=True)
def _merged(one: Array, one_code: Codes, other: Array, other_code: Codes) -> tuple[Array, Codes]:
    sums, code = np.empty(one.size + other.size), np.empty(one.size + other.size, np.int64)
    i, j = 0, 0
    for p in range(sums.size):
        if i == one.size or (j < other.size and other[j] < one[i]):
            sums[p], code[p] = other[j], other_code[j]
            j += 1
        else:
            sums[p], code[p] = one[i], one_code[i]
            i += 1
    return sums, code


@njit(nogil=True)
def _meet(a: float, own: float, one: _Half, other: _Half) -> tuple[float, float]:
    """Combine both halves: return the mean squared error and ``E[e]``, and add to each pattern's share."""
    cost, error = own, 0.0
    # Σ p, Σ p u and Σ p u² over the sums u of ``other``, of probability p, that make Y > 0 with this sum of
    # ``one``: entries from ``c`` on.
    c, chance, mean, square = other.sums.size, 0.0, 0.0, 0.0
    # The first two of these over the sums of ``one`` from entry ``p`` on. The mean of all sums is 0.
    left, left_mean = 1.0, 0.0
    for p in range(one.sums.size):
        while c > 0 and one.sums[p] + other.sums[c - 1] > -a:
            c -= 1
            u = other.sums[c]
            chance += other.chance[c]
            mean += other.chance[c] * u
            square += other.chance[c] * u * u
            other.share[c] += 2 * other.chance[c] * ((a + u - own) * left + left_mean)
        y = a + one.sums[p]
        e = 2 * one.chance[p] * ((y - own) * chance + mean)
        one.share[p] += e
        error += e
        cost += one.chance[p] * (y * (y * chance + 2 * mean) + square - 2 * own * (y * chance + mean))
        left -= one.chance[p]
        left_mean -= one.chance[p] * one.sums[p]
    return cost, error


@njit(nogil=True)
def _entries(half: _Half, values: Array, push: Array) -> None:
    """Write the sum of the patterns, weighted by their shares, into ``push``, one neuron at a time from the last."""
    left = np.empty(half.share.size)
    left[half.code] = half.share
    size = left.size
    push[:] = 0.0
    for k in range(push.size - 1, -1, -1):
        size //= values.size
        for p in range(size):
            total = 0.0
            for v in range(values.size):
                part = left[p * values.size + v]
                push[k] += part * values[v]
                total += part
            left[p] = total
