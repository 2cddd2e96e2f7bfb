"""Gradient flow of the whole model, with exact zeros.

``Ẇ = forces(W, λ)``, where a weight that reaches 0 stays at 0 while the other forces on it are below λ.
Time is that of the loss: one unit of t is 1/lr steps of plain gradient descent.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from poly import checks
from poly.model import Trajectory

# Below this speed nothing moves: float64 leaves forces of order 1 with errors of order 1e-15.
_AT_REST = 1e-12
# The forces grow like the cube of the weights: from farther out the first steps take for ever, or overflow.
_LARGEST = 1e4


def flow(
    W: Float[Tensor, "*instances n m"],
    l1: float,
    *,
    t_end: float | None = None,
    at: Sequence[float] = (),
    observe: Callable[[Float[Tensor, "*instances n m"]], Shaped[Tensor, "..."]] | None = None,
    tol: float = 1e-4,
) -> Trajectory:
    """Integrate the gradient flow of ``model.loss`` from W.

    Adaptive second-order steps (Heun, with Euler for the error), each instance at its own pace. A
    weight that would change sign within a step stops at 0; it leaves 0 only when benefit plus
    interference exceed λ.

    Args:
        W: starting weights, (*instances, n, m); left untouched, integrated in float64.
        l1: λ ≥ 0, in the units of ``model.loss``.
        t_end: end of the run; None: until every row has at most one nonzero weight and has come to
            rest, or nothing moves.
        at: times to record, ≥ 0, increasing, not beyond ``t_end``.
        observe: called with a copy of W at each of them; None records W itself.
        tol: largest error of a weight that one step may make, > 0.

    Returns:
        Trajectory of the final W, ``at``, and the stacked observations. A time beyond the end of an
        open run sees the final weights.

    Raises:
        ValueError: bad input, or an ``observe`` that does not return tensors of one shape.
    """
    checks.weights(W)
    largest = W.detach().abs().max().item()
    if largest > _LARGEST:
        raise ValueError(f"W: holds a weight of size {largest:g}, must be at most {_LARGEST:g}")
    l1, tol = checks.nonnegative("l1", l1), checks.positive("tol", tol)
    end = float("inf") if t_end is None else checks.nonnegative("t_end", t_end)
    times = checks.increasing("at", at, last=end)

    n, m = W.shape[-2:]
    now = W.detach().to(torch.float64).reshape(-1, n, m).clone()
    t = torch.zeros(len(now), dtype=torch.float64, device=W.device)
    h = torch.full_like(t, 1e-2)
    values: list[Tensor] = []
    for stop in [*times, end]:
        _advance(now, t, h, stop, l1, tol, until_settled=t_end is None)
        if len(values) < len(times):
            seen = now.reshape(W.shape).clone()
            values.append(checks.observation(seen if observe is None else observe(seen), values))
    recorded = torch.tensor(times, dtype=torch.float64)
    return Trajectory(now.reshape(W.shape), recorded, torch.stack(values) if values else torch.empty(0))


def _advance(
    now: Float[Tensor, "instances n m"],
    t: Float[Tensor, " instances"],
    h: Float[Tensor, " instances"],
    stop: float,
    l1: float,
    tol: float,
    *,
    until_settled: bool,
) -> None:
    """Bring every instance to time ``stop`` in place, or to its end."""
    running = torch.arange(len(now), device=now.device)
    while True:
        W = now[running]
        pull, crowding = _pull(W)
        # The sign of a nonzero weight; of a zero weight the way it is about to leave, if it does.
        heading = torch.where(W != 0, W.sign(), torch.where(pull.abs() > l1, pull.sign(), 0.0))
        velocity = (pull - l1 * heading) * heading.abs()
        going = t[running] < stop
        if until_settled:
            speed = velocity.abs().amax((-2, -1))
            decided = ((W != 0).sum(-1) <= 1).all(-1)
            going &= ~(speed <= torch.where(decided, 1e-6, _AT_REST))
        if not bool(going.all()):
            running = running[going]
            if len(running) == 0:
                return
            continue

        # Error control alone lets the stiff norm mode rattle at the size of tol, and the run never rests:
        # the stiffest rate is about 8 ‖ReLU(W Wᵀ)‖, and Heun damps it smoothly up to half its stable step.
        largest = torch.minimum(h[running], 1 / (8 * crowding.clamp(min=1.0)))
        step = torch.minimum(largest, stop - t[running])[:, None, None]
        guess = _keep_sign(W + step * velocity, heading)
        later = (_pull(guess)[0] - l1 * heading) * heading.abs()
        proposal = W + step / 2 * (velocity + later)
        landed = _keep_sign(proposal, heading)
        # A weight that lands on 0 is right there, whatever the two slopes say of the way.
        error = torch.where(landed == 0, 0.0, step / 2 * (later - velocity)).abs().amax((-2, -1)) / tol

        accepted = error <= 1
        arrived = running[accepted]
        now[arrived] = landed[accepted]
        t[arrived] += step[accepted, 0, 0]
        grown = step[:, 0, 0] * (0.9 * error.clamp(min=1e-8).rsqrt()).clamp(0.2, 2.0)
        # A step cut short by ``stop`` says nothing against the longer one that was meant.
        h[running] = torch.where(accepted, torch.maximum(grown, h[running]), grown)


def _pull(W: Float[Tensor, "running n m"]) -> tuple[Float[Tensor, "running n m"], Float[Tensor, " running"]]:
    """Feature benefit plus interference, ``4 (I − ReLU(W Wᵀ)) W``, and a bound on the norm of ReLU(W Wᵀ)."""
    overlap = torch.relu(W @ W.mT)
    return 4 * (W - overlap @ W), overlap.sum(-1).amax(-1)


def _keep_sign(W: Float[Tensor, "running n m"], heading: Float[Tensor, "running n m"]) -> Float[Tensor, "running n m"]:
    return torch.where(W * heading > 0, W, 0.0)
