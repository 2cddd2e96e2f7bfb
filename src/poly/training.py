"""The optimizers that people run on the model: SGD, SGD with hidden noise, AdamW."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, noise, optimizers, parallel
from poly.model import Trajectory
from poly.noise import EXCESS_KURTOSIS, Family

Array = NDArray[Any]  # float32 or float64
# torch.optim.AdamW's defaults, which the released code leaves alone.
_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of a training run; the released figures use AdamW with lr 1e-3 and weight decay 0.01.

    Args:
        optimizer: "adamw" or "sgd".
        lr: learning rate > 0.
        steps: full-batch steps ≥ 0.
        l1: λ ≥ 0, in the units of ``model.loss``.
        weight_decay: ≥ 0; decoupled for AdamW, added to the gradient for SGD, as in torch.
        noise: family of the hidden noise (see ``noise``), or None.
        sigma: standard deviation of the hidden noise ≥ 0.
        noise_shared: who shares a draw at a step: the n inputs of an instance ("inputs"), all inputs
            of all instances as in the released code ("inputs+instances"), or nobody ("none").

    Raises:
        ValueError: a number out of its range or an unknown name.
    """

    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float
    steps: int
    l1: float = 0.0
    weight_decay: float = 0.0
    noise: Family | None = None
    sigma: float = 0.0
    noise_shared: Literal["inputs", "inputs+instances", "none"] = "inputs"

    def __post_init__(self) -> None:
        checks.one_of("optimizer", self.optimizer, ("adamw", "sgd"))
        checks.positive("lr", self.lr)
        checks.count("steps", self.steps, at_least=0)
        checks.nonnegative("l1", self.l1)
        checks.nonnegative("weight_decay", self.weight_decay)
        checks.one_of("noise", self.noise, (None, *EXCESS_KURTOSIS))
        checks.nonnegative("sigma", self.sigma)
        checks.one_of("noise_shared", self.noise_shared, ("inputs", "inputs+instances", "none"))
        if self.sigma > 0 and self.noise is None:
            raise ValueError(f"sigma={self.sigma!r}: must be 0 where noise=None; name a noise family")


def train(
    W: Float[Tensor, "*instances n m"],
    config: TrainConfig,
    *,
    generator: torch.Generator,
    at: Sequence[int] = (),
    observe: Callable[[Float[Tensor, "*instances n m"]], Shaped[Tensor, "..."]] | None = None,
) -> Trajectory:
    """Train the model from W by the optimizer of ``config``.

    SGD: ``W ← W − lr · ∂L/∂W``. AdamW: the update of ``torch.optim.AdamW`` with its default betas and
    eps. The gradient is written out, ``∂L/∂W = E W + Eᵀ (W + ξ) + λ sign(W)`` with
    ``E = 2 (Y − I) ∘ 1[Y > 0]`` and ``Y = ReLU((W + ξ) Wᵀ)``.

    Args:
        W: starting weights, (*instances, n, m); left untouched. float32 or float64.
        config: the settings.
        generator: source of the hidden noise; not drawn from without noise.
        at: steps to record, increasing, 0 … config.steps.
        observe: called with a copy of W at each of them; None records W itself.

    Returns:
        Trajectory of the final W, ``at``, and the stacked observations.

    Raises:
        ValueError: bad input, weights that stop being finite (lr too large), or an ``observe`` that does
            not return tensors of one shape.

    Source: figures 2 to 5 of the paper.
    """
    W = checks.weights(W).detach().clone(memory_format=torch.contiguous_format)
    if not isinstance(config, TrainConfig):
        raise ValueError(f"config={config!r}: must be a TrainConfig")
    record = [checks.count("at", step, at_least=0) for step in checks.sequence("at", at)]
    checks.increasing("at", record, last=config.steps)
    if observe is not None:
        checks.function("observe", observe)
    checks.generator(generator)
    values: list[Tensor] = []
    mean, square = (torch.zeros_like(W) if config.optimizer == "adamw" else W.new_empty(0) for _ in range(2))
    # Products of half-precision numbers are torch's alone; so is everything on another device.
    compiled = (
        (config.noise is None or config.sigma == 0)
        and W.device.type == "cpu"
        and W.dtype in (torch.float32, torch.float64)
    )
    step = 0
    for stop in [*record, config.steps]:
        if compiled:
            _advance(W, mean, square, config, step, stop)
        else:
            for k in range(step, stop):
                _update(W, mean, square, _gradient(W, config, generator), config, k)
        step = stop
        _still_finite(W, config)
        if len(values) < len(record):
            values.append(checks.observation(W if observe is None else observe(W.clone()), values))
    return Trajectory(W, torch.tensor(record, dtype=torch.int64), torch.stack(values) if values else torch.empty(0))


