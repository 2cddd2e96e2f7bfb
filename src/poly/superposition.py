"""Superposition as in Elhage et al. 2022: a network with more features than neurons.

``x′ = ReLU(x W Wᵀ + b)``; n features, m < n hidden neurons, W of shape (*instances, n, m) as everywhere in this
package. Row ``W_i`` is feature i's direction in the hidden space, a column of the W of Elhage et al. Unlike in
``model``, the inputs hold several features at once, features differ in importance, and the output has a bias.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks, perturb
from poly.checks import tensors

# Steps between two looks for weights that are not finite.
_LOOK = 100


class Network(NamedTuple):
    """Encodings W (*instances, n, m) and output bias b (*instances, n)."""

    W: Float[Tensor, "*instances n m"]
    b: Float[Tensor, "*instances n"]


@dataclass(frozen=True, kw_only=True)
class SuperpositionConfig:
    """Settings of ``train``: Adam with a learning rate that falls linearly to 0, and new inputs at every step.

    Args:
        lr: initial learning rate > 0.
        steps: number of steps ≥ 0.
        batch: inputs that every instance draws at every step, ≥ 1.

    Raises:
        ValueError: a number out of its range.
    """

    lr: float = 1e-2
    steps: int
    batch: int = 256

    def __post_init__(self) -> None:
        checks.positive("lr", self.lr)
        checks.count("steps", self.steps, at_least=0)
        checks.count("batch", self.batch)


def init(n: int, m: int, *, instances: tuple[int, ...] = (), generator: torch.Generator) -> Network:
    """Draw untrained networks in float64: ``W_ik ~ N(0, 2/(n + m))`` (Xavier) and ``b = 0``.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1; superposition needs m < n.
        instances: leading axes, such as (sparsities, restarts).
        generator: source of randomness.

    Raises:
        ValueError: a size below 1, or no generator.

    Source: Elhage et al. 2022, their released notebook.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    if not isinstance(instances, tuple | list):
        raise ValueError(f"instances={instances!r}: must be a tuple of whole numbers ≥ 1, such as (7, 5)")
    shape = tuple(checks.count("instances", size) for size in instances)
    tensors.generator(generator)
    W = torch.randn(*shape, n, m, generator=generator, dtype=torch.float64, device=generator.device)
    W = W * (2 / (n + m)) ** 0.5
    return Network(W, torch.zeros(*shape, n, dtype=torch.float64, device=generator.device))


def sample(
    n: int, sparsity: Float[Tensor, "*instances"] | float, *, batch: int, generator: torch.Generator
) -> Float[Tensor, "*instances batch n"]:
    """Draw sparse inputs: every feature is independently 0 with probability S, else uniform on [0, 1].

    ``x_i = ReLU(u_i − S) / (1 − S)``, u_i uniform on [0, 1]. One draw decides whether the feature is 0 and its size.

    Args:
        n: features, ≥ 1.
        sparsity: S with 0 ≤ S < 1, a number or a tensor (*instances,).
        batch: inputs per instance, ≥ 1.
        generator: source of randomness; no two instances share a draw.

    Returns:
        (*instances, batch, n), float64.

    Raises:
        ValueError: a number out of its range.

    Source: Elhage et al. 2022, "Demonstrating Superposition".
    """
    n, batch, S = checks.count("n", n), checks.count("batch", batch), _sparsity(sparsity)[..., None, None]
    S = S.to(tensors.generator(generator).device)
    u = torch.rand(*S.shape[:-2], batch, n, generator=generator, dtype=torch.float64, device=generator.device)
    return u.sub_(S).relu_().div_(1 - S)


def reconstruct(network: Network, x: Float[Tensor, "*instances batch n"]) -> Float[Tensor, "*instances batch n"]:
    """Compute the network's output, ``x′ = ReLU(x W Wᵀ + b)``.

    Args:
        network: W (*instances, n, m), b (*instances, n).
        x: inputs, (*instances, batch, n).

    Returns:
        (*instances, batch, n).

    Raises:
        ValueError: non-finite entries, an overflow, or shapes or dtypes that do not fit each other.
    """
    W, b = _network(network)
    _inputs(W, x)
    return tensors.no_overflow(torch.relu(x @ W @ W.mT + b.unsqueeze(-2)), W)


