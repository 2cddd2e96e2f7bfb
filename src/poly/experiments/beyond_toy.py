"""Train networks in which an assumption of the toy fails: neurons are scarce, features meet, or hidden units rectify.

Each function trains the paper's starts, and counts shared neurons beside what is there without the change.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, cooccurrence, flow, interventions, metrics, model, untied
from poly.experiments import surgery
from poly.experiments.final_weights import train_from

Array = NDArray[Any]
# Noise of the starts near a code, as a part of each row's length.
NOISE = 0.6
# Enough steps that features whose pairs are pushed apart find a neuron; four times the released number.
STEPS = 30_000
# The square of the paper's window, as decimal numbers: in floating point 0.8² is not 0.64.
_SQUARE = (0.64, 1.44)


class Scarce(NamedTuple):
    """Results from a random start and, if n ≤ 2m, from it near a code with as few shared neurons as there can be.

    ``shared`` and ``features`` as in ``surgery.measure``. ``error``: ``Σ_i ‖y − e_i‖²``. ``impurity``: Π of the neurons
    by ablation, see ``impurity``.
    """

    shared: Int[Array, " starts"]
    features: Int[Array, " starts"]
    error: Float[Array, " starts"]
    impurity: Float[Array, " starts"]


def scarce(*, n: int, m: int, l1: float, method: str, draw: int, generator: torch.Generator) -> Scarce:
    """Train a random start, and if n ≤ 2m one near a code, with any number m ≥ 2 of neurons.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 2.
        l1: λ > 0, in the units of ``model.loss``.
        method: "flow", or "adamw", as released but four times as long.
        draw: a whole number ≥ 0. The function does not use it; a sweep gives each value a stream of its own.
        generator: source of the start.

    Returns:
        Scarce.

    Raises:
        ValueError: bad input.
    """
    l1 = _checked(l1, draw)
    W = model.init(n, checks.count("m", m, at_least=2), generator=generator)
    starts = [W, interventions.near_code(W, NOISE)] if n <= 2 * m else [W]
    ends = train_from(torch.cat(starts), l1, method, generator, steps=STEPS)
    found = surgery.measure(ends, l1)
    return Scarce(
        shared=found["shared"],
        features=found["features"],
        error=model.loss(ends).numpy(),
        impurity=np.array([impurity(end, end.mT) for end in ends]),
    )


class Changed(NamedTuple):
    """Results of one start: trained unchanged, and after each change.

    ``shared`` and ``loss`` as in ``surgery.measure``, ``impurity`` as in ``Scarce``.
    """

    shared: Int[Array, " starts"]
    loss: Float[Array, " starts"]
    impurity: Float[Array, " starts"]


def changed(*, n: int, m: int, l1: float, draw: int, generator: torch.Generator) -> Changed:
    """Train a start as it is, and after each change of ``changes_at``, to the end of the gradient flow.

    Args:
        n: features, ≥ 2.
        m, l1, draw: as in ``scarce``.
        generator: source of the start.

    Returns:
        Changed: first the usual start, then the changes in their order.

    Raises:
        ValueError: bad input.
    """
    l1 = _checked(l1, draw)
    names = changes_at(checks.count("n", n, at_least=2), checks.count("m", m, at_least=2))
    W = model.init(n, m, generator=generator)
    starts = [W, *(surgery.CHANGES[name](W, generator) for name in names)]
    ends = flow.flow(torch.cat(starts), l1, progress=False).W
    found = surgery.measure(ends, l1)
    pure = np.array([impurity(end, end.mT) for end in ends])
    return Changed(shared=found["shared"], loss=found["loss"], impurity=pure)


def changes_at(n: int, m: int) -> tuple[str, ...]:
    """Return the names of those changes in the set "every" of ``surgery`` that make sense for n features and m neurons.

    Raises:
        ValueError: n or m is no whole number ≥ 1.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    wide = () if n <= m else ("distinct favorites", "orthogonal rows")
    return tuple(
        name for name in surgery.SETS["every"] if name not in wide and (n <= 2 * m or not name.startswith("code"))
    )


