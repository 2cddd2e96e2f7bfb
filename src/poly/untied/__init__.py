"""An autoencoder with untied weights and a bias, on inputs whose active features lie in one of several groups.

``y = ReLU(h D + b)``, ``h = x E``: encoder E (*instances, n, m), decoder D (*instances, m, n), bias b (*instances, n).
Row ``E_i`` is what feature i writes into the hidden layer, and column ``D_·i`` is how output i reads it. An input holds
exactly ``active`` ones, all within one of ``groups`` equal groups of features, such as two exclusive halves.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, parallel, perturb
from poly.checks import tensors
from poly.untied import kernels

Init = Literal["normal", "xavier"]
# The approximate number of values that an instance draws at a time.
_DRAWN = 2**17
# The approximate number of multiplications between two checks for an interrupt: less than a second.
_UNBROKEN = 2**27


class Network(NamedTuple):
    """Encoder E (*instances, n, m), decoder D (*instances, m, n), output bias b (*instances, n)."""

    encoder: Float[Tensor, "*instances n m"]
    decoder: Float[Tensor, "*instances m n"]
    bias: Float[Tensor, "*instances n"]


@dataclass(frozen=True, kw_only=True)
class UntiedConfig:
    """Settings of ``train``: AdamW with fresh inputs at every step.

    Args:
        lr: learning rate > 0.
        steps: ≥ 0.
        batch: inputs that every instance draws at every step, ≥ 1.
        active: features that are on in an input, ≥ 1.
        groups: exclusive groups of features, ≥ 1, of n/groups each; all active features lie in one of them.
        l1: λ ≥ 0 beside the mean over inputs; the ℓ1 penalty applies to encoder and decoder, not to the bias.
        weight_decay: ≥ 0, decoupled, on all parameters, as in torch.
        rectified: whether there is a ReLU in the hidden layer, too.

    Raises:
        ValueError: a number out of its range.

    Source: a public notebook beside the paper, as far as its settings are known; the rest is our reading.
    """

    lr: float = 1e-3
    steps: int
    batch: int = 100
    active: int = 13
    groups: int = 2
    l1: float = 0.0
    weight_decay: float = 0.01
    rectified: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", checks.positive("lr", self.lr))
        object.__setattr__(self, "steps", checks.count("steps", self.steps, at_least=0))
        for name in ("batch", "active", "groups"):
            object.__setattr__(self, name, checks.count(name, getattr(self, name)))
        for name in ("l1", "weight_decay"):
            object.__setattr__(self, name, checks.nonnegative(name, getattr(self, name)))
        checks.one_of("rectified", self.rectified, (False, True))


def init(
    n: int, m: int, *, kind: Init = "normal", instances: tuple[int, ...] = (), generator: torch.Generator
) -> Network:
    """Draw untrained networks in float64: encoder and decoder from one distribution, ``b = 0``.

    "normal" is ``N(0, 1/m)``, as in the paper's tied model. "xavier" is uniform on ±√(6/(n + m)), as
    ``torch.nn.init.xavier_uniform_``. At n = m both have the same variance.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        kind: "normal" or "xavier".
        instances: leading axes.
        generator: source of randomness.

    Raises:
        ValueError: a size below 1, an unknown kind, or no generator.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    checks.one_of("kind", kind, ("normal", "xavier"))
    if not isinstance(instances, tuple | list):
        raise ValueError(f"instances={instances!r}: must be a tuple of whole numbers ≥ 1, such as (20,)")
    shape = tuple(checks.count("instances", size) for size in instances)
    tensors.generator(generator)

    def draw(rows: int, columns: int) -> Tensor:
        options: dict[str, Any] = {"generator": generator, "dtype": torch.float64, "device": generator.device}
        if kind == "normal":
            return torch.randn(*shape, rows, columns, **options).div_(m**0.5)
        return torch.rand(*shape, rows, columns, **options).mul_(2).sub_(1).mul_((6 / (n + m)) ** 0.5)

    return Network(draw(n, m), draw(m, n), torch.zeros(*shape, n, dtype=torch.float64, device=generator.device))


