"""Train with the usual optimizers: the model by SGD, sign SGD, Adam and AdamW, with hidden noise or without
(``train``); or, by Adam on minibatches, networks with a hidden layer of ReLU units (``fit``).

On the CPU each instance is trained separately, one per thread (``kernels``). On other devices torch trains all
instances at once.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, noise, parallel, perturb
from poly.checks import tensors
from poly.model import Trajectory
from poly.noise import EXCESS_KURTOSIS, Family
from poly.training import kernels
from poly.training.minibatch import FitConfig, fit

__all__ = ["FitConfig", "TrainConfig", "fit", "train"]

Array = NDArray[Any]  # float32 or float64
# The approximate number of noise values that an instance draws at a time.
_DRAWN = 2**14
# The approximate number of multiplications between two checks for an interrupt: less than a second.
_UNBROKEN = 2**28
_KINDS = {"adamw": kernels.ADAMW, "adam": kernels.ADAM, "sgd": kernels.SGD, "sign": kernels.SIGN}
# What only Adam and AdamW have.
_ADAPTIVE = ("betas", "eps", "second_moments")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of a training run; ``final_weights.RELEASED`` has those of the paper's figures 2 to 4.

    Args:
        optimizer: "adamw", "adam", "sgd", or "sign": steps of equal size, down the gradient's sign.
        lr: learning rate > 0.
        steps: full-batch steps ≥ 0.
        l1: λ ≥ 0, in the units of ``model.loss``.
        weight_decay: ≥ 0; added to the gradient for SGD and Adam, as in torch, else decoupled.
        momentum: of SGD, in [0, 1).
        betas: of Adam and AdamW, each in [0, 1): what the running means of gradients and of their squares keep.
        eps: of Adam and AdamW > 0, added to the root of the second moment.
        second_moments: of Adam and AdamW: "weights", one for each weight; or "rows", one for each row, the running mean
            of ``Σ_k g_ik² / m``, so that every row keeps the direction of its mean gradient.
        noise: family of the hidden noise (see ``noise``), or None.
        sigma: standard deviation of the hidden noise ≥ 0.
        noise_shared: what shares a draw at a step: the n inputs of an instance ("inputs"), all inputs
            of all instances of the setting as in the released code ("inputs+instances"), or nothing ("none").

    Raises:
        ValueError: a number out of its range or an unknown name.
    """

    optimizer: Literal["adamw", "adam", "sgd", "sign"] = "adamw"
    lr: float
    steps: int
    l1: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    betas: tuple[float, float] = (kernels.BETA1, kernels.BETA2)
    eps: float = kernels.EPS
    second_moments: Literal["weights", "rows"] = "weights"
    noise: Family | None = None
    sigma: float = 0.0
    noise_shared: Literal["inputs", "inputs+instances", "none"] = "inputs"

    def __post_init__(self) -> None:
        checks.one_of("optimizer", self.optimizer, tuple(_KINDS))
        # Plain numbers, whatever kind of number was given: compiled code takes no other.
        object.__setattr__(self, "lr", checks.positive("lr", self.lr))
        object.__setattr__(self, "steps", checks.count("steps", self.steps, at_least=0))
        for name in ("l1", "weight_decay", "sigma"):
            object.__setattr__(self, name, checks.nonnegative(name, getattr(self, name)))
        adaptive = self.optimizer in ("adam", "adamw")
        betas = checks.sequence("betas", self.betas)
        if len(betas) != 2:
            raise ValueError(f"betas={self.betas!r}: must be two numbers")
        object.__setattr__(self, "betas", tuple(checks.below_one("betas", beta) for beta in betas))
        object.__setattr__(self, "momentum", checks.below_one("momentum", self.momentum))
        object.__setattr__(self, "eps", checks.positive("eps", self.eps))
        checks.one_of("second_moments", self.second_moments, ("weights", "rows"))
        for name, fits in (("momentum", self.optimizer == "sgd"), *((n, adaptive) for n in _ADAPTIVE)):
            value, default = getattr(self, name), type(self).__dataclass_fields__[name].default
            if not fits and value != default:
                raise ValueError(f"{name}={value!r}: optimizer={self.optimizer!r} has none, must be {default!r}")
        checks.one_of("noise", self.noise, (None, *EXCESS_KURTOSIS))
        checks.one_of("noise_shared", self.noise_shared, ("inputs", "inputs+instances", "none"))
        if self.sigma > 0 and self.noise is None:
            raise ValueError(f"sigma={self.sigma!r}: must be 0 where noise=None; name a noise family")


