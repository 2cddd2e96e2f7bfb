import pytest


@pytest.fixture(autouse=True)
def sweeps_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run sweeps in this process, as starting others takes longer; the tests of sweeps start them."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
