"""What the shape of hidden noise does to the rows, to first order in its excess kurtosis κ.

For rows with overlap ``W_i·W_j = −a`` output j on input i is ``ReLU(z − a)`` with the noise ``z = σ ξ·W_j``. Its
standard deviation is ``s = σ ‖W_j‖``, its excess kurtosis ``κ f_j`` with the relative fourth norm
``f_j = ‖W_j‖₄⁴ / ‖W_j‖₂⁴``. Edgeworth's series for its density, φ(u) (1 + κ f_j He₄(u) / 24) with u = z / s, gives

    E[ReLU(z − a)²] = gaussian part + κ f_j s a φ(a / s) / 12,

since ``∫_α^∞ (u − α)² φ⁗(u) du = −2 φ′(α)``. The gaussian part knows lengths and overlaps only: it does not change
when all rows are turned together. The rest does. A leaf module.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks, metrics
from poly.checks import tensors


def cost(W: Float[Tensor, "*instances n m"], sigma: float) -> Float[Tensor, "*instances"]:
    """The part of the expected loss that is linear in the excess kurtosis κ of the noise, for κ = 1.

    ``C(W) = Σ_j c_j f_j`` with ``c_j = Σ_{i≠j} s_j a_ij φ(a_ij / s_j) / 12``, ``a_ij = −W_i·W_j``, ``s_j = σ ‖W_j‖``.
    The diagonal has no such part where the noise is too weak to turn off a feature's own output.

    Args:
        W: encodings, (*instances, n, m); no row is 0.
        sigma: standard deviation σ > 0 of the noise of every neuron.

    Returns:
        (*instances,).

    Raises:
        ValueError: bad input, or a row that is 0.

    Source: derived in the chapter on noise; the paper says only that the excess kurtosis must be negative.
    """
    weight = _weight(W, sigma)
    return _fitting((weight * metrics.fourth_norms(W, relative=True)).sum(-1), W)


def turning(W: Float[Tensor, "*instances n m"], sigma: float) -> Float[Tensor, "*instances"]:
    """How fast the mean relative fourth norm changes, for κ = 1, in rows that the rest of the loss lets turn only.

    In rows whose lengths and overlaps have settled, the weak force −∂C/∂W can do no more than turn all rows together:
    ``Ẇ = W Ω``, with the antisymmetric Ω that comes nearest to it. That is ``S Ω + Ω S = Wᵀ F − Fᵀ W`` for S = Wᵀ W
    and ``F_j = −c_j ∂f_j/∂W_j``. Then ``d/dt (1/n) Σ_j f_j = (1/n) Σ_j ∂f_j/∂W_j · (W Ω)_j``, negative where
    rows are obtuse and alike.

    Args, raises: as ``cost``.

    Returns:
        (*instances,), per unit of t, which is 1/lr steps of plain gradient descent; multiply by κ.

    Source: as ``cost``.
    """
    return turn(W, -_weight(W, sigma).unsqueeze(-1) * _slope(W))


def turn(W: Float[Tensor, "*instances n m"], force: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances"]:
    """The speed of the mean relative fourth norm in the turn ``W Ω`` that comes nearest to a force.

    Args:
        W: encodings, (*instances, n, m); no row is 0.
        force: such as ``expected.forces``, (*instances, n, m).

    Returns:
        (*instances,).

    Raises:
        ValueError: bad input, a row that is 0, or another shape.
    """
    slope = _slope(W)
    tensors.finite_tensor("force", force, 2, "that of W")
    if force.shape != W.shape:
        raise ValueError(f"force: has shape {tuple(force.shape)}, must be {tuple(W.shape)}, that of W")
    size, frame = torch.linalg.eigh(_fitting(W.mT @ W, W))
    wanted = W.mT @ force
    wanted = frame.mT @ (wanted - wanted.mT) @ frame
    # Directions that no row has are not turned into each other.
    size = size.clamp(min=size[..., -1:] * 1e-12)
    omega = frame @ (wanted / (size.unsqueeze(-1) + size.unsqueeze(-2))) @ frame.mT
    return _fitting((slope * (W @ omega)).sum((-2, -1)) / W.shape[-2], W)


def _slope(W: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances n m"]:
    """∂f_j/∂W_j."""
    tensors.weights(W)
    if not bool((W != 0).any(-1).all()):
        raise ValueError("W: has a row that is 0, every feature must have a weight")
    square = W.square().sum(-1, keepdim=True)
    slope: Tensor = 4 * (W**3 / square**2 - W.pow(4).sum(-1, keepdim=True) * W / square**3)
    return _fitting(slope, W)


def _weight(W: Float[Tensor, "*instances n m"], sigma: float) -> Float[Tensor, "*instances n"]:
    """c_j: what row j's relative fourth norm counts in the loss."""
    tensors.weights(W)
    sigma = checks.positive("sigma", sigma)
    if not bool((W != 0).any(-1).all()):
        raise ValueError("W: has a row that is 0, every feature must have a weight")
    s = sigma * W.square().sum(-1).sqrt().unsqueeze(-2)
    a = -(W @ W.mT)
    pairs = s * a * torch.exp(-0.5 * (a / s).square()) / (12 * math.sqrt(2 * math.pi))
    weight: Tensor = pairs.sum(-2) - pairs.diagonal(dim1=-2, dim2=-1)
    return _fitting(weight, W)


def _fitting(result: Tensor, W: Tensor) -> Tensor:
    """``result``, unless sixth powers of the weights have left the numbers."""
    if not bool(torch.isfinite(result).all()):
        size = W.abs().amax(-1)
        raise ValueError(
            f"W: has rows with largest weights from {size.min().item():.3g} to {size.max().item():.3g}, "
            f"must be nearer to 1 (and sigma, too) for the result to fit {W.dtype}"
        )
    return result
