"""The effect of the shape of hidden noise on the rows, to first order in its excess kurtosis κ.

For rows with overlap ``W_i·W_j = −a``, output j on input i is ``ReLU(z − a)`` with the noise ``z = σ ξ·W_j``. Its
standard deviation is ``s = σ ‖W_j‖``. Its excess kurtosis is ``κ f_j`` with the relative fourth norm
``f_j = ‖W_j‖₄⁴ / ‖W_j‖₂⁴``. Edgeworth's series for its density is φ(u) (1 + κ f_j He₄(u) / 24) with u = z / s. It gives

    E[ReLU(z − a)²] = gaussian part + κ f_j s a φ(a / s) / 12,

because ``∫_α^∞ (u − α)² φ⁗(u) du = −2 φ′(α)``. The gaussian part depends only on lengths and overlaps: it does not
change when all rows are rotated together. The term in κ does change.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks, metrics
from poly.checks import tensors


def cost(W: Float[Tensor, "*instances n m"], sigma: float) -> Float[Tensor, "*instances"]:
    """Compute the coefficient of κ, the excess kurtosis of the noise, in the expected loss.

    ``C(W) = Σ_j c_j f_j`` with ``c_j = Σ_{i≠j} s_j a_ij φ(a_ij / s_j) / 12``, ``a_ij = −W_i·W_j``, ``s_j = σ ‖W_j‖``.
    The diagonal contributes nothing if the noise is too weak to set a feature's own output to 0.

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
    return _no_overflow((weight * metrics.fourth_norms(W, relative=True)).sum(-1), W)


def predicted_rate(W: Float[Tensor, "*instances n m"], sigma: float) -> Float[Tensor, "*instances"]:
    """Compute how fast the mean relative fourth norm changes under the kurtosis force, for κ = 1, if rows only rotate.

    After the lengths and overlaps of the rows have settled, the weak force −∂C/∂W can only rotate all rows together.
    The rotation is ``Ẇ = W Ω``, with the antisymmetric Ω that comes nearest to the force. It solves
    ``S Ω + Ω S = Wᵀ F − Fᵀ W`` for S = Wᵀ W and ``F_j = −c_j ∂f_j/∂W_j``. Then
    ``d/dt (1/n) Σ_j f_j = (1/n) Σ_j ∂f_j/∂W_j · (W Ω)_j``. It is negative for rows that are obtuse and alike.

    Args, raises: as ``cost``.

    Returns:
        (*instances,), per unit of t, which is 1/lr steps of plain gradient descent; multiply by κ.

    Source: as ``cost``.
    """
    return fourth_norm_rate(W, -_weight(W, sigma).unsqueeze(-1) * _slope(W))


def fourth_norm_rate(
    W: Float[Tensor, "*instances n m"], force: Float[Tensor, "*instances n m"]
) -> Float[Tensor, "*instances"]:
    """Compute how fast the mean relative fourth norm changes under any given force, if rows only rotate together.

    Args:
        W: encodings, (*instances, n, m); no row is 0.
        force: such as ``expected_loss.forces``, (*instances, n, m).

    Returns:
        (*instances,).

    Raises:
        ValueError: bad input, a row that is 0, or another shape.
    """
    slope = _slope(W)
    tensors.finite_tensor("force", force, 2, "that of W")
    if force.shape != W.shape:
        raise ValueError(f"force: has shape {tuple(force.shape)}, must be {tuple(W.shape)}, that of W")
    size, frame = torch.linalg.eigh(_no_overflow(W.mT @ W, W))
    wanted = W.mT @ force
    wanted = frame.mT @ (wanted - wanted.mT) @ frame
    # Directions in which no row extends are not rotated into each other.
    size = size.clamp(min=size[..., -1:] * 1e-12)
    omega = frame @ (wanted / (size.unsqueeze(-1) + size.unsqueeze(-2))) @ frame.mT
    return _no_overflow((slope * (W @ omega)).sum((-2, -1)) / W.shape[-2], W)


def _slope(W: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances n m"]:
    """Compute ∂f_j/∂W_j."""
    tensors.weights(W)
    if not bool((W != 0).any(-1).all()):
        raise ValueError("W: has a row that is 0, every feature must have a weight")
    square = W.square().sum(-1, keepdim=True)
    slope: Tensor = 4 * (W**3 / square**2 - W.pow(4).sum(-1, keepdim=True) * W / square**3)
    return _no_overflow(slope, W)


def _weight(W: Float[Tensor, "*instances n m"], sigma: float) -> Float[Tensor, "*instances n"]:
    """Compute c_j, the weight of row j's relative fourth norm in the loss."""
    tensors.weights(W)
    sigma = checks.positive("sigma", sigma)
    if not bool((W != 0).any(-1).all()):
        raise ValueError("W: has a row that is 0, every feature must have a weight")
    s = sigma * W.square().sum(-1).sqrt().unsqueeze(-2)
    a = -(W @ W.mT)
    pairs = s * a * torch.exp(-0.5 * (a / s).square()) / (12 * math.sqrt(2 * math.pi))
    weight: Tensor = pairs.sum(-2) - pairs.diagonal(dim1=-2, dim2=-1)
    return _no_overflow(weight, W)


def _no_overflow(result: Tensor, W: Tensor) -> Tensor:
    """Return ``result``, or raise ValueError if sixth powers of the weights have overflowed or underflowed."""
    if not bool(torch.isfinite(result).all()):
        size = W.abs().amax(-1)
        raise ValueError(
            f"W: has rows with largest weights from {size.min().item():.3g} to {size.max().item():.3g}, "
            f"must be nearer to 1 (and sigma, too) for the result to fit {W.dtype}"
        )
    return result
