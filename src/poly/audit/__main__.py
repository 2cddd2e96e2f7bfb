"""Audit stored activations: ``python -m poly.audit FILE.npz``.

The file holds plain arrays, no pickles: ``activations`` (examples, units), what a linear readout makes of them,
``weights`` (units, outputs) and optionally ``bias`` (outputs,), and ``targets``. Numbers (examples, outputs) are
outputs: the loss is the squared error of each. Whole numbers (examples,) are classes: the loss is the cross-entropy,
and gains are by class. With --against-rest each class has a loss of its own, −ln p where it is right and −ln(1 − p)
elsewhere; fewer gains are negative then.

For example, with a torch.nn.Linear `head` that reads the activations `h`:

  numpy.savez("layer.npz", activations=h, weights=head.weight.T, bias=head.bias, targets=labels)
  python -m poly.audit layer.npz --against-rest --plot audit.png

The impurity is 0 if each unit serves one group. Compare it with its nulls: gains dealt to units at random, and random
directions. The book's page "Audit your own layer" says what you may conclude.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special

from poly import audit, files

Array = NDArray[Any]


class Stored(NamedTuple):
    """Arrays of a file: activations, their readout, and targets."""

    activations: Array
    weights: Array
    bias: Array
    targets: Array


def load(path: Path) -> Stored:
    """Read a file and check that its arrays fit each other.

    Raises:
        ValueError: a file that is missing, damaged or pickled, or arrays that do not fit.
    """
    found = files.read_arrays(path, ("activations", "weights", "targets"), ("bias",))
    found.setdefault("bias", np.zeros(found["weights"].shape[-1:]))
    stored = Stored(**found)
    H, V, c, y = stored
    fits = H.ndim == V.ndim == 2 and H.shape[1] == len(V) and c.shape == V.shape[1:] and y.shape[:1] == H.shape[:1]
    if not fits or not H.size or not V.size:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in stored._asdict().items())
        raise ValueError(f"{path}: the shapes do not fit: {shapes}")
    for name, value in stored._asdict().items():
        if value.dtype.kind not in "biuf" or not np.isfinite(value).all():
            raise ValueError(f"{path}: {name} must hold finite numbers")
    classes = y.ndim == 1 and y.dtype.kind in "iu"
    if classes and not 0 <= y.min() <= y.max() < V.shape[1]:
        raise ValueError(f"{path}: targets hold {y.min()} to {y.max()}, must be classes from 0 to {V.shape[1] - 1}")
    if not classes and y.shape != (len(H), V.shape[1]):
        raise ValueError(
            f"{path}: targets have shape {y.shape}, must be ({len(H)},) whole numbers or ({len(H)}, {V.shape[1]})"
        )
    return stored


def losses(stored: Stored, *, against_rest: bool = False) -> tuple[Callable[[Array], Array], Array | None]:
    """Return the loss as a function of activations, and the groups, if targets are classes.

    Raises:
        ValueError: classes against the rest, and targets that are no classes.
    """
    _, V, c, y = stored
    if y.ndim == 2:
        if against_rest:
            raise ValueError("--against-rest: targets are outputs, must be classes")
        return lambda H: (H @ V + c - y) ** 2, None
    if against_rest:
        labels = torch.from_numpy(y.astype(np.int64))
        return lambda H: audit.class_losses(torch.from_numpy(H @ V + c), labels).numpy(), None

    def cross_entropy(H: Array) -> Array:
        outputs = H @ V + c
        return special.logsumexp(outputs, axis=1) - outputs[np.arange(len(y)), y]  # type: ignore[no-any-return]

    return cross_entropy, y


def _load_matplotlib() -> None:
    """Load matplotlib without the reader's settings: a damaged file, or a backend that is missing, would end this."""
    os.environ.pop("MPLBACKEND", None)
    os.environ["MATPLOTLIBRC"] = os.devnull  # an empty file
    # A file in this folder would come first. If matplotlib is missing, the report says so.
    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty), contextlib.suppress(ImportError):
        import matplotlib  # noqa: F401, PLC0415  # only the picture needs it


def main() -> int:
    """Audit one file; return 1 if it cannot be read, audited or drawn, or the table cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m poly.audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="an .npz file")
    parser.add_argument("--seed", type=int, default=0, help="of the order of examples and of the nulls (default 0)")
    parser.add_argument("--against-rest", action="store_true", help="give each class a loss of its own")
    parser.add_argument("--no-rotation", action="store_true", help="leave out the null that takes longest")
    parser.add_argument("--table", type=Path, metavar="CSV", help="write a line for each unit")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw gains and impurity")
    options = parser.parse_args()
    try:
        stored = load(options.file)
        loss, groups = losses(stored, against_rest=options.against_rest)
        report = audit.activations(stored.activations, loss, groups, rotated=not options.no_rotation, seed=options.seed)
        print(report.summary)
        if options.table:
            report.table.to_csv(options.table, index=False)
        if options.plot:
            _load_matplotlib()
            report.plot().savefig(options.plot, dpi=150)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