def train(
    W: Float[Tensor, "*instances n m"],
    config: TrainConfig | Sequence[TrainConfig],
    *,
    generator: torch.Generator,
    at: Sequence[int] = (),
    observe: Callable[[Float[Tensor, "*instances n m"]], Shaped[Tensor, "..."]] | None = None,
    progress: bool | None = None,
) -> Trajectory:
    """Train the model from W with the optimizer of ``config``.

    SGD: ``W ← W − lr · ∂L/∂W``, or with momentum as ``torch.optim.SGD``. Sign: ``W ← W − lr · sign(∂L/∂W)``. Adam and
    AdamW: the updates of ``torch.optim``. The gradient is computed by its formula, ``∂L/∂W = E W + Eᵀ (W + ξ) + λ
    sign(W)`` with ``E = 2 (Y − I) ∘ 1[Y > 0]`` and ``Y = ReLU((W + ξ) Wᵀ)``.

    Args:
        W: starting weights, (*instances, n, m); left untouched. float32 or float64.
        config: the settings; or a list of them, of equal ``steps``, one for each entry of W's first axis.
        generator: source of the hidden noise; unused without noise. It seeds one generator per instance. It seeds one
            per setting if instances share noise or nothing does, on another device, and in half precision.
        at: steps to record, increasing, 0 … config.steps.
        observe: called with a copy of W at each of them; None records W itself.
        progress: whether to show a progress bar, after 2 seconds, which counts the steps of all separate runs; None:
            on a terminal.

    Returns:
        Trajectory of the final W, ``at``, and the stacked observations.

    Raises:
        ValueError: bad input, weights that stop being finite (lr too large), or an ``observe`` that does
            not return tensors of one shape.

    Source: figures 2 to 5 of the paper.
    """
    W = tensors.weights(W).detach().clone(memory_format=torch.contiguous_format)
    many = isinstance(config, list | tuple)
    configs = checks.configs(config, TrainConfig)
    if many and (W.ndim < 3 or len(configs) != len(W)):
        raise ValueError(f"config: has {len(configs)} settings, must have one for each entry of W's first axis")
    steps = configs[0].steps
    record = [checks.count("at", step, at_least=0) for step in checks.sequence("at", at)]
    checks.increasing("at", record, last=steps)
    if observe is not None:
        checks.function("observe", observe)
    tensors.generator(generator)
    checks.progress(progress)
    # Noise goes to neurons by their place, so only runs without noise may be relabeled.
    noisy = any(each.noise is not None and each.sigma > 0 for each in configs)
    order = perturb.Order() if noisy else perturb.order(W.shape[-1])
    W = order.relabel(perturb.start(W))
    values: list[Tensor] = []
    runs = [run for each, part in zip(configs, W if many else [W], strict=True) for run in _runs(part, each, generator)]
    step = 0
    with parallel.bar(len(runs) * steps, "step", "train", progress) as bar:
        for stop in [*record, steps]:
            parallel.for_each(functools.partial(_advance, first=step, last=stop, bar=bar), runs)
            step = stop
            _check_finite(W, configs, step)
            if len(values) < len(record):
                now = order.restore(W)
                values.append(tensors.observation(now if observe is None else observe(now.clone()), values))
    return Trajectory(
        order.restore(W),
        torch.tensor(record, dtype=torch.int64, device="cpu"),
        torch.stack(values) if values else W.new_empty(0),
    )


def _advance(run: "_Instance | _Batch", cancelled: parallel.Flag, first: int, last: int, bar: Any) -> None:
    """Take steps ``first`` … ``last`` − 1 of one run, piece by piece."""
    for begin, end in run.pieces(first, last):
        if cancelled[0]:
            return
        run.advance(begin, end)
        with bar.get_lock():
            bar.update(end - begin)


def _check_finite(W: Tensor, configs: list[TrainConfig], step: int) -> None:
    diverged = (~torch.isfinite(W).all(-1).all(-1)).nonzero()
    if len(diverged):
        first = diverged[0].tolist()
        config = configs[first[0] if len(configs) > 1 else 0]
        large = {name: getattr(config, name) for name in ("l1", "weight_decay", "sigma") if getattr(config, name) > 1}
        besides = "".join(f" (or {name}={value!r})" for name, value in large.items())
        raise checks.diverged(config.lr, first, step=step, besides=besides)


def _runs(W: Tensor, config: TrainConfig, generator: torch.Generator) -> "list[_Instance] | list[_Batch]":
    """List the independent runs that train W in place."""
    instances = W.reshape(-1, *W.shape[-2:])
    noisy = config.noise is not None and config.sigma > 0
    # Only torch multiplies half-precision numbers or computes on another device.
    compiled = W.device.type == "cpu" and W.dtype in (torch.float32, torch.float64) and config.noise_shared != "none"
    separate = len(instances) if compiled and config.noise_shared == "inputs" else 1
    seeds = parallel.seeds(generator, separate) if noisy else [None]
    if not compiled:
        return [_Batch(W, config, seeds[0])]
    return [_Instance(part, config, seeds[k % len(seeds)]) for k, part in enumerate(instances)]


