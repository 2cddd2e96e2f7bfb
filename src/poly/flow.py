"""Gradient flow of the whole model, with exact zeros.

``Ẇ = forces(W, λ)``, where a weight that reaches 0 stays at 0 while the other forces on it are below λ.
Time is that of the loss: one unit of t is 1/lr steps of plain gradient descent.

Steps are stabilized ones of second order (``chebyshev``): the drift that decides who wins is far slower than the norms
and overlaps that follow it. They are made by ``flow_dense`` while most weights live, by ``flow_sparse`` later, with
one instance to a thread; no result depends on the number of threads.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, flow_dense, flow_sparse, parallel
from poly.model import Trajectory

Array = NDArray[np.float64]
# The forces grow like the cube of the weights: from farther out the first steps take for ever, or overflow.
_LARGEST = 1e4
# Smaller networks are no work for matrix products.
_LEAST_DENSE = 2**15
_FIRST_STEP = 1e-2


def flow(
    W: Float[Tensor, "*instances n m"],
    l1: float,
    *,
    t_end: float | None = None,
    at: Sequence[float] = (),
    observe: Callable[[Float[Tensor, "*instances n m"]], Shaped[Tensor, "..."]] | None = None,
    tol: float = 5e-3,
    progress: bool | None = None,
) -> Trajectory:
    """Integrate the gradient flow of ``model.loss`` from W.

    Adaptive steps of second order, each instance at its own pace. A weight that would change sign within a step stops
    at 0, or goes through it where benefit plus interference exceed λ; it leaves 0 only when they do. An open run stops
    where every row's end is known in closed form: rows that cannot overlap any more keep their largest weight.

    Args:
        W: starting weights, (*instances, n, m); left untouched, integrated in float64.
        l1: λ ≥ 0, in the units of ``model.loss``.
        t_end: end of the run; None: until every row has at most one nonzero weight and has come to
            rest, or nothing moves. That is after a few times 1/λ, at most some 10⁵ of it a step: minutes at λ = 1e-10.
        at: times to record, ≥ 0, increasing, not beyond ``t_end``. Steps end there, which changes results within
            ``tol``. With ``observe`` alone: 0, 1, √2, 2, … to the end of the run.
        observe: called with a copy of W at each of them; None records W itself.
        tol: largest error that one step may make in a row, ‖·‖₂, > 0.
        progress: a bar that counts instances, after 2 seconds; None: where there is a terminal.

    Returns:
        Trajectory of the final W in float64, ``at``, and the stacked observations. A time beyond the end of an
        open run sees the final weights.

    Raises:
        ValueError: bad input, or an ``observe`` that does not return tensors of one shape.

    Source: section 3 of the paper; steps by Sommeijer, Shampine and Verwer 1998.
    """
    checks.weights(W)
    largest = W.detach().abs().max().item()
    if largest > _LARGEST:
        raise ValueError(f"W: holds a weight of size {largest:g}, must be at most {_LARGEST:g}")
    l1, tol = checks.nonnegative("l1", l1), checks.positive("tol", tol)
    end = np.inf if t_end is None else checks.nonnegative("t_end", t_end)
    times = checks.increasing("at", at, last=end)

    if observe is not None:
        checks.function("observe", observe)

    n, m = W.shape[-2:]
    # In float64, a copy also of what is float64 already.
    now = W.detach().to("cpu", torch.float64, copy=True).reshape(-1, n, m).contiguous()
    t, h = np.zeros(len(now)), np.full(len(now), _FIRST_STEP)
    seen: list[float] = []
    values: list[Tensor] = []

    def copy() -> Tensor:
        return now.reshape(W.shape).to(W.device, copy=True)

    for stop in _geometric(end, t) if observe and not times else times:
        until = flow_sparse.NEVER if t_end is not None else flow_sparse.AT_REST
        _advance(now.numpy(), l1, tol, t, h, stop, until, progress)
        seen.append(stop)
        values.append(checks.observation(copy() if observe is None else observe(copy()), values))
    until = flow_sparse.NEVER if t_end is not None else flow_sparse.KNOWN
    _advance(now.numpy(), l1, tol, t, h, end, until, progress)
    recorded = torch.tensor(seen, dtype=torch.float64)
    return Trajectory(now.reshape(W.shape).to(W.device), recorded, torch.stack(values) if values else torch.empty(0))


def _geometric(end: float, t: Array) -> Iterator[float]:
    """0, 1, √2, 2, … to ``end``, or until every instance has reached its own end."""
    yield 0.0
    stop = 1.0
    while stop <= end and not np.isinf(t).all():
        yield stop
        stop *= 2**0.5


def _advance(
    W: Array, l1: float, tol: float, t: Array, h: Array, stop: float, until: int, progress: bool | None
) -> None:
    """Bring every instance to time ``stop`` in place, or to its end."""
    large = W[0].size >= _LEAST_DENSE
    size = 1 if large else max(1, min(256, len(W) // (4 * torch.get_num_threads())))

    with parallel.bar(len(W), "network", f"flow to t={stop:g}" if np.isfinite(stop) else "flow", progress) as bar:

        def some(first: int, given_up: parallel.Flag) -> None:
            part = slice(first, first + size)
            if large and t[first] < stop:
                t[first], h[first] = flow_dense.advance(W[first], l1, tol, t[first], h[first], stop, given_up)
            flow_sparse.advance(W[part], l1, tol, t[part], h[part], stop, until, given_up)
            with bar.get_lock():
                bar.update(len(W[part]))

        parallel.for_each(some, range(0, len(W), size))
