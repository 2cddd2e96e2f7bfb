"""Data sets: read from a file, split by a seed, drawn in batches."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from poly import checks, files
from poly.tasks.boolean import numpy_generator

Array = NDArray[Any]


class Dataset(NamedTuple):
    """Inputs X and targets y: class labels (examples,), or numbers (examples, outputs)."""

    X: Float[Array, "examples d"]
    y: Shaped[Array, "examples ..."]


def load(path: Path | str) -> Dataset:
    """Read a data set from an ``.npz`` file with the arrays X and y. Pickles are refused.

    Args:
        path: of the file.

    Returns:
        X as float64 (examples, d). Whole numbers y of shape (examples,) are class labels, int64. Other numbers y are
        float64, (examples, outputs); of shape (examples,), they get one output.

    Raises:
        ValueError: a file that is missing, damaged or lacks an array; arrays that are pickled, not finite, or of shapes
            that do not fit.
    """
    arrays = files.read_arrays(path, ("X", "y"))
    return check(arrays["X"], arrays["y"], where=f"{path}: ")


def check(X: object, y: object, where: str = "") -> Dataset:
    """Check inputs and targets, and return them as ``load`` does; raise ValueError if they do not fit."""
    numbers, targets = checks.array(f"{where}X", X), checks.array(f"{where}y", y)  # type: ignore[arg-type]
    if numbers.ndim != 2 or not numbers.size:
        raise ValueError(f"{where}X: has shape {numbers.shape}, must be (examples, d)")
    if targets.ndim not in (1, 2) or len(targets) != len(numbers) or not targets.size:
        raise ValueError(f"{where}y: has shape {targets.shape}, must be ({len(numbers)},) or ({len(numbers)}, outputs)")
    for name, values in (("X", numbers), ("y", targets)):
        if not np.isfinite(values).all():
            raise ValueError(f"{where}{name}: holds NaN or infinity, every entry must be finite")
    if targets.ndim == 1 and np.asarray(y).dtype.kind in "biu":
        if targets.min() < 0:
            raise ValueError(f"{where}y: holds {targets.min():g}, class labels must be ≥ 0")
        return Dataset(numbers, targets.astype(np.int64))
    return Dataset(numbers, targets.reshape(len(targets), -1))


def digits() -> Dataset:
    """Return the handwritten digits that scikit-learn bundles: 1,797 images of 8 × 8 pixels, 0 to 1, in ten classes.

    Source: E. Alpaydin and C. Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415  # takes a second, and starts threads of its own

    X, y = load_digits(return_X_y=True)
    return check(X / 16, y)


def split(examples: int, sizes: tuple[int, ...], *, seed: int) -> list[Int[Array, " part"]]:
    """Split examples into parts at random, the same parts for the same seed.

    Args:
        examples: how many there are.
        sizes: of the parts; together at most ``examples``.
        seed: of the split, a whole number ≥ 0.

    Returns:
        For each part the indices of its examples, in increasing order. No two parts have an example in common.

    Raises:
        ValueError: parts that are larger than all examples, or numbers out of their range.
    """
    examples, seed = checks.count("examples", examples), checks.count("seed", seed, at_least=0)
    wanted = [checks.count("sizes", size) for size in checks.sequence("sizes", sizes)]
    if sum(wanted) > examples:
        raise ValueError(f"sizes={tuple(wanted)}: hold {sum(wanted)} examples, must be at most {examples}")
    order = np.random.default_rng(seed).permutation(examples)
    ends = np.cumsum(wanted)
    return [np.sort(order[end - size : end]) for size, end in zip(wanted, ends, strict=True)]


class DatasetStream:
    """Batches of a data set without end: a new random order for each pass over it."""

    def __init__(
        self,
        X: Float[Array, "examples d"],
        y: Shaped[Array, "examples ..."],
        *,
        batch: int = 64,
        classes: int | None = None,
        generator: torch.Generator,
    ) -> None:
        """Start a stream.

        Args:
            X: inputs.
            y: class labels, which become vectors with one 1, or outputs.
            batch: examples of a batch. A batch may end one pass and begin the next.
            classes: how many there are; None: one more than the largest label.
            generator: its next draw seeds the orders.

        Raises:
            ValueError: arrays that do not fit, a label that is not below ``classes``, or no generator.
        """
        inputs, targets = check(X, y)
        if targets.ndim == 1:
            number = int(targets.max()) + 1 if classes is None else checks.count("classes", classes)
            if classes is None and number > len(targets):
                raise ValueError(f"y: holds the label {targets.max()}, must be below the number of examples")
            if targets.max() >= number:
                raise ValueError(f"y: holds the label {targets.max()}, must be below classes={number}")
            targets = np.eye(number)[targets]
        self._x, self._y = inputs, targets
        self.inputs, self.outputs, self.batch = inputs.shape[1], targets.shape[1], checks.count("batch", batch)
        self._source = numpy_generator(generator)
        self._order = np.zeros(0, np.int64)

    def draw(
        self, batches: int, dtype: Any = np.float32
    ) -> tuple[Float[Array, "batches batch d"], Float[Array, "batches batch outputs"]]:
        """Draw the next batches."""
        wanted = batches * self.batch
        while len(self._order) < wanted:
            self._order = np.concatenate([self._order, self._source.permutation(len(self._x))])
        chosen, self._order = self._order[:wanted], self._order[wanted:]
        x, y = self._x[chosen].astype(dtype), self._y[chosen].astype(dtype)
        return x.reshape(batches, self.batch, -1), y.reshape(batches, self.batch, -1)
