"""Train networks on handwritten digits in several ways, and measure what each costs and how pure its units are.

The digits are those that scikit-learn bundles: 1,797 images of 8 × 8 pixels in ten classes. One test set is the same
for all networks. Splits vary the images to train on. No arm needs to know what a unit should serve.
``sweep.sweep(digits.train_arms, …)`` runs a grid of splits.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from poly import checks, metrics, mlp, parallel, tasks
from poly.experiments import masks
from poly.experiments.arms import Arm, activity, begin, dealt_impurity, fitter, sizes
from poly.experiments.arms import trials as trials_of
from poly.mlp import Network

Array = NDArray[Any]
PIXELS, CLASSES, UNITS, BATCH, STEPS = 64, 10, 64, 64, 3000
# Images of the one test set, of a validation set, and of a training set with few labels.
TEST, VALIDATION, FEW = 360, 288, 100
# Parts of the images that gains are measured on.
FOLDS = 8
# The standard deviation of noise on pixels, and the size of an attack; pixels are from 0 to 1.
NOISE, ATTACK = 0.3, 0.1
# How many times as many units the arm "wide" has, with the same number of weights; the share that "pruned" keeps.
WIDER, KEPT = 4, 0.25
_PERMUTATIONS = 20

ARMS = ("default", "l1-weights", "l1-hidden", "bias", "dropout", "noise", "pruned", "wide", "untrained")
# The trials of the pilots, twelve for each arm: learning rates, and strengths where there is one.
_RATES, _FEW_RATES = tuple(float(f"{lr:.1e}") for lr in np.geomspace(3e-4, 3e-2, 12)), (1e-3, 3e-3, 1e-2)
_STRENGTHS = {
    "l1-weights": (1e-5, 1e-4, 3e-4, 1e-3),
    "l1-hidden": (3e-4, 1e-3, 3e-3, 1e-2),
    "bias": (0.0, 0.1, 0.3, 1.0),
    "dropout": (0.05, 0.1, 0.2, 0.5),
    "noise": (0.03, 0.1, 0.3, 1.0),
}


class Measured(NamedTuple):
    """What is measured of each arm: how well it does on images that it has not seen, and how pure its units are.

    ``loss``: the mean of −ln of the right class's probability. ``accuracy``: share of right answers. ``noisy_loss`` and
    ``noisy_accuracy``: with noise on pixels. ``attacked_loss`` and ``attacked_accuracy``: with each pixel moved by
    ``ATTACK`` in the direction that raises the loss (FGSM, Goodfellow et al. 2015).

    ``impurity`` and ``negative``: of ``metrics.impurity`` by mean ablation and class, on the images of training: on
    others a few wrong answers decide the loss, and gains cancel. ``held_negative``: the share of negative gains on
    those. ``squares``: Π from squares of gains. ``permuted``: Π if gains were dealt to units at random.
    ``selectivity``: the mean class-selectivity index of live units. ``live``: units that vary. ``weights``: nonzero
    weights.
    """

    loss: Float[Array, " arms"]
    accuracy: Float[Array, " arms"]
    noisy_loss: Float[Array, " arms"]
    noisy_accuracy: Float[Array, " arms"]
    attacked_loss: Float[Array, " arms"]
    attacked_accuracy: Float[Array, " arms"]
    impurity: Float[Array, " arms"]
    negative: Float[Array, " arms"]
    held_negative: Float[Array, " arms"]
    squares: Float[Array, " arms"]
    permuted: Float[Array, " arms"]
    selectivity: Float[Array, " arms"]
    live: Float[Array, " arms"]
    weights: Float[Array, " arms"]


class Images(NamedTuple):
    """Images to train on and images to measure with, and their classes; ``held``: numbers of the latter."""

    x: Float[Array, "examples pixels"]
    y: Int[Array, " examples"]
    held_x: Float[Array, "held pixels"]
    held_y: Int[Array, " held"]
    held: Int[Array, " held"]


def trials(name: str) -> tuple[Arm, ...]:
    """List the twelve settings of an arm that the pilots try; of "untrained", twelve penalties on the readout."""
    checks.one_of("name", name, ARMS)
    if name == "untrained":
        return tuple(Arm(name, 1.0, float(f"{c:.1e}")) for c in np.geomspace(1e-2, 1e3, 12))
    return trials_of(name, rates=_RATES, few_rates=_FEW_RATES, strengths=_STRENGTHS)


def images(split: int, labels: str, held: str) -> Images:
    """Split the digits: one test set for all splits, and a validation set and a training set by the split's number.

    Args:
        split: its number.
        labels: "all" for a training set of all other images, "few" for ``FEW`` of them, drawn at random.
        held: "test" or "validation", the set to measure with.

    Raises:
        ValueError: another word, or a number below 0.
    """
    checks.one_of("labels", labels, ("all", "few"))
    checks.one_of("held", held, ("test", "validation"))
    X, y = tasks.digits()
    others, test = tasks.split(len(X), (len(X) - TEST, TEST), seed=0)
    validation, train = tasks.split(len(others), (VALIDATION, len(others) - VALIDATION), seed=split)
    if labels == "few":
        train = np.random.default_rng(split).permutation(train)[:FEW]
    chosen = test if held == "test" else others[validation]
    return Images(X[others[train]], y[others[train]], X[chosen], y[chosen], chosen)


def train_arms(
    *,
    split: int,
    labels: str,
    held: str,
    arms: str | Sequence[tuple[str, float, float]],
    steps: int,
    generator: torch.Generator,
) -> Measured:
    """Train the given arms on one split, with the same seeds for starts and batches, and measure them.

    Args:
        split, labels, held: as for ``images``.
        arms: "tuned", as the pilots have chosen; or a list, each of the form of ``Arm``.
        steps: batches of 64 that each arm is trained on.
        generator: source of start, batches and noise.

    Raises:
        ValueError: an unknown arm, or numbers out of their range.
    """
    checks.count("split", split, at_least=0)
    data, steps = images(split, labels, held), checks.count("steps", steps)
    seeds = parallel.seeds(generator, 4)
    chosen = chosen_arms(arms, labels) if isinstance(arms, str) else tuple(Arm(*each) for each in arms)
    rows = [measure(train(arm, data, steps=steps, seeds=seeds[:3]), data, seed=seeds[3]) for arm in chosen]
    return Measured(*np.array(rows).T)


def chosen_arms(name: str, labels: str) -> tuple[Arm, ...]:
    """Return the arms as the pilots have chosen them for "all" or "few" labels.

    Raises:
        ValueError: another word.
    """
    checks.one_of("arms", name, ("tuned",))
    checks.one_of("labels", labels, tuple(TUNED))
    return tuple(Arm(each, *TUNED[labels][each]) for each in ARMS)


def train(arm: Arm, data: Images, *, steps: int, seeds: Sequence[int], units: int = UNITS) -> Network:
    """Train one arm.

    Args:
        arm: "default", or with a penalty, noise or dropout; "bias" starts biases at −1, and they decay; "pruned" keeps
            a quarter of the weights from half of the steps on, the largest; "wide" has four times as many units, of
            whose weights a random quarter is there, twice as large at the start; "untrained" has the hidden layer of
            the start and a readout by logistic regression, its strength is the inverse of the penalty.
        data: to train on.
        steps: batches.
        seeds: of start, batches, and noise.
        units: hidden units.

    Raises:
        ValueError: an unknown arm.
    """
    checks.one_of("arm", arm.name, ARMS)
    sources = [torch.Generator().manual_seed(seed) for seed in seeds]
    width = units * WIDER if arm.name == "wide" else units
    start = mlp.init(PIXELS, width, CLASSES, generator=sources[0], dtype=torch.float32)
    if arm.name == "untrained":
        return _readout(start, data, arm.strength)
    stream = tasks.DatasetStream(data.x, data.y, batch=BATCH, classes=CLASSES, generator=sources[1])
    fit = fitter(arm, stream, steps, loss="cross-entropy", generator=sources[2])
    if arm.name == "pruned":
        half = fit(start, part=0.5)
        kept = masks.largest(half, round(KEPT * half.W1.numel()), round(KEPT * half.W2.numel()))
        return fit(half, kept, part=0.5)
    if arm.name == "wide":
        return fit(*masks.thinned(start, WIDER, generator=sources[2]))
    start, added = begin(arm, start)
    return fit(start, **added)


class Units(NamedTuple):
    """What the units of a network read and gain: incoming weights by pixel, and gains by class."""

    reads: Float[Array, "pixels units"]
    gains: Float[Array, "units classes"]


def units(*, split: int, name: str, steps: int, generator: torch.Generator) -> Units:
    """Train one arm with all labels, and look at its units.

    Args:
        split: as for ``images``.
        name: of the arm.
        steps: batches.
        generator: source of start, batches and noise.
    """
    checks.one_of("name", name, ARMS)
    data = images(split, "all", "test")
    seeds = parallel.seeds(generator, 3)
    network = train(Arm(name, *TUNED["all"][name]), data, steps=steps, seeds=seeds)
    return Units(reads=network.W1.numpy(), gains=_gains(network, data.x, data.y).mean(axis=0))


class Losses(NamedTuple):
    """The loss of each held image, and its number in the data set: as it is, with noise on pixels, and attacked."""

    image: Int[Array, " held"]
    clean: Float[Array, " held"]
    noisy: Float[Array, " held"]
    attacked: Float[Array, " held"]


def losses(*, split: int, name: str, held: str, steps: int, generator: torch.Generator) -> Losses:
    """Train one arm with all labels, and look at each held image.

    Args:
        split, held: as for ``images``.
        name: of the arm.
        steps: batches.
        generator: source of start, batches and noise.
    """
    checks.one_of("name", name, ARMS)
    data = images(split, "all", held)
    seeds = parallel.seeds(generator, 4)
    network = train(Arm(name, *TUNED["all"][name]), data, steps=steps, seeds=seeds[:3])
    double = Network(*(part.double() for part in network))
    y = torch.from_numpy(data.held_y)
    clean, noisy, moved = (
        torch.nn.functional.cross_entropy(mlp.output(double, x), y, reduction="none").numpy()
        for x in _conditions(double, data, np.random.default_rng(seeds[3]))
    )
    return Losses(image=data.held, clean=clean, noisy=noisy, attacked=moved)


def _conditions(network: Network, data: Images, rng: np.random.Generator) -> list[torch.Tensor]:
    """Return the held images: as they are, with noise on pixels, and attacked."""
    x = torch.from_numpy(data.held_x)
    return [x, x + torch.from_numpy(rng.normal(0, NOISE, x.shape)), attacked(network, x, data.held_y)]


def _readout(start: Network, data: Images, strength: float) -> Network:
    """Return the network with a readout by penalized logistic regression (scikit-learn)."""
    hidden = mlp.hidden(start, torch.from_numpy(data.x).float()).double().numpy()
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # takes a second, and starts threads of its own

    with threadpool_limits(1):
        found = LogisticRegression(C=strength, max_iter=2000).fit(hidden, data.y)
    W2, b2 = torch.zeros(hidden.shape[1], CLASSES), torch.full((CLASSES,), -20.0)
    # A small training set may lack a class.
    W2[:, found.classes_], b2[found.classes_] = (torch.from_numpy(x).float() for x in (found.coef_.T, found.intercept_))
    return start._replace(W2=W2, b2=b2)


def measure(network: Network, data: Images, *, seed: int) -> list[float]:
    """Measure one network, in the order of ``Measured``."""
    double = Network(*(part.double() for part in network))
    x, y = data.held_x, data.held_y
    rng = np.random.default_rng(seed)
    scores = [_score(double, inputs, y) for inputs in _conditions(double, data, rng)]
    gains, held_gains = _gains(network, data.x, data.y), _gains(network, x, y)
    found, dealt = metrics.impurity(gains), dealt_impurity(gains, _PERMUTATIONS, rng)
    hidden, _ = activity(network, x)
    live = np.ptp(hidden, axis=0) > 0
    selectivity = metrics.class_selectivity(hidden[:, live], y).mean() if live.any() else np.nan
    return [
        *(number for score in scores for number in score),
        found.value,
        found.negative,
        metrics.impurity(held_gains).negative,
        metrics.impurity_of_squares(gains),
        dealt,
        float(selectivity),
        *sizes(network, hidden),
    ]


def _gains(network: Network, x: Float[Array, "examples pixels"], y: Int[Array, " examples"]) -> Array:
    """Compute the gains of all units by class."""
    hidden, outputs = activity(network, x)
    return metrics.cross_entropy_gains(hidden, network.W2.double().numpy(), outputs, y, folds=FOLDS)


def attacked(network: Network, x: torch.Tensor, y: Int[Array, " examples"]) -> torch.Tensor:
    """Move each pixel by ``ATTACK`` in the direction that raises the loss; pixels stay in [0, 1]."""
    inputs = x.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(mlp.output(network, inputs), torch.from_numpy(y), reduction="sum")
    (slope,) = torch.autograd.grad(loss, inputs)
    return (x + ATTACK * slope.sign()).clamp(0, 1)


def _score(network: Network, x: torch.Tensor, y: Int[Array, " examples"]) -> tuple[float, float]:
    """Return the mean loss and the share of right answers."""
    outputs = mlp.output(network, x)
    loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(y))
    return loss.item(), float((outputs.argmax(1).numpy() == y).mean())


# Settings that the pilots have chosen (``tasks_archive.choose``), by labels: learning rate and strength.
TUNED: dict[str, dict[str, tuple[float, float]]] = {
    "all": {
        "default": (0.0037, 0.0),
        "l1-weights": (0.01, 0.0003),
        "l1-hidden": (0.01, 0.01),
        "bias": (0.01, 1.0),
        "dropout": (0.01, 0.2),
        "noise": (0.01, 0.1),
        "pruned": (0.0085, 0.0),
        "wide": (0.0085, 0.0),
        "untrained": (1.0, 120.0),
    },
    "few": {
        "default": (0.00046, 0.0),
        "l1-weights": (0.003, 0.001),
        "l1-hidden": (0.003, 0.01),
        "bias": (0.001, 1.0),
        "dropout": (0.001, 0.5),
        "noise": (0.001, 1.0),
        "pruned": (0.00069, 0.0),
        "wide": (0.00069, 0.0),
        "untrained": (1.0, 120.0),
    },
}
