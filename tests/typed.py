"""Import this before ``poly``: array types are then checked in every call of a test, here and in workers."""

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
    """A finder that leaves modules that numba compiles as they are."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a compiled module as Python does; return None for others, so that the next finder is asked."""
        return PathFinder.find_spec(name, path, target) if name in COMPILED else None


if not MUTATED:
    # As everywhere in Python's type system, an int is welcome where a float is asked for.
    jaxtyping.install_import_hook(TYPED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
    sys.meta_path.insert(0, Compiled())
