"""Before ``poly`` is imported: its array types are checked in every call that a test makes."""

import os
import signal
from collections.abc import Iterator

import jaxtyping
import pytest
import torch
from hypothesis import Phase, settings

from opened import Book, opened

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

# Small tensors, many processes.
torch.set_num_threads(1)

# A run in the background of a script has Ctrl-C ignored: tests that press it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every run and machine. A mutant needs one that fails, not the smallest.
PHASES = [Phase.explicit, Phase.generate] + ([] if MUTATED else [Phase.shrink, Phase.explain])
settings.register_profile("poly", derandomize=True, deadline=None, max_examples=60, phases=PHASES)
settings.load_profile("poly")


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Types are not checked here: bad input must meet the function's own ValueError."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def book() -> Iterator[Book]:
    with opened() as found:
        yield found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say each reason for skipped tests once, such as a browser that is not there."""
    for why in sorted({str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}):
        terminalreporter.write_line(why)
