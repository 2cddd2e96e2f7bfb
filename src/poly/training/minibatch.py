"""Train networks with a hidden layer of ReLU units on minibatches: many small networks at once.

The networks of one stream of batches are trained on one thread by compiled steps. They see the same batches.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, mlp, parallel, perturb
from poly.checks import tensors
from poly.training import minibatch_kernels as kernels

Array = NDArray[Any]  # float32 or float64
# The approximate number of values that a network draws at a time.
_DRAWN = 2**18


@runtime_checkable
class Stream(Protocol):
    """Batches without end, such as ``tasks.AndStream`` and ``tasks.DatasetStream``."""

    inputs: int
    outputs: int
    batch: int

    def draw(self, batches: int, dtype: Any) -> tuple[Array, Array]:
        """Draw the next batches: inputs (batches, batch, inputs) and targets (batches, batch, outputs)."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of ``fit``: Adam with a learning rate that falls linearly to 0.

    Args:
        lr: initial learning rate > 0.
        steps: batches to train on, ≥ 0.
        loss: "squared", the mean of (Y − y)² over examples and outputs; or "cross-entropy" of softmax(Y), a mean over
            examples.
        l1: λ ≥ 0 of the ℓ1 penalty on all weights, not on biases.
        l1_hidden: λ ≥ 0 of the ℓ1 penalty on hidden activations, Σ_j |h_j|, a mean over examples.
        bias_decay: ≥ 0, decoupled, on the biases of hidden units.
        dropout: probability that a hidden activation is set to 0; the others are divided by 1 − dropout.
        noise: standard deviation ≥ 0 of Gaussian noise on the hidden activations, after the ReLU.
        release: the step from which masks no longer hold; None: they hold to the end.

    Raises:
        ValueError: a number out of its range, or an unknown loss.
    """

    lr: float
    steps: int
    loss: Literal["squared", "cross-entropy"] = "squared"
    l1: float = 0.0
    l1_hidden: float = 0.0
    bias_decay: float = 0.0
    dropout: float = 0.0
    noise: float = 0.0
    release: int | None = None

    def __post_init__(self) -> None:
        # Plain numbers, whatever kind of number was given: compiled code takes no other.
        object.__setattr__(self, "lr", checks.positive("lr", self.lr))
        object.__setattr__(self, "steps", checks.count("steps", self.steps, at_least=0))
        checks.one_of("loss", self.loss, ("squared", "cross-entropy"))
        for name in ("l1", "l1_hidden", "bias_decay", "noise"):
            object.__setattr__(self, name, checks.nonnegative(name, getattr(self, name)))
        object.__setattr__(self, "dropout", checks.below_one("dropout", self.dropout))
        if self.release is not None:
            object.__setattr__(self, "release", checks.count("release", self.release, at_least=0))


def fit(
    network: mlp.Network,
    streams: Stream | Sequence[Stream],
    config: FitConfig | Sequence[FitConfig],
    *,
    masks: mlp.Network | None = None,
    generator: torch.Generator,
    progress: bool | None = None,
) -> mlp.Network:
    """Train networks with one hidden layer, ``y = ReLU(x W₁ + b₁) W₂ + b₂``, on batch after batch.

    The update is that of ``torch.optim.Adam`` with its default betas and eps, at the rate ``lr (1 − step/steps)``.

    Args:
        network: the starts, with instances (streams,); or (settings, streams) for several settings; or () for one
            network. Left untouched. float32 or float64, on the CPU.
        streams: one for each entry of the last instance axis. Networks that differ only in their setting see the same
            batches.
        config: the settings; or a list of them, of equal ``steps``, one for each entry of the first axis.
        masks: of the shapes of the network, or shapes that broadcast to them: 0 for parameters that are set to 0 and
            stay there, 1 for all others. None: all are free.
        generator: seeds the noise and dropout of every network; unused without them.
        progress: whether to show a progress bar, after 2 seconds, which counts the steps of all networks; None: on a
            terminal.

    Returns:
        The trained Network.

    Raises:
        ValueError: bad input, shapes that do not fit each other, or parameters that stop being finite (lr too large).

    Example:
        >>> task = tasks.clauses(generator=generator)
        >>> stream = tasks.AndStream(task.bits, 0.1, generator=generator)
        >>> start = mlp.init(32, 64, 16, generator=generator, dtype=torch.float32)
        >>> end = training.fit(start, stream, training.FitConfig(lr=3e-3, steps=10_000), generator=generator)
    """
    start = mlp.parts(network)
    *instances, d, m = start.W1.shape
    tensors.on_cpu("network", start.W1)
    many = isinstance(config, list | tuple)
    configs = checks.configs(config, FitConfig)
    sources = list(streams) if isinstance(streams, list | tuple) else [streams]
    listed = isinstance(streams, list | tuple)
    shape = ([len(configs)] if many else []) + ([len(sources)] if listed else [])
    if not sources or instances != shape:
        raise ValueError(f"network: has instances {tuple(instances)}, must have {tuple(shape)}: settings, streams")
    _check(sources, start)
    tensors.generator(generator)
    checks.progress(progress)
    sizes = kernels.Sizes(d=d, m=m, outputs=start.W2.shape[-1])
    mask = None if masks is None else _masks(masks, start)
    # Noise goes to units by their place, so only runs without it may be relabeled.
    noisy = any(each.noise > 0 or each.dropout > 0 for each in configs)
    order = perturb.Order() if noisy else perturb.order(m)
    start = mlp.Network(*(perturb.start(part.detach()) for part in start))
    flat = _flat(_relabeled(start, order.relabel)).reshape(len(configs), len(sources), -1)
    free = None if mask is None else _flat(_relabeled(mask, order.relabel)).reshape(flat.shape)
    if free is not None:
        flat = flat * free
    trained = np.ascontiguousarray(flat.numpy())
    networks = len(configs) * len(sources)
    seeds = parallel.seeds(generator, networks) if noisy else [None] * networks
    runs = []
    for s, source in enumerate(sources):
        each = [
            _Run(
                trained[c, s],
                None if free is None else free[c, s].numpy(),
                configs[c],
                sizes,
                seeds[c * len(sources) + s],
            )
            for c in range(len(configs))
        ]
        runs.append((source, each))
    steps = configs[0].steps
    with parallel.bar(len(runs) * len(configs) * steps, "step", "fit", progress) as bar:
        parallel.for_each(functools.partial(_advance, steps=steps, bar=bar), runs)
    _check_finite(runs)
    return _relabeled(_unflat(torch.from_numpy(trained), sizes, start), order.restore)


def _check(sources: Sequence[Any], start: mlp.Network) -> None:
    for source in sources:
        if not isinstance(source, Stream):
            raise ValueError(f"streams: hold {source!r}, must be streams of batches, such as tasks.AndStream")
        fitting = (start.W1.shape[-2], start.W2.shape[-1])
        if (source.inputs, source.outputs) != fitting:
            raise ValueError(
                f"streams: have {source.inputs} inputs and {source.outputs} outputs, must have {fitting[0]} and "
                f"{fitting[1]} to fit the network"
            )
    if len({id(source) for source in sources}) < len(sources):
        raise ValueError("streams: hold one stream twice, must be one for each network")


def _masks(masks: mlp.Network, start: mlp.Network) -> mlp.Network:
    if not isinstance(masks, mlp.Network):
        raise ValueError(f"masks: must be an mlp.Network of zeros and ones, not {type(masks).__name__}")
    found = []
    for name, mask, part in zip(mlp.Network._fields, masks, start, strict=True):
        try:
            full = torch.as_tensor(mask).to(part.dtype).expand(part.shape)
        except (RuntimeError, TypeError, ValueError):
            raise ValueError(f"masks: {name} must broadcast to {tuple(part.shape)}") from None
        if not bool(((full == 0) | (full == 1)).all()):
            raise ValueError(f"masks: {name} must hold zeros and ones only")
        found.append(full)
    return mlp.Network(*found)


def _relabeled(network: mlp.Network, relabel: Any) -> mlp.Network:
    """Put the units into another order: the last axis of W1 and b1, and the rows of W2."""
    W1, b1, W2, b2 = network
    return mlp.Network(W1=relabel(W1), b1=relabel(b1), W2=relabel(W2.mT).mT, b2=b2)


def _flat(network: mlp.Network) -> Tensor:
    """Join all parameters of a network along one axis, (*instances, all)."""
    W1, b1, W2, b2 = network
    return torch.cat([W1.flatten(-2), b1, W2.flatten(-2), b2], dim=-1)


def _unflat(flat: Tensor, sizes: kernels.Sizes, like: mlp.Network) -> mlp.Network:
    """Undo ``_flat``; the instances are those of ``like``."""
    d, m, outputs = sizes
    parts = torch.split(flat, [d * m, m, m * outputs, outputs], dim=-1)
    return mlp.Network(*(part.reshape(whole.shape).clone() for part, whole in zip(parts, like, strict=True)))


class _Run:
    """One network that is trained in place; its noise depends on no other network."""

    def __init__(
        self, parameters: Array, free: Array | None, config: FitConfig, sizes: kernels.Sizes, seed: int | None
    ) -> None:
        self.parameters, self.config, self.sizes = parameters, config, sizes
        self.free = np.zeros(0, parameters.dtype) if free is None else np.ascontiguousarray(free)
        self.moments = np.zeros((2, *parameters.shape), parameters.dtype)
        self.source = None if seed is None else np.random.default_rng(seed)
        self.lost: int | None = None  # a step by which it has diverged
        self.rule = kernels.Rule(
            lr=config.lr,
            steps=config.steps,
            classes=config.loss == "cross-entropy",
            l1=config.l1,
            l1_hidden=config.l1_hidden,
            bias_decay=config.bias_decay,
        )

    def pieces(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Split steps ``first`` … ``last`` − 1 where the masks are released."""
        release = self.config.release
        if release is not None and first < release < last:
            yield first, release
            first = release
        yield first, last

    def advance(self, x: Array, y: Array, first: int) -> None:
        """Take one step for each of these batches."""
        drawn = (len(x), x.shape[1], self.sizes.m)
        none = np.zeros((0, *drawn[1:]), x.dtype)
        keep = noise = none
        # The number of batches in x never changes a draw: every value is drawn in order.
        if self.config.dropout > 0 and self.source is not None:
            kept = self.source.random(drawn, dtype=np.float32) >= self.config.dropout
            keep = kept.astype(x.dtype) / x.dtype.type(1 - self.config.dropout)
        if self.config.noise > 0 and self.source is not None:
            noise = x.dtype.type(self.config.noise) * self.source.standard_normal(drawn, dtype=x.dtype)
        for begin, end in self.pieces(first, first + len(x)):
            piece = slice(begin - first, end - first)
            released = self.config.release is not None and begin >= self.config.release
            free = self.free[:0] if released else self.free
            mean, square = self.moments
            given = (self.parameters, mean, square, free, x[piece], y[piece], keep[piece], noise[piece])
            kernels.advance(*given, begin, self.sizes, self.rule)