def _advance(W: Tensor, mean: Tensor, square: Tensor, config: TrainConfig, first: int, last: int) -> None:
    """Noiseless steps ``first`` … ``last`` − 1, in place: an instance a thread, which its weights' cache belongs to."""
    n, m = W.shape[-2:]
    parts = [
        part.reshape(-1, n, m).numpy() if part.numel() else [None] * W[..., 0, 0].numel() for part in (W, mean, square)
    ]

    def run(state: tuple[Array, Array | None, Array | None]) -> None:
        weights, first_moment, second_moment = state
        overlap, product = np.empty((n, n), weights.dtype), np.empty_like(weights)
        for step in range(first, last):
            with np.errstate(all="ignore"):
                np.matmul(weights, weights.T, out=overlap)
                np.maximum(overlap, 0, out=overlap)
                np.matmul(overlap, weights, out=product)
            # All of the weights' dtype: one float64 would make the whole update one of float64.
            if first_moment is None or second_moment is None:
                numbers = np.array((config.lr, config.weight_decay, config.l1), weights.dtype)
                optimizers.sgd(weights.ravel(), product.ravel(), numbers)
            else:
                scale, root = config.lr / (1 - _BETA1 ** (step + 1)), (1 - _BETA2 ** (step + 1)) ** 0.5
                decay = 1 - config.lr * config.weight_decay
                numbers = np.array(
                    (scale, 1 / root, decay, config.l1, 1 - _BETA1, _BETA2, 1 - _BETA2, _EPS), weights.dtype
                )
                moments = first_moment.ravel(), second_moment.ravel()
                optimizers.adamw(weights.ravel(), product.ravel(), *moments, numbers)

    # A run that diverges is reported by the caller.
    parallel.for_each(run, zip(*parts, strict=True))


def _update(W: Tensor, mean: Tensor, square: Tensor, gradient: Tensor, config: TrainConfig, step: int) -> None:
    """The optimizer's step in place, by torch."""
    if config.optimizer == "sgd":
        W -= config.lr * (gradient + config.weight_decay * W)
        return
    W *= 1 - config.lr * config.weight_decay
    mean.lerp_(gradient, 1 - _BETA1)
    square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
    root = (1 - _BETA2 ** (step + 1)) ** 0.5
    W.addcdiv_(mean, (square.sqrt() / root).add_(_EPS), value=-config.lr / (1 - _BETA1 ** (step + 1)))


def _still_finite(W: Float[Tensor, "*instances n m"], config: TrainConfig) -> None:
    if not bool(torch.isfinite(W).all()):
        raise ValueError(f"lr={config.lr!r}: the weights stopped being finite, must be smaller")


def _gradient(
    W: Float[Tensor, "*instances n m"], config: TrainConfig, generator: torch.Generator
) -> Float[Tensor, "*instances n m"]:
    """∂L/∂W of the noisy loss, all instances at once."""
    hidden = W
    if config.noise is not None:
        *instances, n, m = W.shape
        shape = {
            "inputs": (*instances, 1, m),
            "inputs+instances": (m,),
            "none": (*instances, n, m),
        }[config.noise_shared]
        xi = noise.draw(config.noise, shape, generator=generator, dtype=W.dtype, device=W.device)
        hidden = W + config.sigma * xi
    output = torch.relu(hidden @ W.mT)
    error = 2 * output
    # Where the output is 0 the ReLU passes nothing, the diagonal included.
    error.diagonal(dim1=-2, dim2=-1).sub_(2 * (output.diagonal(dim1=-2, dim2=-1) > 0).to(W.dtype))
    return error @ W + error.mT @ hidden + config.l1 * W.sign()
