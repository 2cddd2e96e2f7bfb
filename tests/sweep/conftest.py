"""An executor for sweeps under test."""

import pytest

from executors import Here


@pytest.fixture
def here() -> Here:
    return Here()
