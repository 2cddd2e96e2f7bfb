"""Before ``poly`` is imported: its array types are checked in every call that a test makes, here and in workers."""

import os

import jaxtyping

# Set by tests/mutants.py, which brings its own loader.
MUTATED = bool(os.environ.get("POLY_MUTATED"))
# Not sparsify: numba compiles its functions from their source.
TYPED = [
    f"poly.{name}"
    for name in ("checks", "expected", "flow", "inference", "metrics", "model", "noise", "theory", "training")
]
if not MUTATED:
    # As everywhere in Python's type system, an int is welcome where a float is asked for.
    jaxtyping.install_import_hook(TYPED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
