"""The paper's network: one matrix of encodings, its loss, and the three forces of training.

``y = ReLU(W Wᵀ x)`` without bias; n features, m hidden neurons, W of shape (*instances, n, m). Row ``W_i`` is the
encoding of feature i. The inputs are the n basis vectors, used as one full batch.

**Units in the whole package.** λ (``l1``) is the λ of the code's loss, here and in ``flow`` and ``training``. The
paper's theory, ``sparsify`` and the row formulas of ``theory`` drop the factor 4 of the force,
``ẇ = (1 − ‖w‖²) w − λ``. Therefore λ_theory = λ_code / 4, and for plain gradient descent t_theory = 4 · t_code = 4 · lr
· steps.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Real, Shaped
from torch import Tensor

from poly import checks
from poly.checks import tensors


class Forces(NamedTuple):
    """The three forces on every weight, each (*instances, n, m) with its own sign; their sum is −∂L/∂W."""

    benefit: Float[Tensor, "*instances n m"]
    interference: Float[Tensor, "*instances n m"]
    regularization: Float[Tensor, "*instances n m"]


class Trajectory(NamedTuple):
    """A run: final weights W (*instances, n, m), recording times ``at`` (k,), and the recorded ``values`` (k, …)."""

    W: Float[Tensor, "*instances n m"]
    at: Real[Tensor, " k"]
    values: Shaped[Tensor, "k ..."]


def init(
    n: int,
    m: int,
    *,
    instances: int = 1,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
) -> Float[Tensor, "instances n m"]:
    """Draw the initial weights of independent networks.

    ``W_ik ~ N(0, 1/m)``, always drawn in float64 and then cast. Normal draws in float32 differ between instruction
    sets; those in float64 do not.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        instances: networks, the leading axis of the result, ≥ 1.
        generator: source of randomness.
        dtype, device: dtype and device of the result.

    Raises:
        ValueError: a size below 1, no generator, or a dtype that is not floating-point or not on the device.

    Source: section 3 of the paper.
    """
    shape = (checks.count("instances", instances), checks.count("n", n), checks.count("m", m))
    tensors.generator(generator)
    tensors.floating(dtype)
    device = tensors.device(device, dtype)
    W: Tensor = torch.randn(shape, generator=generator, dtype=torch.float64, device=generator.device) / m**0.5
    return W.to(dtype=dtype, device=device)


def reconstruct(
    W: Float[Tensor, "*#instances n m"],
    x: Float[Tensor, " n"] | Float[Tensor, "*#instances inputs n"],
    xi: Float[Tensor, "..."] | float = 0.0,
) -> Float[Tensor, "*shape n"]:
    """Compute the network's output, ``y = ReLU((x W + ξ) Wᵀ)``.

    Args:
        W: encodings, (*instances, n, m).
        x: inputs, (n,) or (*instances, inputs, n).
        xi: hidden noise, 0 or broadcastable to (*instances, inputs, m). A vector (m,) is shared by all inputs and
            instances; (*instances, 1, m) is shared by the inputs of each instance.

    Returns:
        (*instances, n) for one input vector, else (*instances, inputs, n).

    Raises:
        ValueError: non-finite entries, an overflow, or shapes or dtypes that do not fit each other.
    """
    tensors.weights(W)
    tensors.finite_tensor("x", x, 1, "(n,) or (*instances, inputs, n)")
    if x.shape[-1] != W.shape[-2]:
        raise ValueError(f"x: has shape {tuple(x.shape)}, its last axis must have W's n = {W.shape[-2]} entries")
    if x.ndim == 1:
        return reconstruct(W, x[None], xi).squeeze(-2)
    if x.dtype != W.dtype:
        raise ValueError(f"x: has dtype {x.dtype}, must be W's {W.dtype}")
    try:
        hidden = x @ W
    except RuntimeError:
        raise ValueError(
            f"x: has shape {tuple(x.shape)}, its leading axes must broadcast with W's {tuple(W.shape[:-2])}"
        ) from None
    if isinstance(xi, Tensor):
        tensors.finite_tensor("xi", xi, 0, "broadcastable to (*instances, inputs, m)")
        if xi.dtype != W.dtype:
            raise ValueError(f"xi: has dtype {xi.dtype}, must be W's {W.dtype}")
        try:
            xi = xi.expand_as(hidden)
        except RuntimeError:
            raise ValueError(
                f"xi: has shape {tuple(xi.shape)}, must broadcast to (*instances, inputs, m) = {tuple(hidden.shape)}"
            ) from None
    else:
        checks.finite("xi", xi)
    return tensors.no_overflow(torch.relu((hidden + xi) @ W.mT), W)


def loss(
    W: Float[Tensor, "*instances n m"], l1: float = 0.0, xi: Float[Tensor, "..."] | float = 0.0
) -> Float[Tensor, "*instances"]:
    """Compute the training loss, summed over inputs and outputs.

    ``L(W) = Σ_i ‖ReLU(W (W_i + ξ)) − e_i‖² + λ ‖W‖₁``

    Args:
        W: encodings, (*instances, n, m).
        l1: λ ≥ 0, in the units of this loss.
        xi: hidden noise as in ``reconstruct``.

    Returns:
        (*instances,).

    Raises:
        ValueError: negative λ, non-finite entries, an overflow, or shapes or dtypes that do not fit each other.

    Source: section 2 of the paper.
    """
    tensors.weights(W)
    l1 = checks.nonnegative("l1", l1)
    basis = torch.eye(W.shape[-2], dtype=W.dtype, device=W.device)
    error = reconstruct(W, basis, xi) - basis
    return tensors.no_overflow(error.square().sum((-2, -1)) + l1 * W.abs().sum((-2, -1)), W)


def forces(W: Float[Tensor, "*instances n m"], l1: float = 0.0) -> Forces:
    """Compute the three forces of noiseless training; their sum is −∂L/∂W (claim C3).

    ``−∂L/∂W_i = 4 (1 − ‖W_i‖²) W_i − 4 Σ_{j≠i} ReLU(W_i·W_j) W_j − λ sign(W_i)``

    The terms are feature benefit, interference and regularization, in this order; sign(0) = 0.

    Args:
        W: encodings, (*instances, n, m).
        l1: λ ≥ 0, in the units of ``loss``.

    Returns:
        Forces of three tensors (*instances, n, m).

    Raises:
        ValueError: negative λ, non-finite W, or an overflow.

    Source: section 3 of the paper, with the factor 4 that its theory drops.

    Example:
        >>> W = torch.tensor([[0.5, 0.0], [0.0, -0.5]])
        >>> model.forces(W, 0.1).benefit
        tensor([[ 1.5000,  0.0000],
                [ 0.0000, -1.5000]])
    """
    tensors.weights(W)
    l1 = checks.nonnegative("l1", l1)
    overlap = torch.relu(W @ W.mT)
    norm2 = overlap.diagonal(dim1=-2, dim2=-1)
    crosstalk = overlap - torch.diag_embed(norm2)
    return Forces(
        benefit=tensors.no_overflow(4 * (1 - norm2).unsqueeze(-1) * W, W),
        interference=tensors.no_overflow(-4 * (crosstalk @ W), W),
        regularization=-l1 * W.sign(),
    )