class Met(NamedTuple):
    """Networks of a cell: trained on inputs where features meet from the start on, or only after they have formed.

    Two values for each network: early and late. ``formed``: shared neurons when the late ones begin, at the end of the
    gradient flow. ``error``: ``E‖y − x‖²/p``.
    """

    shared: Int[Array, "networks 2"]
    features: Int[Array, "networks 2"]
    error: Float[Array, "networks 2"]
    formed: Int[Array, " networks"]


def meeting(
    *,
    n: int,
    m: int,
    l1: float,
    p: float,
    networks: int,
    draw: int,
    steps: int = STEPS,
    inputs: int = 4096,
    generator: torch.Generator,
) -> Met:
    """Train networks on inputs in which features meet: from their starts, and from the end of gradient flow.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ > 0, in the units of ``model.loss``.
        p: in (0, 1).
        networks: how many, each with a start of its own.
        draw: as in ``scarce``.
        steps: of AdamW with learning rate 10⁻³, weight decay 0.01 and batches of 64.
        inputs: drawn to measure errors.
        generator: source of the starts, then of all inputs.

    Returns:
        Met.

    Raises:
        ValueError: bad input, or what ``cooccurrence.train`` refuses.
    """
    l1 = _checked(l1, draw)
    config = cooccurrence.Config(p=p, steps=steps, l1=l1)
    W = model.init(n, m, instances=networks, generator=generator)
    formed = flow.flow(W, l1, progress=False).W
    both = torch.stack([W, formed], 1).float()
    ends = cooccurrence.train(both, config, generator=generator).double()
    found = surgery.measure(ends, l1)
    x = cooccurrence.sample(n, config, batch=inputs, generator=generator)
    error = (torch.relu(x @ ends @ ends.mT) - x).square().sum(-1).mean(-1) * cooccurrence.weight(n, config)
    return Met(found["shared"], found["features"], error.numpy(), metrics.polysemantic_neurons(formed).numpy())


class Related(NamedTuple):
    """Networks of a cell whose features come in groups, or differ in frequency.

    ``shared`` and ``features`` as in ``surgery.measure``. ``inside``, ``across``: pairs of features, within a group and
    of two groups, that a neuron carries with opposite signs in the paper's window.
    """

    shared: Int[Array, " networks"]
    features: Int[Array, " networks"]
    inside: Int[Array, " networks"]
    across: Int[Array, " networks"]


