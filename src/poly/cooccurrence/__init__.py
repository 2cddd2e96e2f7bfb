"""The paper's network on inputs in which features meet: each is on independently, with probability p.

``y = ReLU(W Wᵀ x)`` as in ``model``, with ``x_i = 1`` with probability p and else 0.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks, parallel, perturb
from poly.checks import tensors
from poly.cooccurrence import kernels

# The approximate number of values that an instance draws at a time: less than a second of work.
_DRAWN = 2**19


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of ``train``: AdamW with fresh inputs at every step.

    Args:
        p: probability of each feature, in (0, 1).
        steps: ≥ 0.
        lr: learning rate > 0.
        batch: inputs that every instance draws at every step, ≥ 1.
        l1: λ ≥ 0, in the units of ``model.loss``.
        weight_decay: ≥ 0, decoupled, as in torch.

    Raises:
        ValueError: a number out of its range.
    """

    p: float
    steps: int
    lr: float = 1e-3
    batch: int = 64
    l1: float = 0.0
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", probability(self.p))
        object.__setattr__(self, "steps", checks.count("steps", self.steps, at_least=0))
        object.__setattr__(self, "lr", checks.positive("lr", self.lr))
        object.__setattr__(self, "batch", checks.count("batch", self.batch))
        for name in ("l1", "weight_decay"):
            object.__setattr__(self, name, checks.nonnegative(name, getattr(self, name)))


def probability(p: object) -> float:
    """Check that p is a probability that leaves both values possible; raise ValueError otherwise."""
    value = checks.positive("p", p)
    if value >= 1:
        raise ValueError(f"p={p!r}: must be in (0, 1)")
    return value


def sample(n: int, p: float, *, batch: int, generator: torch.Generator) -> Float[Tensor, "batch n"]:
    """Draw inputs in which at least one feature is on.

    Each feature is on with probability p, independently; inputs without any are left out.

    Args:
        n: features, ≥ 1.
        p: in (0, 1).
        batch: inputs, ≥ 1.
        generator: source of randomness.

    Returns:
        (batch, n), float64, zeros and ones.

    Raises:
        ValueError: a number out of its range.
    """
    n, p, batch = checks.count("n", n), probability(p), checks.count("batch", batch)
    u = _uniform((batch, 1 + n), tensors.generator(generator))
    x, active = np.zeros((batch, n)), np.empty(n, np.int64)
    for row, draws in zip(x, u, strict=True):
        row[active[: kernels.choose(draws, p, active)]] = 1
    return torch.from_numpy(x)


def train(
    W: Float[Tensor, "*instances n m"], config: Config, *, generator: torch.Generator
) -> Float[Tensor, "*instances n m"]:
    """Train every instance on its own inputs, by the update of ``torch.optim.AdamW``.

    The loss is ``L_p(W) = E‖ReLU(W Wᵀ x) − x‖² / p + λ ‖W‖₁``. As p goes to 0, features meet no more, and it becomes
    ``model.loss``. Inputs without any feature have no error and are not drawn.

    Args:
        W: starting weights, (*instances, n, m), float32 or float64, on the processor; left untouched.
        config: the settings.
        generator: seeds a source of inputs for each instance.

    Returns:
        The trained weights.

    Raises:
        ValueError: bad input, or weights that stop being finite (lr too large).
    """
    tensors.weights(W)
    if not isinstance(config, Config):
        raise ValueError(f"config={config!r}: must be a cooccurrence.Config")
    if W.device.type != "cpu" or W.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"W: is {W.dtype} on {W.device}, must be float32 or float64 on the cpu")
    W = perturb.start(W.detach().clone(memory_format=torch.contiguous_format))
    n, m = W.shape[-2:]
    instances = W.reshape(-1, n, m).numpy()
    source = tensors.generator(generator)
    seeds = torch.randint(2**63 - 1, (len(instances),), generator=source, device=source.device).tolist()

    def run(instance: int, cancelled: parallel.Flag) -> None:
        w, inputs = instances[instance], torch.Generator().manual_seed(seeds[instance])
        mean, square = np.zeros((2, n, m), w.dtype)
        piece = max(1, _DRAWN // (config.batch * n * (1 + m // 32)))
        for first in range(0, config.steps, piece):
            if cancelled[0]:
                return
            u = _uniform((min(piece, config.steps - first), config.batch, 1 + n), inputs)
            kernels.advance(w, mean, square, u, first, config.p, config.lr, config.weight_decay, config.l1)

    parallel.for_each(run, range(len(instances)))
    if len(lost := (~torch.isfinite(W.reshape(-1, n, m)).all(-1).all(-1)).nonzero()):
        where = f" in instance {lost[0].item()}" if len(instances) > 1 else ""
        raise ValueError(f"lr={config.lr!r}: the weights stopped being finite{where}, must be smaller")
    return W


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Float[np.ndarray, "..."]:
    return torch.rand(shape, generator=generator, dtype=torch.float64, device=generator.device).cpu().numpy()
