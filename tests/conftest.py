"""Settings and fixtures that all tests share."""

import signal
from collections.abc import Iterator

import jaxtyping
import pytest
import torch
from hypothesis import Phase, settings

from typed import MUTATED  # before poly

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
    """Turn off the check of array types, so that bad input meets the function's own ValueError."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each reason for skipped tests once, such as a missing browser."""
    for why in sorted({str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}):
        terminalreporter.write_line(why)
