import pytest


@pytest.fixture(autouse=True)
def sweeps_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps compute their cells here: starting processes takes longer, and the tests of sweeps start them."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
