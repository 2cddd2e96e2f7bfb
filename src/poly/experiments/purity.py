"""Train one task in several ways, and measure what each costs and how pure its units are.

The task is that of ``tasks.clauses``. All arms of a cell have the same clauses and, as far as they can, the same start
and batches.
``sweep.sweep(purity.train_arms, …)`` runs a grid of widths, probabilities and clause draws.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, metrics, mlp, parallel, tasks
from poly.audit.gains import withheld
from poly.experiments import masks
from poly.experiments.arms import (
    SETTING,
    SOLVED,
    STRENGTHS,
    Arm,
    activity,
    begin,
    dealt_impurity,
    fitter,
    sizes,
    squared_error_gains,
)
from poly.experiments.arms import price as price_above
from poly.experiments.arms import trials as trials_of
from poly.mlp import Network

Array = NDArray[Any]
BITS, CLAUSES = 32, 16
# Inputs to measure with, how many of them show what units read, and the folds of both.
EXAMPLES, READING, FOLDS = 32_768, 8_192, 16
# The share of all steps that fine-tuning after a repair takes.
TUNING = 0.1
# How many times as many units the arm "wide" has, with the same number of nonzero weights.
WIDER = 4
# A unit is divided if more than this share of its gains goes to other outputs than its own.
_IMPURE = 0.1
# Settings that the pilots have chosen (``purity_archive.choose``): by probability, at 16 units and at 64. The first are
# for up to ``NARROW`` units.
NARROW = 16
TUNED: dict[float, tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]]] = {
    0.1: (
        {
            "default": (0.0062, 0.0),
            "rate": (0.0062, 0.0),
            "oracle": (0.0018, 0.0),
            "oracle-released": (0.0018, 0.0),
            "pruned": (0.014, 0.0),
            "pruned-released": (0.0062, 0.0),
            "l1-hidden": (0.005, 4e-4),
            "l1-weights": (0.005, 1e-6),
            "bias": (0.005, 0.3),
            "dropout": (0.005, 0.2),
            "noise": (0.015, 0.03),
            "repaired": (0.014, 0.0),
            "wide": (0.0018, 0.0),
        },
        {
            "default": (0.0062, 0.0),
            "rate": (0.022, 0.0),
            "oracle": (0.0041, 0.0),
            "oracle-released": (0.0041, 0.0),
            "pruned": (0.014, 0.0),
            "pruned-released": (0.0062, 0.0),
            "l1-hidden": (0.015, 4e-4),
            "l1-weights": (0.015, 3e-6),
            "bias": (0.005, 0.3),
            "dropout": (0.015, 0.05),
            "noise": (0.015, 0.01),
            "repaired": (0.022, 0.0),
            "wide": (0.0062, 0.0),
        },
    ),
    0.5: (
        {
            "default": (0.0041, 0.0),
            "rate": (0.0041, 0.0),
            "oracle": (0.0062, 0.0),
            "oracle-released": (0.0027, 0.0),
            "pruned": (0.0041, 0.0),
            "pruned-released": (0.0041, 0.0),
            "l1-hidden": (0.005, 4e-4),
            "l1-weights": (0.005, 3e-6),
            "bias": (0.005, 1.0),
            "dropout": (0.0015, 0.05),
            "noise": (0.005, 0.01),
            "repaired": (0.0062, 0.0),
            "wide": (0.0027, 0.0),
        },
        {
            "default": (0.0041, 0.0),
            "rate": (0.022, 0.0),
            "oracle": (0.0041, 0.0),
            "oracle-released": (0.0041, 0.0),
            "pruned": (0.0062, 0.0),
            "pruned-released": (0.0041, 0.0),
            "l1-hidden": (0.015, 4e-4),
            "l1-weights": (0.015, 3e-5),
            "bias": (0.015, 0.1),
            "dropout": (0.015, 0.02),
            "noise": (0.015, 0.1),
            "repaired": (0.014, 0.0),
            "wide": (0.014, 0.0),
        },
    ),
}
_PERMUTATIONS = 50

# The ways to train:
# - default: nothing is added. The learning rate falls to 0 over all steps.
# - oracle: unit j reads and writes clause j only, counted modulo the number of clauses. Weights start positive and
#   biases at 0.
# - oracle-released: so in the first half of the steps; all weights are free in the second half.
# - pruned: default in the first half; then only the largest weights stay, as many as the oracle has. The learning rate
#   falls to 0 in each half.
# - pruned-released: so, but all weights are free again in the last quarter.
# - l1-hidden, l1-weights: an ℓ1 penalty on activations or weights; the strength is its λ.
# - bias: hidden biases start at −1 and decay; the strength is the decay.
# - dropout, noise: on hidden activations; the strength is the probability or the standard deviation.
# - repaired: default in nine tenths of the steps; then impure units are divided between themselves and dead units
#   (``repair``), and the network is fine-tuned. The learning rate falls to 0 in both parts.
# - wide: four times as many units, of whose weights a random quarter is there, twice as large at the start.
# - untrained: the hidden layer of the start, with the best linear readout.
# - rate: default, with the largest learning rate at which all pilots solve the task.
ARMS = (
    "default",
    "oracle",
    "oracle-released",
    "pruned",
    "pruned-released",
    "l1-hidden",
    "l1-weights",
    "bias",
    "dropout",
    "noise",
    "repaired",
    "wide",
    "untrained",
    "rate",
)
# Those that pilots choose settings for, and those of them that are meant to make units purer.
PILOTED = ARMS[:-2]
KNOBS = (*SETTING, "repaired")


# The trials of the pilots, as many for each arm, where there is a strength.
_STRENGTHS = STRENGTHS | {"l1-weights": (1e-6, 3e-6, 1e-5, 3e-5)}


def trials(name: str) -> tuple[Arm, ...]:
    """List the twelve settings of an arm that the pilots try."""
    checks.one_of("name", name, ARMS)
    return trials_of(name, strengths=_STRENGTHS)


class Measured(NamedTuple):
    """What is measured of each arm on fresh inputs.

    ``loss``: squared error per output. ``impurity`` and ``negative``: of ``metrics.impurity`` by mean ablation.
    ``withheld``: 1 if the impurity tells nothing (``audit.gains.withheld``). ``squares``: Π from
    squares of gains. ``grouped``: Π of whole groups of units. ``reading``: Π of what units read. ``permuted``: Π if
    gains were dealt to units at random, a mean over deals. ``rotated``: Π in a random basis. ``live``: units that vary.
    ``weights``: nonzero weights. All are NaN for an arm that is not available. ``pairs``, of the first arm alone: the
    share of all gains that units which serve clause s most have for clause t.
    """

    loss: Float[Array, " arms"]
    impurity: Float[Array, " arms"]
    negative: Float[Array, " arms"]
    withheld: Float[Array, " arms"]
    squares: Float[Array, " arms"]
    grouped: Float[Array, " arms"]
    reading: Float[Array, " arms"]
    permuted: Float[Array, " arms"]
    rotated: Float[Array, " arms"]
    live: Float[Array, " arms"]
    weights: Float[Array, " arms"]
    pairs: Float[Array, "clauses clauses"]


def train_arms(
    *,
    p: float,
    m: int,
    draw: int,
    arms: str | Sequence[tuple[str, float, float]],
    steps: int,
    generator: torch.Generator,
) -> Measured:
    """Train all arms on the clauses of a draw, from one start and on the same batches, and measure them.

    Args:
        p: probability of a 1.
        m: hidden units.
        draw: number of the clause draw.
        arms: "tuned", as the pilots have chosen; "long", two of these; or a list, each of the form of ``Arm``.
        steps: batches of 256 that each arm is trained on.
        generator: source of start, batches, noise and the inputs to measure with.

    Raises:
        ValueError: an unknown arm, or numbers out of their range.
    """
    task = clauses(draw)
    seeds = parallel.seeds(generator, 4)
    chosen = chosen_arms(arms, p, m) if isinstance(arms, str) else tuple(Arm(*each) for each in arms)
    rows, pairs = [], np.full((CLAUSES, CLAUSES), np.nan)
    for k, arm in enumerate(chosen):
        found = train(arm, task, p=p, m=m, steps=steps, seeds=seeds[:3])
        if found is None:
            rows.append([np.nan] * (len(Measured._fields) - 1))
            continue
        row, together = measure(found, task, p=p, seed=seeds[3])
        rows.append(row)
        pairs = together if k == 0 else pairs
    return Measured(*[*np.array(rows).T, pairs])


def chosen_arms(name: str, p: float, m: int) -> tuple[Arm, ...]:
    """Return the arms as the pilots have chosen them, at 16 units for up to 16 units and else at 64.

    Args:
        name: "tuned" for all arms, "long" for default and oracle-released.
        p: one of the pilots' probabilities.
        m: hidden units.

    Raises:
        ValueError: another name, or a probability that pilots did not have.
    """
    checks.one_of("arms", name, ("tuned", "long"))
    checks.one_of("p", p, tuple(TUNED))
    settings = TUNED[p][0 if m <= NARROW else 1] | {"untrained": (1.0, 0.0)}
    names = ARMS if name == "tuned" else ("default", "oracle-released")
    return tuple(Arm(each, *settings[each]) for each in names)


def price(loss: Float[Array, "..."], other: Float[Array, "..."], p: float) -> Float[Array, "..."]:
    """Compute how much more one network costs than another, ``ln(max(L, ε) / max(L′, ε))``.

    ε is a thousandth of the loss of the best linear model: networks that solve the task cost the same.

    Args:
        loss, other: L and L′.
        p: probability of a 1.
    """
    return price_above(loss, other, SOLVED * tasks.linear_loss(p))


def clauses(draw: int) -> tasks.Clauses:
    """Return the clauses of a draw."""
    source = torch.Generator().manual_seed(checks.count("draw", draw, at_least=0))
    return tasks.clauses(BITS, CLAUSES, generator=source)


def train(arm: Arm, task: tasks.Clauses, *, p: float, m: int, steps: int, seeds: Sequence[int]) -> Network | None:
    """Train one arm; return None if it is not available.

    Args:
        arm: the arm.
        task: the clauses.
        p, m, steps: as for ``train_arms``.
        seeds: of start, batches, and noise.
    """
    checks.one_of("arm", arm.name, ARMS)
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]
    width = m * WIDER if arm.name == "wide" else m
    start = mlp.init(BITS, width, CLAUSES, generator=sources[0], dtype=torch.float32)
    stream = tasks.AndStream(task.bits, p, d=BITS, generator=sources[1])
    fit = fitter(arm, stream, steps, generator=sources[2])
    if arm.name == "untrained":
        return _readout(start, stream)
    if arm.name == "repaired":
        divided = repair(fit(start, part=1 - TUNING), stream)
        return divided and fit(*divided, part=TUNING)
    if arm.name in ("pruned", "pruned-released"):
        half = fit(start, part=0.5)
        release = steps // 4 if "released" in arm.name else None
        return fit(half, masks.largest(half, 2 * m, m), part=0.5, release=release)
    if arm.name in ("oracle", "oracle-released"):
        release = steps // 2 if "released" in arm.name else None
        return fit(_alive(start), _oracle(task, m), release=release)
    if arm.name == "wide":
        return fit(*masks.thinned(start, WIDER, generator=sources[2]))
    start, added = begin(arm, start)
    return fit(start, **added)


def _oracle(task: tasks.Clauses, m: int) -> Network:
    """Return the masks with which unit j reads and writes clause j, counted modulo the number of clauses."""
    W1, W2 = torch.zeros(BITS, m), torch.zeros(m, CLAUSES)
    for j in range(m):
        clause = j % CLAUSES
        W1[task.bits[clause], j] = 1
        W2[j, clause] = 1
    return Network(W1=W1, b1=torch.ones(m), W2=W2, b2=torch.ones(CLAUSES))


def _alive(start: Network) -> Network:
    """Make all weights positive and all biases 0, so that every unit is active for some input."""
    return Network(W1=start.W1.abs(), b1=start.b1 * 0, W2=start.W2.abs(), b2=start.b2 * 0)


def _drawn(
    stream: tasks.AndStream, examples: int
) -> tuple[Float[Array, "examples d"], Float[Array, "examples clauses"]]:
    """Draw fresh inputs and their outputs, in float64."""
    x, y = stream.draw(examples // stream.batch, np.float64)
    return x.reshape(examples, -1), y.reshape(examples, -1)


def _arrays(network: Network) -> list[Array]:
    """Copy the parts of a network to float64."""
    return [part.double().numpy().copy() for part in network]


def _readout(start: Network, stream: tasks.AndStream) -> Network:
    """Return the network with the readout of least squared error."""
    x, y = _drawn(stream, EXAMPLES)
    hidden, _ = activity(start, x)
    solved = np.linalg.lstsq(np.column_stack([hidden, np.ones(len(x))]), y, rcond=None)[0]
    W2, b2 = torch.from_numpy(solved[:-1]), torch.from_numpy(solved[-1])
    return start._replace(W2=W2.to(start.W2), b2=b2.to(start.b2))


def repair(network: Network, stream: tasks.AndStream) -> tuple[Network, Network] | None:
    """Divide impure units between themselves and dead units, and prune what both read.

    A dead unit was active for none of the inputs drawn. The most impure unit comes first. Its incoming weights and bias
    are copied to a dead unit. It keeps the outgoing weight to the output that it serves most, and the copy gets the
    others. This leaves the outputs for these inputs as they are. Then both keep the two inputs that each gains most
    from.

    Args:
        network: as trained.
        stream: source of inputs to measure with.

    Returns:
        The divided network and its masks, or None if no unit is dead.
    """
    x, y = _drawn(stream, READING)
    W1, b1, W2, b2 = _arrays(network)
    hidden, errors, (gains,) = squared_error_gains(network, x, y, folds=1)
    dead = np.flatnonzero(hidden.max(axis=0) == 0)
    if not len(dead):
        return None
    impure = gains.sum(axis=1) - gains.max(axis=1)
    units = [unit for unit in np.argsort(-impure) if impure[unit] > _IMPURE * gains[unit].sum()]
    pairs = list(zip(units, dead, strict=False))
    for unit, free in pairs:
        W1[:, free], b1[free] = W1[:, unit], b1[unit]
        W2[free] = W2[unit]
        own = gains[unit].argmax()
        W2[free, own] = 0
        W2[unit, np.arange(CLAUSES) != own] = 0
    read = metrics.reading_gains(x, W1, b1, W2, errors, folds=1)[0]
    mask = np.ones_like(W1)
    for unit in (each for pair in pairs for each in pair):
        mask[:, unit] = 0
        mask[np.argsort(-read[unit])[:2], unit] = 1
    parts = (torch.from_numpy(part).to(torch.float32) for part in (W1, b1, W2, b2))
    masks = Network(*(torch.ones_like(part) for part in network))._replace(W1=torch.from_numpy(mask).float())
    return Network(*parts), masks


def measure(
    network: Network, task: tasks.Clauses, *, p: float, seed: int
) -> tuple[list[float], Float[Array, "clauses clauses"]]:
    """Measure one network on fresh inputs, in the order of ``Measured``; return also ``pairs``."""
    generator = torch.Generator().manual_seed(seed)
    x, y = _drawn(tasks.AndStream(task.bits, p, d=BITS, batch=EXAMPLES, generator=generator), EXAMPLES)
    W1, b1, W2, _ = _arrays(network)
    hidden, errors, gains = squared_error_gains(network, x, y, folds=FOLDS)
    found = metrics.impurity(gains)
    rng = np.random.default_rng(seed)
    dealt = dealt_impurity(gains, _PERMUTATIONS, rng)
    mean = gains.mean(axis=0)
    serves = mean.argmax(axis=1)
    # The groups come from the first half of the inputs, and their gains from the second.
    chosen = gains[: FOLDS // 2].mean(axis=0).argmax(axis=1)
    second = slice(EXAMPLES // 2, None)
    whole = metrics.group_gains(hidden[second], W2, errors[second], chosen, folds=FOLDS)
    together = np.zeros((CLAUSES, CLAUSES))
    np.add.at(together, serves, mean / (mean.sum() or np.nan))
    few = slice(READING)
    read = metrics.reading_gains(x[few], W1, b1, W2, errors[few], folds=FOLDS)
    row = [
        float(np.square(errors).mean()),
        found.value,
        found.negative,
        float(bool(withheld(found))),
        metrics.impurity_of_squares(gains),
        metrics.impurity(whole).value,
        metrics.reading_impurity(read, task.bits).value,
        dealt,
        rotated(hidden, W2, errors, rng),
        *sizes(network, hidden),
    ]
    return row, together


def rotated(
    hidden: Float[Array, "examples m"],
    readout: Float[Array, "m clauses"],
    errors: Float[Array, "examples clauses"],
    generator: np.random.Generator,
) -> float:
    """Compute Π of a hidden layer that is rotated at random behind the ReLU; the readout undoes the rotation.

    Every unit is measured in its standard deviation, so that the scale of units does not matter.
    """
    lives = np.ptp(hidden, axis=0) > 0
    if not lives.any():
        return np.nan
    scale = hidden[:, lives].std(axis=0)
    basis = np.linalg.qr(generator.standard_normal((len(scale), len(scale))))[0]
    turned, back = hidden[:, lives] / scale @ basis, basis.T @ (scale[:, None] * readout[lives])
    return metrics.impurity(metrics.squared_error_gains(turned, back, errors, folds=FOLDS)).value