def loss(
    network: Network, x: Float[Tensor, "*instances batch n"], importance: Float[Tensor, " features"]
) -> Float[Tensor, "*instances"]:
    """Compute the importance-weighted error, a mean over inputs and a sum over features.

    ``L = mean_x Σ_i I_i (x_i − x′_i)²``

    Args:
        network: W (*instances, n, m), b (*instances, n).
        x: inputs, (*instances, batch, n).
        importance: I ≥ 0, (n,).

    Returns:
        (*instances,).

    Raises:
        ValueError: negative importance, non-finite entries, an overflow, or shapes or dtypes that do not fit each
            other.

    Source: Elhage et al. 2022, "Demonstrating Superposition".
    """
    output = reconstruct(network, x)
    return tensors.no_overflow((_importance(network.W, importance) * (x - output).square()).sum(-1).mean(-1), network.W)


def loss_without_sharing(
    importance: Float[Tensor, " features"], m: int, sparsity: Float[Tensor, "*shape"] | float
) -> Float[Tensor, "*shape"]:
    """Compute the least loss of a network that gives m features a dimension each and drops the others.

    ``Σ_{i dropped} I_i Var(x_i)``, with ``Var(x_i) = p/3 − p²/4`` and ``p = 1 − S``. The m most important features are
    reconstructed exactly. The bias outputs the mean of every other feature.

    Args:
        importance: I ≥ 0, (n,).
        m: hidden neurons, ≥ 1.
        sparsity: S with 0 ≤ S < 1, a number or a tensor of any shape.

    Returns:
        Float64, of the shape of ``sparsity``.

    Raises:
        ValueError: a number out of its range.
    """
    tensors.finite_tensor("importance", importance, 1, "(n,)")
    if importance.ndim != 1 or bool((importance < 0).any()):
        raise ValueError(f"importance={importance!r}: must be numbers ≥ 0, one for each feature")
    dropped = importance.double().sort(descending=True).values[checks.count("m", m) :].sum()
    p = 1 - _sparsity(sparsity)
    return dropped * (p / 3 - p.square() / 4)


def best(network: Network, losses: Float[Tensor, "*instances restarts"]) -> Network:
    """Select the restart of lowest loss, for each index of all instance axes but the last.

    Args:
        network: W (*instances, restarts, n, m), b (*instances, restarts, n).
        losses: (*instances, restarts), as from ``loss``.

    Returns:
        Network with W (*instances, n, m), b (*instances, n).

    Raises:
        ValueError: non-finite entries, or shapes or dtypes that do not fit each other.
    """
    W, b = _network(network)
    tensors.finite_tensor("losses", losses, 1, "(*instances, restarts)")
    if losses.shape != W.shape[:-2]:
        raise ValueError(f"losses: has shape {tuple(losses.shape)}, must be {tuple(W.shape[:-2])} to fit W")
    chosen = losses.argmin(-1)[..., None, None, None]
    return Network(
        torch.take_along_dim(W, chosen, dim=-3).squeeze(-3),
        torch.take_along_dim(b, chosen.squeeze(-1), dim=-2).squeeze(-2),
    )