def _advance(run: tuple[Stream, list[_Run]], cancelled: parallel.Flag, steps: int, bar: Any) -> None:
    """Train the networks of one stream, piece by piece."""
    source, networks = run
    sizes = networks[0].sizes
    # As many batches at a time as fit the cache, beside the hidden activations' noise.
    ahead = max(1, _DRAWN // (source.batch * (sizes.d + sizes.outputs + sizes.m)))
    dtype = networks[0].parameters.dtype
    for first in range(0, steps, ahead):
        if cancelled[0]:
            return
        x, y = _drawn(source, min(ahead, steps - first), dtype)
        for network in networks:
            network.advance(x, y, first)
            if not np.isfinite(network.parameters).all():
                network.lost = first + len(x)
                return
        with bar.get_lock():
            bar.update(len(x) * len(networks))


def _drawn(source: Stream, batches: int, dtype: Any) -> tuple[Array, Array]:
    """Draw batches, and check them: compiled code does not."""
    x, y = source.draw(batches, dtype)
    wanted = (batches, source.batch)
    if x.shape != (*wanted, source.inputs) or y.shape != (*wanted, source.outputs):
        must = f"{(*wanted, source.inputs)} and {(*wanted, source.outputs)}"
        raise ValueError(f"streams: draw gives shapes {x.shape} and {y.shape}, must give {must}")
    x, y = np.ascontiguousarray(x, dtype), np.ascontiguousarray(y, dtype)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("streams: draw gives NaN or infinity, every number must be finite")
    return x, y


def _check_finite(runs: Sequence[tuple[Any, Sequence[_Run]]]) -> None:
    for stream, (_, networks) in enumerate(runs):
        for setting, network in enumerate(networks):
            if network.lost is not None:
                where = f"setting {setting}, stream {stream}"
                raise checks.diverged(network.config.lr, where, step=network.lost)
