"""Integrate the gradient flow while most weights are nonzero, by matrix products on blocks of neurons.

A block fits the processor's cache. W is stored neuron by neuron here, (m, n). A stage of a step reads it once. For a
block of neurons, ``4 (I − ReLU(W Wᵀ)) W`` is one product, and the stage is completed while the block is in the cache.
The block's share of the next W Wᵀ is then added, of which only half is computed: 3n²m operations per evaluation.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit
from poly.flow.interference import overlap_bound, row_error
from poly.flow.rkc import coefficients, error_of, longest_step, next_step, stages
from poly.flow.signs import clamped, code_of, penalty_sign, velocity_of

Array = NDArray[np.float64]
Codes = NDArray[np.int8]
Flag = NDArray[np.bool_]
# Candidates for the stiffest rate over max_i Σ_j ReLU(W_i·W_j). A step that fails may have been unstable, so the next
# larger one is tried.
_RATES = (8.0, 10.0, 12.0, 14.0)
_BLOCK = 512
# If a smaller share of the weights is nonzero, lists of them are faster, though far slower per operation than the BLAS.
_LEAST_DENSITY = 0.5


class _Scratch(NamedTuple):
    """Arrays that every step overwrites: W Wᵀ and its ReLU, and for one block the clamped weights and their product.

    A block of the last two stays in the cache while a stage is completed.
    """

    S: Array
    R: Array
    seen: Array
    products: Array


def advance(W: Array, l1: float, tol: float, t: Array, h: float, stop: float, cancelled: Flag) -> float:
    """Advance one instance, W (n, m), toward ``stop`` in place, while many weights are nonzero.

    Returns the next step length. ``t[0]`` is the time of the instance. It is updated in place, so that a progress bar
    can read it.
    """
    n, m = W.shape
    now = np.ascontiguousarray(W.T)
    slope, direction = np.empty_like(now), np.empty((m, n), np.int8)
    # The last two stages of a step. Between steps, ``before`` is the force on ``now``, and ``latest`` is unused.
    before, latest = np.empty_like(now), np.empty_like(now)
    blocks = [slice(k, min(k + _BLOCK, m)) for k in range(0, m, _BLOCK)]
    block = (min(_BLOCK, m), n)
    S = now.T @ now
    scratch = _Scratch(S, np.maximum(S, 0.0), np.empty(block), np.empty(block))
    before[:] = 4 * (now - now @ scratch.R)
    bound, guess = overlap_bound(S), 0
    while True:
        living = sum(_directions(now[b], before[b], l1, direction[b], slope[b]) for b in blocks)
        if t[0] >= stop or living <= _LEAST_DENSITY * n * m or cancelled[0]:
            break
        accepted = False
        while not accepted:
            rate = _RATES[guess] * bound
            step = min(h, stop - t[0], longest_step(rate))
            finite, before, latest = _stages(now, slope, direction, l1, step, rate, before, latest, blocks, scratch)
            found = overlap_bound(S)
            error = _end(now, slope, direction, l1, step, before, latest, blocks, scratch)
            error = error if finite and np.isfinite(S.trace()) else np.inf
            h = next_step(h, step, error / tol)
            accepted = bool(error <= tol or cancelled[0])
            guess = guess if accepted else min(guess + 1, len(_RATES) - 1)
        t[0] += step
        now, latest, bound = latest, now, found
    W[:] = now.T
    return h


def _stages(
    now: Array,
    slope: Array,
    direction: Codes,
    l1: float,
    step: float,
    rate: float,
    before: Array,
    latest: Array,
    blocks: Sequence[slice],
    scratch: _Scratch,
) -> tuple[bool, Array, Array]:
    """Compute the stages of one step. Return whether all but the last are finite, and the last two.

    The last stage is in the third, with W Wᵀ in ``scratch.S`` and its ReLU in ``scratch.R``.
    """
    S, R, seen, products = scratch
    s = stages(step, rate)
    mu, nu, mu_tilde, gamma_tilde = coefficients(s)
    S[:] = 0.0
    finite = True
    for b in blocks:
        part = seen[: b.stop - b.start]
        _first_stage(now[b], slope[b], mu_tilde[1] * step, before[b], latest[b])
        _see(latest[b], direction[b], part)
        _add_overlaps(part, S)
    for j in range(2, s + 1):
        finite = finite and bool(np.isfinite(S.trace()))  # an overflow is clamped to 0 later
        np.maximum(S, 0.0, out=R)
        S[:] = 0.0
        scales = (1 - mu[j] - nu[j], mu[j], nu[j], step * mu_tilde[j], step * gamma_tilde[j])
        for b in blocks:
            part = seen[: b.stop - b.start]
            _see(latest[b], direction[b], part)
            product = np.matmul(part, R, out=products[: len(part)])
            _stage(now[b], slope[b], direction[b], part, product, l1, scales, before[b], latest[b])
            _add_overlaps(part, S)
        before, latest = latest, before
    np.maximum(S, 0.0, out=R)
    return finite, before, latest


def _end(
    now: Array,
    slope: Array,
    direction: Codes,
    l1: float,
    step: float,
    force: Array,
    latest: Array,
    blocks: Sequence[slice],
    scratch: _Scratch,
) -> float:
    """Clamp the last stage, write the force on it into ``force``, and return the error of the step."""
    S, R, seen, products = scratch
    squares = np.zeros(len(S))
    for b in blocks:
        part = seen[: b.stop - b.start]
        _see(latest[b], direction[b], part)
        latest[b] = part
        _finish(now[b], slope[b], part, np.matmul(part, R, out=products[: len(part)]), l1, step, force[b], squares)
    return row_error(squares, S)  # type: ignore[no-any-return]  # compiled


def _add_overlaps(weights: Array, S: Array) -> None:
    # numpy computes half of a symmetric product and releases the GIL meanwhile; scipy's dsyrk does not.
    np.add(S, weights.T @ weights, out=S)


@njit(nogil=True)
def _directions(now: Array, force: Array, l1: float, direction: Codes, slope: Array) -> int:
    """Compute codes and velocities, and return the number of nonzero weights."""
    living = 0
    for k in range(now.shape[0]):
        for i in range(now.shape[1]):
            living += now[k, i] != 0.0
            code = code_of(now[k, i], force[k, i], l1)
            direction[k, i], slope[k, i] = code, velocity_of(code, force[k, i], l1)
    return living


@njit(nogil=True)
def _first_stage(now: Array, slope: Array, scale: float, before: Array, latest: Array) -> None:
    for k in range(now.shape[0]):
        for i in range(now.shape[1]):
            before[k, i] = now[k, i]
            latest[k, i] = now[k, i] + scale * slope[k, i]


@njit(nogil=True)
def _see(stage: Array, direction: Codes, seen: Array) -> None:
    """Write a stage into ``seen``, with 0 for each weight that would change its sign and stops."""
    for k in range(stage.shape[0]):
        for i in range(stage.shape[1]):
            w, code = stage[k, i], direction[k, i]
            seen[k, i] = clamped(w, code)


@njit(nogil=True)
def _stage(
    now: Array,
    slope: Array,
    direction: Codes,
    seen: Array,
    product: Array,
    l1: float,
    scales: tuple[float, float, float, float, float],
    before: Array,
    latest: Array,
) -> None:
    """Compute the next stage in place of the one before the latest, and its clamped weights."""
    rest, mu, nu, mu_tilde, gamma_tilde = scales
    for k in range(now.shape[0]):
        for i in range(now.shape[1]):
            code, y = direction[k, i], latest[k, i]
            velocity = 4 * (seen[k, i] - product[k, i]) - l1 * penalty_sign(y, code) if code != 0 else 0.0
            new = rest * now[k, i] + mu * y + nu * before[k, i] + mu_tilde * velocity + gamma_tilde * slope[k, i]
            before[k, i] = new
            seen[k, i] = clamped(new, code)


@njit(nogil=True)
def _finish(
    now: Array, slope: Array, seen: Array, product: Array, l1: float, h: float, force: Array, squares: Array
) -> None:
    """Compute the force on the new weights, and add up each feature's squared error."""
    for k in range(now.shape[0]):
        for i in range(now.shape[1]):
            w = seen[k, i]
            force[k, i] = 4 * (w - product[k, i])
            if w != 0.0:
                after = force[k, i] - l1 * np.sign(w)
                squares[i] += error_of(now[k, i], w, h, slope[k, i], after) ** 2