class _Instance:
    """One instance trained by compiled steps; its noise depends on no recorded step and on no other instance."""

    def __init__(self, W: Float[Tensor, "n m"], config: TrainConfig, seed: int | None) -> None:
        self.W, self.config = W, config
        self.source = None if seed is None else torch.Generator().manual_seed(seed)
        adaptive, none = config.optimizer in ("adam", "adamw"), (0, 0)
        self.rule = kernels.Rule(
            _KINDS[config.optimizer], config.lr, config.weight_decay, config.momentum, *config.betas, config.eps,
            config.second_moments == "rows",
        )  # fmt: skip
        self.mean = np.zeros(W.shape if adaptive or config.momentum else none, W.numpy().dtype)
        self.square = np.zeros(W.shape if adaptive else none, W.numpy().dtype)
        self.ahead = max(1, _DRAWN // W.shape[-1])
        self.unbroken = max(1, _UNBROKEN // (W.shape[-2] ** 2 * W.shape[-1]))
        self.drawn = np.zeros((0, W.shape[-1]), self.mean.dtype)

    def pieces(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Split steps ``first`` … ``last`` − 1 where noise is drawn, and where interrupts are checked."""
        while first < last:
            stop = min(last, first - first % self.ahead + self.ahead, first + self.unbroken)
            yield first, stop
            first = stop

    def advance(self, first: int, last: int) -> None:
        """Take the steps ``first`` … ``last`` − 1 of one piece."""
        config, xi = self.config, self.drawn
        if config.noise is not None and self.source is not None:
            if first % self.ahead == 0:
                shape = (self.ahead, self.W.shape[-1])
                draws = noise.draw(config.noise, shape, generator=self.source, dtype=self.W.dtype)
                self.drawn = (config.sigma * draws).numpy()
            xi = self.drawn[first % self.ahead :][: last - first]
        kernels.advance(self.W.numpy(), self.mean, self.square, xi, first, last, self.rule, config.l1)


class _Batch:
    """All instances at once, trained by torch and its own optimizers."""

    def __init__(self, W: Float[Tensor, "*instances n m"], config: TrainConfig, seed: int | None) -> None:
        self.W, self.config = W, config
        self.source = None if seed is None else torch.Generator(W.device).manual_seed(seed)
        if config.second_moments == "rows":
            where = "another device, in half precision, and with noise_shared='none'"
            raise ValueError(f"second_moments='rows': must be 'weights' on {where}")
        options: dict[str, Any] = {"lr": config.lr, "fused": W.device.type == "cuda"}  # one kernel instead of ten
        if config.optimizer == "sign":
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD([W], **options)
        elif config.optimizer == "sgd":
            options |= {"weight_decay": config.weight_decay, "momentum": config.momentum}
            self.optimizer = torch.optim.SGD([W], **options)
        else:
            make = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
            options |= {"weight_decay": config.weight_decay, "betas": config.betas, "eps": config.eps}
            self.optimizer = make([W], **options)

    def pieces(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Split steps ``first`` … ``last`` − 1 into single steps."""
        return ((step, step + 1) for step in range(first, last))

    def advance(self, first: int, last: int) -> None:
        """Take steps ``first`` … ``last`` − 1."""
        for _ in range(first, last):
            self.W.grad = self._gradient()
            if self.config.optimizer == "sign":
                self.W.grad.sign_()
                self.W.mul_(1 - self.config.lr * self.config.weight_decay)
            self.optimizer.step()
        self.W.grad = None

    def _gradient(self) -> Float[Tensor, "*instances n m"]:
        W, config = self.W, self.config
        *instances, n, m = W.shape
        xi = W.new_zeros(1, m)
        if config.noise is not None and self.source is not None:
            shapes = {"inputs": (*instances, 1, m), "inputs+instances": (1, m), "none": (*instances, n, m)}
            shape = shapes[config.noise_shared]
            xi = noise.draw(config.noise, shape, generator=self.source, dtype=W.dtype, device=W.device)
            xi = config.sigma * xi
        output = torch.relu(W @ W.mT + xi @ W.mT)
        error = 2 * output
        # Where the output is 0 the ReLU passes no gradient, also on the diagonal.
        error.diagonal(dim1=-2, dim2=-1).sub_(2 * (output.diagonal(dim1=-2, dim2=-1) > 0).to(W.dtype))
        # Eᵀ ξ; for noise that all inputs share, it is a column times a row.
        outgoing = error.mT @ xi if xi.shape[-2] == n else error.sum(-2).unsqueeze(-1) * xi
        return (error + error.mT) @ W + outgoing + config.l1 * W.sign()