def train(
    network: Network,
    sparsity: Float[Tensor, "..."] | float,
    importance: Float[Tensor, " features"],
    config: SuperpositionConfig,
    *,
    generator: torch.Generator,
) -> Network:
    """Train every instance on new sparse inputs at every step.

    The gradient is computed by its formula. With ``H = x W`` and ``E_i = 2 I_i (x′_i − x_i) 1[x′_i > 0] / batch``, it
    is ``∂L/∂W = xᵀ E W + Eᵀ H`` and ``∂L/∂b = Σ_x E``.

    Args:
        network: the start, W (*instances, n, m), b (*instances, n); left untouched.
        sparsity: S with 0 ≤ S < 1, a number or a tensor that broadcasts to (*instances,).
        importance: I ≥ 0, (n,).
        config: the settings.
        generator: source of the inputs.

    Returns:
        The trained Network.

    Raises:
        ValueError: bad input, or weights that stop being finite (lr too large).

    Source: Elhage et al. 2022; their notebook runs AdamW at a constant rate.
    """
    W, b = (perturb.start(part.detach().clone()) for part in _network(network))
    order = perturb.order(W.shape[-1])
    W = order.relabel(W)
    importance = _importance(W, importance)
    try:
        S = _sparsity(sparsity).expand(W.shape[:-2])
    except RuntimeError:
        raise ValueError(f"sparsity: must broadcast to W's instances {tuple(W.shape[:-2])}") from None
    tensors.generator(generator)
    if not isinstance(config, SuperpositionConfig):
        raise ValueError(f"config={config!r}: must be a SuperpositionConfig")
    optimizer = torch.optim.Adam([W, b], lr=config.lr)
    for step in range(config.steps):
        optimizer.param_groups[0]["lr"] = config.lr * (1 - step / config.steps)
        x = sample(W.shape[-2], S, batch=config.batch, generator=generator).to(W)
        W.grad, b.grad = gradient(Network(W, b), x, importance)
        optimizer.step()
        if (step + 1) % _LOOK == 0 or step + 1 == config.steps:
            lost = (~(torch.isfinite(W).all(-1) & torch.isfinite(b)).all(-1)).nonzero()
            if len(lost):
                raise checks.diverged(config.lr, lost[0].tolist(), step=step + 1)
    return Network(order.restore(W), b)


def gradient(
    network: Network, x: Float[Tensor, "*instances batch n"], importance: Float[Tensor, " features"]
) -> Network:
    """Compute ``∂loss/∂W`` and ``∂loss/∂b`` by the formula in ``train``, in the shapes of W and b.

    The inputs are not checked.
    """
    W, b = network
    hidden = x @ W
    output = torch.relu(hidden @ W.mT + b.unsqueeze(-2))
    error = (output - x).mul_(importance * (2 / x.shape[-2])).mul_(output > 0)
    return Network(x.mT @ (error @ W) + error.mT @ hidden, error.sum(-2))


def _network(network: Network) -> Network:
    if not isinstance(network, Network):
        raise ValueError(f"network: must be a superposition.Network, not {type(network).__name__}")
    W = tensors.weights(network.W)
    b = tensors.finite_tensor("b", network.b, 1, "(*instances, n)")
    if b.dtype != W.dtype:
        raise ValueError(f"b: has dtype {b.dtype}, must be W's {W.dtype}")
    if b.shape != W.shape[:-1]:
        raise ValueError(f"b: has shape {tuple(b.shape)}, must be {tuple(W.shape[:-1])} to fit W")
    return Network(W, b)


def _inputs(W: Tensor, x: Tensor) -> None:
    tensors.finite_tensor("x", x, 2, "(*instances, batch, n)")
    if x.shape[:-2] != W.shape[:-2] or x.shape[-1] != W.shape[-2]:
        fitting = (*W.shape[:-2], "batch", W.shape[-2])
        raise ValueError(f"x: has shape {tuple(x.shape)}, must be {fitting} to fit W")
    if x.dtype != W.dtype:
        raise ValueError(f"x: has dtype {x.dtype}, must be W's {W.dtype}")


def _importance(W: Tensor, importance: Tensor) -> Tensor:
    tensors.finite_tensor("importance", importance, 1, "(n,)")
    if importance.shape != W.shape[-2:-1] or bool((importance < 0).any()):
        raise ValueError(f"importance={importance!r}: must be {W.shape[-2]} numbers ≥ 0, one for each feature")
    return importance.to(W)


def _sparsity(sparsity: Float[Tensor, "*shape"] | float) -> Float[Tensor, "*shape"]:
    try:
        S = sparsity if isinstance(sparsity, Tensor) else torch.as_tensor(sparsity, device="cpu")
        if S.dtype == torch.get_default_dtype() and not isinstance(sparsity, Tensor | np.ndarray | np.generic):
            S = torch.as_tensor(sparsity, dtype=torch.float32, device="cpu")  # independent of torch's default dtype
        S = S.to(torch.float64) if not S.is_complex() else S.new_full((), torch.nan).real
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"sparsity={sparsity!r}: must be a number or a tensor of numbers") from None
    if S.numel() == 0 or not bool(((S >= 0) & (S < 1)).all()):
        raise ValueError(f"sparsity={sparsity!r}: must be a number ≥ 0 and < 1, or a tensor of such numbers")
    return S
