"""Before ``poly`` is imported: its array types are checked in every call that a test makes, here and in workers."""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

import jaxtyping

# Set by tests/mutants.py, which brings its own loader.
MUTATED = bool(os.environ.get("POLY_MUTATED"))
# Not sparsify: numba compiles its functions from their source.
TYPED = [
    f"poly.{name}"
    for name in ("checks", "expected_loss", "flow", "inference", "metrics", "model", "noise", "theory", "training")
]
COMPILED = {f"poly.flow.{name}" for name in ("dense", "interference", "rkc", "signs", "sparse", "stopping")}
COMPILED |= {"poly.expected_loss.kernels", "poly.training.kernels", "poly.training.minibatch_kernels"}


class Compiled:
    """Load modules that numba compiles as they are."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a compiled module as Python does; None for any other, which the next finder is asked for."""
        return PathFinder.find_spec(name, path, target) if name in COMPILED else None


if not MUTATED:
    # As everywhere in Python's type system, an int is welcome where a float is asked for.
    jaxtyping.install_import_hook(TYPED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
    sys.meta_path.insert(0, Compiled())