def sample(n: int, active: int, *, groups: int, batch: int, generator: torch.Generator) -> Float[Tensor, "batch n"]:
    """Draw inputs with exactly ``active`` ones, all in one random group of n/groups neighboring features.

    Args:
        n: features, a multiple of ``groups``.
        active: ones in each input, 1 … n/groups.
        groups: exclusive groups, ≥ 1.
        batch: inputs, ≥ 1.
        generator: source of randomness.

    Returns:
        (batch, n), float64, zeros and ones.

    Raises:
        ValueError: numbers out of their range, or that do not fit.
    """
    n, active, groups = group_sizes(n, active, groups)
    u = uniform((checks.count("batch", batch), 1 + active), tensors.generator(generator))
    x, order = np.zeros((batch, n)), np.empty(n // groups, np.int64)
    for row, draws in zip(x, u, strict=True):
        kernels.choose(draws, groups, n // groups, order)
        row[order[:active]] = 1
    return torch.from_numpy(x)


def reconstruct(
    network: Network, x: Float[Tensor, "*instances batch n"], *, rectified: bool = False
) -> Float[Tensor, "*instances batch n"]:
    """Compute the network's output, ``y = ReLU(x E D + b)``, or ``ReLU(ReLU(x E) D + b)`` if ``rectified``.

    Args:
        network: E (*instances, n, m), D (*instances, m, n), b (*instances, n).
        x: inputs, (*instances, batch, n).
        rectified: whether there is a ReLU in the hidden layer, too.

    Returns:
        (*instances, batch, n).

    Raises:
        ValueError: non-finite entries, an overflow, or shapes or dtypes that do not fit.
    """
    encoder, decoder, bias = parts(network)
    tensors.finite_tensor("x", x, 2, "(*instances, batch, n)")
    if x.shape[:-2] != encoder.shape[:-2] or x.shape[-1] != encoder.shape[-2] or x.dtype != encoder.dtype:
        fitting = (*encoder.shape[:-2], "batch", encoder.shape[-2])
        raise ValueError(f"x: has shape {tuple(x.shape)} and {x.dtype}, must be {fitting} and {encoder.dtype}")
    hidden = torch.relu(x @ encoder) if rectified else x @ encoder
    return tensors.no_overflow(torch.relu(hidden @ decoder + bias.unsqueeze(-2)), encoder)


def loss(
    network: Network, x: Float[Tensor, "*instances batch n"], l1: float = 0.0, *, rectified: bool = False
) -> Float[Tensor, "*instances"]:
    """Compute the error, a mean over inputs and a sum over outputs, plus the ℓ1 penalty on encoder and decoder.

    ``L = mean_x ‖y − x‖² + λ (‖E‖₁ + ‖D‖₁)``

    Args:
        network: E (*instances, n, m), D (*instances, m, n), b (*instances, n).
        x: inputs, (*instances, batch, n).
        l1: λ ≥ 0.
        rectified: as in ``reconstruct``.

    Returns:
        (*instances,).

    Raises:
        ValueError: a negative λ, or what ``reconstruct`` refuses.
    """
    l1 = checks.nonnegative("l1", l1)
    error = (reconstruct(network, x, rectified=rectified) - x).square().sum(-1).mean(-1)
    return error + l1 * (network.encoder.abs().sum((-2, -1)) + network.decoder.abs().sum((-2, -1)))


def train(network: Network, config: UntiedConfig, *, generator: torch.Generator) -> Network:
    """Train every instance on its own inputs, by the update of ``torch.optim.AdamW``.

    Args:
        network: the start, float32 or float64, on the processor; left untouched.
        config: the settings.
        generator: seeds a source of inputs for each instance.

    Returns:
        The trained Network.

    Raises:
        ValueError: bad input, or weights that stop being finite (lr too large).
    """
    encoder, decoder, bias = parts(network)
    if not isinstance(config, UntiedConfig):
        raise ValueError(f"config={config!r}: must be an UntiedConfig")
    tensors.on_cpu("encoder", encoder)
    *shape, n, m = encoder.shape
    group_sizes(n, config.active, config.groups)
    order = perturb.order(m)
    relabeled = order.relabel(encoder), order.relabel(decoder.mT).mT, bias
    theta = perturb.start(torch.cat([part.detach().reshape(*shape, -1) for part in relabeled], -1))
    flat = theta.reshape(-1, theta.shape[-1]).numpy()
    seeds = parallel.seeds(generator, len(flat))
    lost: dict[int, int] = {}  # instances that diverge, and a step by which they have

    def run(instance: int, cancelled: parallel.Flag) -> None:
        source = torch.Generator().manual_seed(seeds[instance])
        moments = np.zeros((2, flat.shape[1]), flat.dtype)
        piece = max(1, _DRAWN // (config.batch * (1 + config.active)))
        unbroken = max(1, _UNBROKEN // ((config.batch + 4) * n * m))
        for first in range(0, config.steps, piece):
            u = uniform((min(piece, config.steps - first), config.batch, 1 + config.active), source)
            for k in range(0, len(u), unbroken):
                if cancelled[0]:
                    return
                kernels.advance(
                    flat[instance], moments, u[k : k + unbroken], first + k, n, m, config.groups, config.lr,
                    config.weight_decay, config.l1, config.rectified,
                )  # fmt: skip
            if not np.isfinite(flat[instance]).all():
                lost[instance] = first + len(u)
                return

    parallel.for_each(run, range(len(flat)))
    if lost:
        worst = min(lost)
        place = [int(axis) for axis in np.unravel_index(worst, tuple(shape))]
        raise checks.diverged(config.lr, place, step=lost[worst])
    encoder, decoder, bias = torch.split(theta, [n * m, n * m, n], -1)
    encoder, decoder = encoder.reshape(*shape, n, m), decoder.reshape(*shape, m, n)
    return Network(order.restore(encoder), order.restore(decoder.mT).mT, bias)


def parts(network: Network) -> Network:
    """Check that the parts of a network are finite and fit each other, and return it; raise ValueError otherwise."""
    if not isinstance(network, Network):
        raise ValueError(f"network: must be an untied.Network, not {type(network).__name__}")
    encoder, decoder, bias = network
    tensors.finite_tensor("encoder", encoder, 2, "(*instances, n, m)")
    *shape, n, m = encoder.shape
    for name, part, fitting in (("decoder", decoder, (*shape, m, n)), ("bias", bias, (*shape, n))):
        tensors.finite_tensor(name, part, 1, str(fitting))
        if tuple(part.shape) != fitting or part.dtype != encoder.dtype:
            found = f"shape {tuple(part.shape)} and {part.dtype}"
            raise ValueError(f"{name}: has {found}, must have {fitting} and the encoder's {encoder.dtype}")
    return network


def group_sizes(n: int, active: int, groups: int) -> tuple[int, int, int]:
    """Check that n, active and groups are whole numbers that fit each other; raise ValueError otherwise."""
    n, active, groups = checks.count("n", n), checks.count("active", active), checks.count("groups", groups)
    if n % groups:
        raise ValueError(f"groups={groups}: must divide the {n} features")
    if active > n // groups:
        raise ValueError(f"active={active}: must be at most the {n // groups} features of a group")
    return n, active, groups


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> NDArray[np.float64]:
    """Draw numbers that are uniform on [0, 1), as an array of numpy."""
    return torch.rand(shape, generator=generator, dtype=torch.float64, device=generator.device).cpu().numpy()
