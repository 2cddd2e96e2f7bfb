"""The paper's network on inputs in which several features may be on at once.

``y = ReLU(W Wᵀ x)`` as in ``model``, with ``x_i = 1`` or 0. Features are on independently, or in groups, or some more
often than others.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks, parallel, perturb
from poly.checks import tensors
from poly.cooccurrence import kernels
from poly.untied import uniform

# The approximate number of values that an instance draws at a time: less than a second of work.
_DRAWN = 2**19


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The distribution of the inputs.

    Features come in groups of ``group`` neighbors. Groups are on independently. In a group that is on, each feature is
    on independently with probability ``within``, given that at least one is; with ``within = 0`` exactly one is. By
    default each feature is a group of its own, so that all are independent.

    Args:
        p: probability of each feature, in (0, 1).
        group: features of a group, ≥ 1; a divisor of their number.
        within: in [0, 1).
        exponent: α ≥ 0. Feature i = 1, 2, … is on with a probability in proportion to ``i^(−α)``; p is the mean. Only
            without groups.

    Raises:
        ValueError: a number out of its range, or p so large that a group would have to be on more often than always.
    """

    p: float
    group: int = 1
    within: float = 0.0
    exponent: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", checks.probability("p", self.p))
        object.__setattr__(self, "group", checks.count("group", self.group))
        object.__setattr__(self, "within", checks.below_one("within", self.within))
        object.__setattr__(self, "exponent", checks.nonnegative("exponent", self.exponent))
        if self.group > 1 and self.exponent:
            raise ValueError(f"exponent={self.exponent!r}: must be 0 with groups")
        if self.group == 1 and self.within:
            raise ValueError(f"within={self.within!r}: must be 0 without groups")
        if self._on() >= 1:
            raise ValueError(f"p={self.p!r}: must be below {self.p / self._on():.6g} with these groups")

    def _on(self) -> float:
        """Return the probability of a group."""
        if not self.within:
            return self.p * self.group
        return float(-np.expm1(self.group * np.log1p(-self.within)) * self.p / self.within)

    def law(self, n: int) -> kernels.Law:
        """Return the distribution for n features.

        Raises:
            ValueError: n that is no whole number ≥ 1, groups that do not divide it, or a feature with a probability of
                1 or more.
        """
        n = checks.count("n", n)
        if n % self.group:
            raise ValueError(f"group={self.group!r}: must divide the {n} features")
        share = np.arange(1.0, n // self.group + 1) ** -self.exponent
        groups = self._on() * share / share.mean()
        if groups.max() >= 1:
            raise ValueError(f"p={self.p!r}: must be below {self.p / groups.max():.6g} with this exponent")
        inside = np.full(self.group, self.within)
        return kernels.Law(groups, _first(groups), inside, _first(inside))


def _first(p: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Compute ``P(first ≤ i)`` of independent features or groups, on with probabilities p, given that one is on."""
    if not p.any():  # the limit: exactly one, each as likely
        return np.arange(1.0, len(p) + 1) / len(p)
    some = -np.expm1(np.cumsum(np.log1p(-p)))
    return np.asarray(some / some[-1])


@dataclass(frozen=True, kw_only=True)
class Config(Inputs):
    """Settings of ``train``: AdamW with fresh inputs at every step.

    Args:
        p, group, within, exponent: as in ``Inputs``.
        steps: ≥ 0.
        lr: learning rate > 0.
        batch: inputs that every instance draws at every step, ≥ 1.
        l1: λ ≥ 0, in the units of ``model.loss``.
        weight_decay: ≥ 0, decoupled, as in torch.

    Raises:
        ValueError: a number out of its range.
    """

    steps: int
    lr: float = 1e-3
    batch: int = 64
    l1: float = 0.0
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "steps", checks.count("steps", self.steps, at_least=0))
        object.__setattr__(self, "lr", checks.positive("lr", self.lr))
        object.__setattr__(self, "batch", checks.count("batch", self.batch))
        for name in ("l1", "weight_decay"):
            object.__setattr__(self, name, checks.nonnegative(name, getattr(self, name)))


def sample(n: int, inputs: Inputs, *, batch: int, generator: torch.Generator) -> Float[Tensor, "batch n"]:
    """Draw inputs in which at least one feature is on.

    Args:
        n: features, ≥ 1.
        inputs: their law.
        batch: inputs, ≥ 1.
        generator: source of randomness.

    Returns:
        (batch, n), float64, zeros and ones.

    Raises:
        ValueError: a number out of its range, or a law that does not fit.
    """
    n, batch = checks.count("n", n), checks.count("batch", batch)
    law = _checked(inputs).law(n)
    u = uniform((batch, kernels.draws(law)), tensors.generator(generator))
    x, active = np.zeros((batch, n)), np.empty(n, np.int64)
    scratch = np.empty(len(law.groups) + len(law.inside), np.int64)
    for row, drawn in zip(x, u, strict=True):
        row[active[: kernels.draw(drawn, law, scratch, active)]] = 1
    return torch.from_numpy(x)


def _checked(inputs: Inputs) -> Inputs:
    if not isinstance(inputs, Inputs):
        raise ValueError(f"inputs={inputs!r}: must be a cooccurrence.Inputs")
    return inputs


def weight(n: int, inputs: Inputs) -> float:
    """Compute the weight in the loss of an input that is not empty: the share of such inputs, over p.

    Args:
        n: features, ≥ 1.
        inputs: their law.

    Raises:
        ValueError: bad input, or a law that does not fit.
    """
    _checked(inputs)
    return float(-np.expm1(np.log1p(-inputs.law(n).groups).sum()) / inputs.p)


def train(
    W: Float[Tensor, "*instances n m"], config: Config, *, generator: torch.Generator
) -> Float[Tensor, "*instances n m"]:
    """Train every instance on its own inputs, by the update of ``torch.optim.AdamW``.

    The loss is ``L_p(W) = E‖ReLU(W Wᵀ x) − x‖² / p + λ ‖W‖₁``. With independent, equally frequent features it becomes
    ``model.loss`` as p goes to 0: features meet no more. Inputs without any feature have no error and are not drawn.

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
    tensors.on_cpu("W", W)
    n, m = W.shape[-2:]
    order = perturb.order(m)
    W = order.relabel(perturb.start(W.detach().clone(memory_format=torch.contiguous_format)))
    law, counts = config.law(n), weight(n, config)
    instances = W.reshape(-1, n, m).numpy()
    seeds = parallel.seeds(generator, len(instances))
    lost: dict[int, int] = {}  # instances that diverge, and a step by which they have

    def run(instance: int, cancelled: parallel.Flag) -> None:
        w, inputs = instances[instance], torch.Generator().manual_seed(seeds[instance])
        mean, square = np.zeros((2, n, m), w.dtype)
        piece = max(1, _DRAWN // (config.batch * n * (1 + m // 32)))
        for first in range(0, config.steps, piece):
            if cancelled[0]:
                return
            u = uniform((min(piece, config.steps - first), config.batch, kernels.draws(law)), inputs)
            kernels.advance(w, mean, square, u, first, law, counts, config.lr, config.weight_decay, config.l1)
            if not np.isfinite(w).all():
                lost[instance] = first + len(u)
                return

    parallel.for_each(run, range(len(instances)))
    if lost:
        worst = min(lost)
        place = [int(axis) for axis in np.unravel_index(worst, W.shape[:-2])]
        raise checks.diverged(config.lr, place, step=lost[worst])
    return order.restore(W)  # type: ignore[no-any-return]
