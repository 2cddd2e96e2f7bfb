"""Average the rise of the loss over folds and groups of examples."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, NDArray

from poly import checks, metrics, parallel
from poly.inference import Estimate, ratio, student

Array = NDArray[Any]
FOLDS = 20
# A group must have an example in two folds of each half.
LEAST = 4
# Above this share of negative gains, sums cancel too much for Π to say anything.
MOST_NEGATIVE = 0.05
# The share of the examples that a wanted interval is first tried with.
_FIRST = 0.125
# The most losses in memory at once: 80 MB.
_MOST_NUMBERS = 10**7


@runtime_checkable
class Ablated(Protocol):
    """Something whose units can be ablated.

    ``base``: the losses without ablation, (examples,) or (examples, groups). ``live``: which units vary.
    """

    base: Float[Array, "examples ..."]
    live: Bool[Array, " units"]

    def losses(self, directions: Array, index: Array) -> Float[Array, "directions chosen ..."]:
        """Return the losses of chosen examples with each direction ablated: units, or vectors (directions, units)."""


class Cells(NamedTuple):
    """Examples of each fold, and of each group in it: ``members`` lists them by fold, then by group."""

    members: list[Array]
    folds: int
    groups: int


def stratified_folds(base: Float[Array, "examples ..."], groups: ArrayLike | None, *, seed: int) -> Cells:
    """Assign examples to folds at random, each group evenly.

    Args:
        base: losses, (examples,) with ``groups``, or (examples, groups) without.
        groups: the class of each example.
        seed: of the order.

    Raises:
        ValueError: groups that do not fit the losses, or a group with too few examples.
    """
    order = np.random.default_rng([seed, 0]).permutation(len(base))
    if base.ndim == 2:
        if groups is not None:
            raise ValueError(f"groups: must be None, because loss gives {base.shape[1]} losses for each example")
        if len(base) < LEAST:
            raise ValueError(f"inputs: hold {len(base)} examples, must be at least {LEAST}")
        if base.shape[1] < 2:
            raise ValueError("loss: gives one column of losses, must be at least two groups")
        folds = min(FOLDS, len(base) // 2 * 2)
        return Cells([order[fold::folds] for fold in range(folds)], folds, base.shape[1])
    if groups is None:
        raise ValueError("groups: is None, must be the class of each example, because loss gives one loss for each")
    numbers = checks.array("groups", groups)
    labels = numbers.astype(np.int64)
    if labels.shape != (len(base),) or (labels != numbers).any() or labels.min() < 0:
        raise ValueError(f"groups: has shape {labels.shape}, must be {len(base)} whole numbers ≥ 0")
    if labels.max() >= len(base):
        raise ValueError(f"groups: holds {labels.max()}, must be whole numbers below the number of groups")
    sizes = np.bincount(labels)
    if len(sizes) < 2:
        raise ValueError("groups: are all 0, must be at least two groups")
    least = int(sizes.argmin())
    if sizes[least] < LEAST:
        raise ValueError(f"groups: group {least} has {sizes[least]} examples, must have at least {LEAST}")
    folds = min(FOLDS, int(sizes[least]) // 2 * 2)
    each = [order[labels[order] == group] for group in range(len(sizes))]
    return Cells([own[fold::folds] for fold in range(folds) for own in each], folds, len(sizes))


def accumulate(
    ablated: Ablated,
    directions: Array,
    cells: Cells,
    *,
    half_width: float | None = None,
    progress: bool | None = None,
) -> tuple[Float[Array, "folds directions groups"], Float[Array, "directions groups"], Cells]:
    """Compute the gains of each direction: by fold, and over all folds; return also the examples that were used.

    Args:
        ablated: what is ablated.
        directions: units, or vectors (directions, units).
        cells: as from ``stratified_folds``.
        half_width: stop adding examples as soon as the interval of Π reaches this far to either side; None: use all.
        progress: as for ``audit.layer``.
    """
    share = 1.0 if half_width is None else _FIRST
    done = [0] * len(cells.members)
    sums = np.zeros((len(directions), len(done), 1 if ablated.base.ndim == 1 else cells.groups))
    while True:
        ends = [max(1, round(share * len(members))) for members in cells.members]
        new = [members[start:end] for members, start, end in zip(cells.members, done, ends, strict=True)]
        sums += _sums(ablated, directions, new, progress)
        done = ends
        counts = np.array(done)[:, None]
        gains = _by_fold(sums / counts, cells)
        if half_width is None or share == 1.0 or not len(directions):
            break
        _, low, high = interval(gains)
        reached = (high - low) / 2
        if not np.isfinite(reached):
            share = 1.0
        elif reached <= half_width:
            break
        else:  # the width falls like one over the square root of the examples
            share = min(1.0, max(2 * share, 1.2 * share * (reached / half_width) ** 2))
    used = [members[:end] for members, end in zip(cells.members, done, strict=True)]
    sizes = np.broadcast_to(counts, sums.shape)
    whole = _by_fold(sums, cells).sum(axis=0) / _by_fold(sizes, cells).sum(axis=0)
    return gains, whole, cells._replace(members=used)


def _by_fold(values: Float[Array, "directions cells columns"], cells: Cells) -> Float[Array, "folds directions groups"]:
    return values.reshape(len(values), cells.folds, cells.groups).swapaxes(0, 1)


def random_directions(units: int, number: int, rng: np.random.Generator) -> Float[Array, "number units"]:
    """Draw directions of random orthonormal bases: of one, or of several where one has too few."""
    rows: list[Array] = []
    while len(rows) < number:
        normal = rng.standard_normal((units, min(units, number - len(rows))))
        rows += list(np.linalg.qr(normal)[0].T)
    return np.stack(rows)


def interval(gains: Float[Array, "folds directions groups"]) -> tuple[float, float, float]:
    """Return Π and its 95 % interval: a bootstrap over folds, for the groups that the other half of them has chosen."""
    found = metrics.impurity(gains)
    if not np.isfinite(found.value) or found.total.sum() <= 0:
        return np.nan, np.nan, np.nan
    pairs = np.stack([found.total - found.own, found.total], axis=1)
    try:
        estimate = ratio(pairs, generator=np.random.default_rng(0))
    except ValueError:  # a resample without gain
        return found.value, -np.inf, np.inf
    return found.value, estimate.low, estimate.high


def total(found: metrics.Impurity) -> Estimate:
    """Estimate the sum of all gains, with Student's 95 % interval over folds."""
    return student(found.total)


