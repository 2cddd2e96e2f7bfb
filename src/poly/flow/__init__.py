"""Integrate the gradient flow of the whole model, with exact zeros.

``Ẇ = forces(W, λ)``, where a weight that reaches 0 stays at 0 while the other forces on it are below λ. Time is that of
the loss: one unit of t is 1/lr steps of plain gradient descent.

The steps are stabilized and of second order (``rkc``), because the flow is stiff. The drift that decides which weights
win is far slower than the norms and overlaps that follow it. ``dense`` makes the steps while most weights are nonzero,
and ``sparse`` makes them later. Each instance runs on one thread, so no result depends on the number of threads.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, parallel, perturb
from poly.checks import tensors
from poly.flow import dense, sparse
from poly.model import Trajectory

Array = NDArray[np.float64]
# The forces grow like the cube of the weights: with larger weights the first steps take too long, or overflow.
_LARGEST = 1e4
# For smaller networks, matrix products do not pay.
_LEAST_DENSE = 2**15
_FIRST_STEP = 1e-2
_LEAST_TOL = 1e-12
# A run to the end takes half a minute at this λ, and longer below it.
_LEAST_L1 = 1e-9
_LARGEST_L1 = 1e100
# Up to this time a run with a smaller λ takes minutes at most.
_LONGEST = 1e9


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

    The steps are adaptive and of second order, with a step length for each instance. A weight that would change sign
    within a step stops at 0. It passes through 0 only if benefit plus interference exceed λ, and it leaves 0 only then.
    A run without ``t_end`` stops once the end of every row is known in closed form. Rows that cannot overlap any more
    keep their largest weight.

    Args:
        W: starting weights, (*instances, n, m); left unchanged, integrated in float64.
        l1: λ ≥ 0, in the units of ``model.loss``.
        t_end: end of the run. None: until every row has at most one nonzero weight and has come to rest. The run also
            ends when nothing moves or, without λ, when no row changes any more. That takes a few times 1/λ, so λ must
            then be 0 or at least 1e-9, and also if ``t_end`` exceeds 1e9.
        at: times to record, ≥ 0, increasing, not beyond ``t_end``. Steps end at these times, which changes results
            within ``tol``. With ``observe`` alone, the times are 0, 1, √2, 2, … to the end of the run.
        observe: called with a copy of W at each of these times; None records W itself.
        tol: largest error ‖·‖₂ that one step may make in a row, relative to the row's length if that is below
            1; ≥ 1e-12. A weight that reaches 0 within the step is not counted.
        progress: whether to show a progress bar, after 2 seconds; None: on a terminal.

    Returns:
        Trajectory of the final W in float64, ``at``, and the stacked observations. A time beyond the end of a run
            without ``t_end`` records the final weights.

    Raises:
        ValueError: bad input, or an ``observe`` that does not return tensors of one shape.

    Source: section 3 of the paper; steps by Sommeijer, Shampine and Verwer 1998.
    """
    tensors.weights(W)
    largest = W.detach().abs().max().item()
    if largest > _LARGEST:
        raise ValueError(f"W: holds a weight of size {largest:g}, must be at most {_LARGEST:g}")
    l1, tol = checks.nonnegative("l1", l1), checks.positive("tol", tol)
    if tol < _LEAST_TOL:
        raise ValueError(f"tol={tol!r}: must be at least {_LEAST_TOL:g}, float64's rounding errors are near")
    if l1 > _LARGEST_L1:
        raise ValueError(f"l1={l1!r}: must be at most {_LARGEST_L1:g}, all weights die at once long before")
    end = np.inf if t_end is None else checks.nonnegative("t_end", t_end)
    if 0 < l1 < _LEAST_L1 and end > _LONGEST:
        raise ValueError(
            f"l1={l1!r}: a run to the end takes a few times 1/l1, and ever more steps; "
            f"must be 0 or at least {_LEAST_L1:g}, or give t_end ≤ {_LONGEST:g}"
        )
    times = checks.increasing("at", at, last=end)

    if observe is not None:
        checks.function("observe", observe)
    checks.progress(progress)

    n, m = W.shape[-2:]
    # Copied even if W is float64 already.
    order = perturb.order(m)
    started: Tensor = order.relabel(perturb.start(W.detach().to("cpu", torch.float64, copy=True)))
    now = started.reshape(-1, n, m).contiguous()
    t, h = np.zeros(len(now)), np.full(len(now), _FIRST_STEP)
    seen: list[float] = []
    values: list[Tensor] = []

    def copy() -> Tensor:
        return order.restore(now.reshape(W.shape)).to(W.device, copy=True)  # type: ignore[no-any-return]

    closed = t_end is not None
    with parallel.bar(1.0 if closed else len(now), "" if closed else "network", "flow", progress) as bar:

        def advance(stop: float, until: int) -> None:
            _advance(now.numpy(), l1, tol, t, h, stop, until, lambda: _show(bar, t, t_end))

        for stop in _geometric(end, t) if observe and not times else times:
            advance(stop, sparse.NEVER if closed else sparse.AT_REST)
            seen.append(stop)
            values.append(tensors.observation(copy() if observe is None else observe(copy()), values))
        advance(end, sparse.NEVER if closed else sparse.KNOWN)
    recorded = torch.tensor(seen, dtype=torch.float64, device="cpu")
    return Trajectory(
        order.restore(now.reshape(W.shape)).to(W.device),
        recorded,
        torch.stack(values) if values else torch.empty(0, device=W.device),
    )


def _geometric(end: float, t: Array) -> Iterator[float]:
    """Yield 0, 1, √2, 2, … up to ``end``, or until every instance has reached its own end."""
    yield 0.0
    stop = 1.0
    while stop <= end and not np.isinf(t).all():
        yield stop
        stop *= 2**0.5


def _show(bar: Any, t: Array, t_end: float | None) -> None:
    """Show the progress: in time if the end of the run is given, else in instances that have ended."""
    under_way = t[np.isfinite(t)]
    if t_end:
        bar.update(float(np.minimum(t, t_end).mean()) / t_end - bar.n)
    else:
        bar.update(len(t) - len(under_way) - bar.n)
    bar.set_postfix_str(f"t={under_way.min():.3g}" if len(under_way) else "", refresh=False)
    if not bar.disable and bar.format_dict["elapsed"] > parallel.SHORT:
        bar.refresh()


def _advance(
    W: Array, l1: float, tol: float, t: Array, h: Array, stop: float, until: int, tick: Callable[[], None]
) -> None:
    """Bring every instance to time ``stop`` in place, or to its end."""
    large = W[0].size >= _LEAST_DENSE
    size = 1 if large else max(1, min(256, len(W) // (4 * torch.get_num_threads())))

    def some(first: int, cancelled: parallel.Flag) -> None:
        part = slice(first, first + size)
        if large and t[first] < stop:
            with np.errstate(all="ignore"):  # steps that overflow fail and are repeated with a shorter length
                h[first] = dense.advance(W[first], l1, tol, t[part], h[first], stop, cancelled)
        sparse.advance(W[part], l1, tol, t[part], h[part], stop, until, cancelled)

    parallel.for_each(some, range(0, len(W), size), tick)