def related(
    *,
    n: int,
    m: int,
    l1: float,
    p: float,
    group: int = 1,
    within: float = 0.0,
    exponent: float = 0.0,
    networks: int,
    draw: int,
    steps: int = STEPS,
    generator: torch.Generator,
) -> Related:
    """Train networks on features that are on in groups, or that differ in frequency.

    Args:
        n, m, l1, networks, draw, steps: as in ``meeting``.
        p, group, within, exponent: as in ``cooccurrence.Inputs``.
        generator: source of the starts, then of all inputs.

    Returns:
        Related.

    Raises:
        ValueError: bad input, or what ``cooccurrence.train`` refuses.
    """
    l1 = _checked(l1, draw)
    config = cooccurrence.Config(p=p, group=group, within=within, exponent=exponent, steps=steps, l1=l1)
    networks = checks.count("networks", networks)
    W = model.init(n, m, instances=networks, generator=generator)
    ends = cooccurrence.train(W.float(), config, generator=generator).double()
    found = surgery.measure(ends, l1)
    pairs = metrics.collisions(ends).benign
    inside = metrics.collisions(ends.reshape(networks, n // group, group, m)).benign.sum(-1)
    return Related(found["shared"], found["features"], inside.numpy(), (pairs - inside).numpy())


class Rectified(NamedTuple):
    """Untied networks from one start, without and with a ReLU in the hidden layer: two values each.

    A neuron carries feature i if its product of weights ``E_ik D_ki`` is in the square of the paper's window, from 0.64
    to 1.44. ``shared``: neurons that carry at least two. ``features``: that some neuron carries. ``helped``: shared
    neurons of which some feature has a product of 0.05 or more on another neuron, too. ``error`` and
    ``impurity`` as in ``Scarce``.
    """

    shared: Int[Array, "2"]
    features: Int[Array, "2"]
    helped: Int[Array, "2"]
    error: Float[Array, "2"]
    impurity: Float[Array, "2"]


def rectified(
    *, n: int, m: int, l1: float, draw: int, active: int = 1, steps: int = STEPS, generator: torch.Generator
) -> Rectified:
    """Train untied weights and biases from a tied start, with linear and with ReLU units.

    The penalty is λ/2n on each weight beside the mean over inputs, times the number of their features. So a pair of
    equal weights pays what the tied one pays.

    Args:
        n, m, l1, draw: as in ``scarce``.
        active: features of every input, from 1 to n.
        steps: of AdamW with learning rate 10⁻³, weight decay 0.01 and batches of 64.
        generator: source of the start, then of all inputs.

    Returns:
        Rectified.

    Raises:
        ValueError: bad input, or what ``untied.train`` refuses.
    """
    l1, active = _checked(l1, draw), checks.count("active", active)
    if active > checks.count("n", n):
        raise ValueError(f"active={active!r}: must be at most the n = {n} features")
    W = model.init(n, m, generator=generator)[0].float()
    start = untied.Network(W, W.mT.contiguous(), torch.zeros(n, dtype=W.dtype, device=W.device))
    found = []
    for relu in (False, True):
        penalty = active * l1 / (2 * len(W))
        config = untied.UntiedConfig(steps=steps, batch=64, active=active, groups=1, l1=penalty, rectified=relu)
        end = untied.train(start, config, generator=generator)
        encoder, decoder, bias = (part.double() for part in end)
        carried = encoder * decoder.mT
        held = (carried >= _SQUARE[0]) & (carried <= _SQUARE[1])
        shared = held.sum(0) >= 2
        elsewhere = (carried.abs() >= 0.05).sum(-1) > 1
        helped = sum(bool(elsewhere[held[:, k]].any()) for k in shared.nonzero()[:, 0].tolist())
        basis = torch.eye(len(W), dtype=torch.float64)
        output = untied.reconstruct(untied.Network(encoder, decoder, bias), basis, rectified=relu)
        error = float((output - basis).square().sum())
        pure = impurity(torch.relu(encoder) if relu else encoder, decoder, bias)
        found.append([int(shared.sum()), int(held.any(-1).sum()), helped, error, pure])
    whole, parts = np.array(found).T[:3].astype(np.int64), np.array(found).T[3:]
    return Rectified(*whole, *parts)


def impurity(
    hidden: Float[Tensor, "n m"], readout: Float[Tensor, "m n"], bias: Float[Tensor, " n"] | float = 0.0
) -> float:
    """Compute Π of the neurons of ``y = ReLU(h V + b)`` on inputs with one feature each, by ablation.

    The gain ``g_kt`` is the rise of ``Σ_i (y_t − δ_it)²`` when neuron k is set to 0 on every input. ``Π = 1 − Σ_k max_t
    g_kt / Σ_kt g_kt``. Where each feature has one neuron, it is the number of shared neurons by the number of features.

    Args:
        hidden: h, one row for each input.
        readout: V.
        bias: b.
    """
    basis = torch.eye(len(hidden), dtype=hidden.dtype)
    before = hidden @ readout + bias
    error = (torch.relu(before) - basis).square().sum(0)
    without = before - hidden.mT[:, :, None] * readout[:, None, :]  # (m, inputs, n)
    gains = (torch.relu(without) - basis).square().sum(1) - error
    # All inputs are known, so both halves of the folds are the whole.
    return metrics.impurity(torch.stack([gains, gains]).numpy()).value


def _checked(l1: float, draw: int) -> float:
    checks.count("draw", draw, at_least=0)
    return checks.positive("l1", l1)