def withheld(found: metrics.Impurity) -> str:
    """Say why Π is withheld: its gains may sum to 0 or less, or too many are negative; "" if neither is so."""
    whole = total(found)
    if whole.low <= 0:
        return f"the sum of all gains, {in_words(whole)}, {'is below 0' if whole.high < 0 else 'may be 0'}"
    if found.negative > MOST_NEGATIVE:
        share, most = (f"{100 * value:.{digits}f} %" for value, digits in ((found.negative, 1), (MOST_NEGATIVE, 0)))
        helps = "more examples may help, and for classes a loss for each class: audit.class_losses"
        return f"{share} of the gains are negative, must be at most {most}; {helps}"
    return ""


def in_words(estimate: Estimate) -> str:
    """Write an estimate as "0.12 (0.1 to 0.14)"."""
    return f"{estimate.measured:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"


def _sums(
    ablated: Ablated, directions: Array, cells: list[Array], progress: bool | None
) -> Float[Array, "directions cells groups"]:
    """Sum the rise of the loss over each cell."""
    index = np.concatenate(cells)
    base = ablated.base[index]
    sizes = np.array([len(cell) for cell in cells])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    found = np.zeros((len(directions), len(cells), 1 if base.ndim == 1 else base.shape[1]))
    # Cells without a new example stay as they are: reduceat would take the next one's.
    filled = sizes > 0
    at_once = max(1, _MOST_NUMBERS // max(1, base.size))
    with parallel.bar(len(directions), "unit", "audit", progress) as bar:
        for first in range(0, len(directions), at_once):
            some = directions[first : first + at_once]
            rise = ablated.losses(some, index) - base
            rise = rise[:, :, None] if rise.ndim == 2 else rise
            found[first : first + len(some), filled] = np.add.reduceat(rise, starts[filled], axis=1)
            bar.update(len(some))
    return found
