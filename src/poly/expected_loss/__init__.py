"""The expected loss under hidden noise, its gradient and its gradient flow, computed without drawing any noise.

Output j on input i is ``Y = ReLU(a + z)`` with the overlap ``a = W_i·W_j`` and the noise ``z = σ ξ·W_j``. ξ has
independent entries of one family, and δ is 1 for i = j and else 0. The expected loss and its gradient are

    L = Σ_ij E[(Y − δ)²] + λ ‖W‖₁,    dL = Σ_ij E[e (da + dz)] + λ d‖W‖₁    with  e = 2 (Y − δ) 1[Y > 0].

``kernels`` computes them in float64, one network at a time. Gaussian noise has a closed form. Discrete noise is summed
exactly over its 2^m or 3^m patterns.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor

from poly import checks, perturb
from poly.checks import tensors
from poly.expected_loss import kernels
from poly.model import Trajectory
from poly.noise import Family

Array = NDArray[np.float64]
# The values of one neuron's noise and their probabilities; both are empty for gaussian noise.
_PATTERNS: dict[Family, tuple[Array, Array]] = {
    "bipolar": (np.array([-1.0, 1.0]), np.array([0.5, 0.5])),
    "dropout": (np.array([-math.sqrt(2), 0.0, math.sqrt(2)]), np.array([0.25, 0.5, 0.25])),
    "gaussian": (np.empty(0), np.empty(0)),
}
# Half of these neurons have 2^16 or 3^10 patterns.
_MOST_NEURONS: dict[Family, int] = {"bipolar": 32, "dropout": 20}
# The bound of the flow: the forces grow like the cube of the weights and the square of σ.
_LARGEST = 100.0
# The square of it must be finite.
_LARGEST_NOISE = 1e100
# The smallest tolerance that solve_ivp can resolve in float64.
_FINEST = 1e-13


def loss(
    W: Float[Tensor, "*instances n m"], family: Family, sigma: float, l1: float = 0.0
) -> Float[Tensor, "*instances"]:
    """Compute the exact mean of ``model.loss`` over the hidden noise.

    ``L(W) = Σ_ij E[(ReLU((W_i + σ ξ)·W_j) − δ_ij)²] + λ ‖W‖₁``

    Args:
        W: encodings, (*instances, n, m).
        family: family of ξ: "gaussian", or "bipolar" for m ≤ 32, or "dropout" for m ≤ 20.
        sigma: standard deviation σ ≥ 0 of the noise of every neuron.
        l1: λ ≥ 0, in the units of ``model.loss``.

    Returns:
        (*instances,).

    Raises:
        ValueError: bad input, another family, too many neurons for the family, or an overflow.

    Source: the noise of figure F5; the exact means are ours.
    """
    return tensors.no_overflow(_evaluate(W, family, sigma, l1)[0], W)


def forces(
    W: Float[Tensor, "*instances n m"], family: Family, sigma: float, l1: float = 0.0
) -> Float[Tensor, "*instances n m"]:
    """Compute −∂L/∂W of the expected loss; without noise it is the sum of ``model.forces``.

    ``−∂L/∂W_i = −Σ_j (E[e_ij] W_j + E[e_ji (W_j + σ ξ)]) − λ sign(W_i)``

    with ``e_ij = 2 (Y_ij − δ_ij) 1[Y_ij > 0]`` and sign(0) = 0. Off the diagonal the loss is a sum of squares of ReLUs,
    and the forces are continuous. On the diagonal they jump where one pattern of discrete noise just sets the output
    Y_ii to 0. That happens in rows that are small compared with σ. As in ``model``, the ReLU passes no gradient there.
    With gaussian noise they jump only at W_i = 0.

    Args, raises: as ``loss``.

    Returns:
        (*instances, n, m).
    """
    return tensors.no_overflow(_evaluate(W, family, sigma, l1)[1], W)


def flow(
    W: Float[Tensor, "*instances n m"],
    family: Family,
    sigma: float,
    *,
    t_end: float,
    at: Sequence[float] = (),
    observe: Callable[[Float[Tensor, "*instances n m"]], Shaped[Tensor, "..."]] | None = None,
    rtol: float = 1e-8,
) -> Trajectory:
    """Integrate the gradient flow ``Ẇ = forces(W, family, sigma)`` by LSODA.

    The flow has no λ: the ℓ1 penalty makes exact zeros, which a solver for smooth equations cannot keep. For λ > 0
    without noise, use ``flow.flow``. One unit of t is 1/lr steps of plain gradient descent.

    Args:
        W: starting weights, (*instances, n, m); left unchanged, integrated in float64.
        family, sigma: as in ``loss``.
        t_end: end of the run, 0 or 1e-100 … 1e100.
        at: times to record, ≥ 0, increasing, not beyond ``t_end``; they do not change the steps.
        observe: called with a copy of W at each of these times; None records W itself.
        rtol: largest error of a step, relative to a weight or to 1, whichever is larger; 1e-13 … 1e-2.

    Returns:
        Trajectory of the final W, ``at``, and the stacked observations, in W's dtype.

    Raises:
        ValueError: bad input, an ``observe`` that does not return tensors of one shape, or a solver that fails.

    Source: figure F5's runs, in the limit of a small learning rate.
    """
    values, chances, sigma = _family(W, family, sigma)
    end = checks.moderate("t_end", t_end)
    times = checks.increasing("at", at, last=end)
    rtol = checks.positive("rtol", rtol)
    if not _FINEST <= rtol <= 1e-2:
        raise ValueError(f"rtol={rtol!r}: must be between {_FINEST:g} and 0.01")
    if observe is not None:
        checks.function("observe", observe)
    for name, size in (("W", W.detach().abs().max().item()), ("sigma", sigma)):
        if size > _LARGEST:
            raise ValueError(f"{name}: has size {size:g}, must be at most {_LARGEST:g} to be integrated")
    n, m = W.shape[-2:]
    asked = sorted({0.0, *times, end})
    paths = np.empty((len(asked), W[..., 0, 0].numel(), n, m))
    order = perturb.order(m)
    for b, start in enumerate(_networks(order.relabel(perturb.start(W)))):
        force = np.empty_like(start)

        def slope(_: float, w: Array, force: Array = force) -> Array:
            kernels.evaluate(w.reshape(n, m), sigma, values, chances, force)
            return force.flatten()

        paths[0, b] = start
        if end > 0:
            # The problem is stiff: norms settle within a unit of time, and the weights then drift for thousands.
            # Up to t = 2000 at n = 8, m = 16, LSODA evaluates a tenth of the slopes of RK45 or DOP853. With
            # bipolar noise it evaluates a third of them.
            run = solve_ivp(slope, (0.0, end), start.ravel(), "LSODA", asked[1:], rtol=rtol, atol=rtol)
            if not run.success:
                raise ValueError(f"rtol={rtol!r}: the solver gave up ({run.message}), must be larger")
            paths[1:, b] = run.y.T.reshape(-1, n, m)
    whole = order.restore(torch.from_numpy(paths).reshape(-1, *W.shape)).to(W)
    path = dict(zip(asked, whole, strict=True))
    seen: list[Tensor] = []
    for t in times:
        seen.append(tensors.observation(path[t] if observe is None else observe(path[t].clone()), seen))
    recorded = torch.tensor(times, dtype=torch.float64, device="cpu")
    return Trajectory(path[end].clone(), recorded, torch.stack(seen) if seen else W.new_empty(0))


def _family(W: Tensor, family: Family, sigma: float) -> tuple[Array, Array, float]:
    """Check the noise, and return its values, its probabilities and σ."""
    tensors.weights(W)
    checks.one_of("family", family, tuple(_PATTERNS))
    sigma = checks.nonnegative("sigma", sigma)
    if sigma > _LARGEST_NOISE:
        raise ValueError(f"sigma={sigma!r}: must be at most {_LARGEST_NOISE:g}")
    m, most = W.shape[-1], _MOST_NEURONS.get(family)
    if most and m > most:
        raise ValueError(f"W: has m = {m} neurons, must have at most {most} for {family!r} noise")
    return *_PATTERNS[family], sigma


def _networks(W: Tensor) -> Array:
    n, m = W.shape[-2:]
    return W.detach().to("cpu", torch.float64).reshape(-1, n, m).contiguous().numpy()


def _evaluate(W: Tensor, family: Family, sigma: float, l1: float) -> tuple[Tensor, Tensor]:
    """Compute the loss and −∂L/∂W, without a check for overflow."""
    values, chances, sigma = _family(W, family, sigma)
    l1 = checks.nonnegative("l1", l1)
    networks = _networks(W)
    force = np.empty_like(networks)
    found = [kernels.evaluate(w, sigma, values, chances, f) for w, f in zip(networks, force, strict=True)]
    W = W.detach()
    losses = torch.tensor(found, dtype=torch.float64, device="cpu").reshape(W.shape[:-2]).to(W)
    pushes = torch.from_numpy(force).reshape(W.shape).to(W)
    return losses + l1 * W.abs().sum((-2, -1)), pushes - l1 * W.sign()
