import numpy as np
import pytest

from poly.press.figures import levels
from poly.press.figures.levels import Rule


def redrawn(rng: np.random.Generator, networks: int, points: int, chaotic: float) -> tuple[np.ndarray, np.ndarray]:
    """Make two runs that share a part of each number; rounding changes the rest with probability `chaotic`."""
    start = rng.normal(size=(networks, points))
    first, second = rng.normal(size=(2, networks, points))
    hit = rng.random((networks, points)) < chaotic
    return start + first, start + np.where(hit, second, first)


@pytest.mark.parametrize("chaotic", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("networks", [2, 3, 8, 32])
@pytest.mark.parametrize("whole", [False, True])
def test_what_rounding_does_is_not_reported(chaotic: float, networks: int, whole: bool) -> None:
    """Compare 10,000 numbers in 400 series: at a false-alarm rate of 1e-6, none should be reported."""
    rng = np.random.default_rng(networks)
    for _ in range(400):
        before, after = redrawn(rng, networks, 25, chaotic)
        if whole:
            before, after = np.round(2 * before), np.round(2 * after)
        found = levels.agreement(before, after)
        assert (np.abs(found.shift) <= found.allowed).all()
        assert abs(found.pooled) <= found.pooled_allowed
        assert found.scatter <= found.scatter_allowed


def test_moves_of_either_sign_are_found() -> None:
    """Move points by three standard errors, up and down in turn, so that the mean of the moves is zero."""
    rng = np.random.default_rng(0)
    signs = np.where(np.arange(24) % 2, 3.0, -3.0)
    found = 0
    for _ in range(100):
        before, after = redrawn(rng, 32, 24, 0.1)
        agreed = levels.agreement(before, after + signs * levels.mean(before)[1])
        assert abs(agreed.pooled) <= agreed.pooled_allowed
        found += agreed.scatter > agreed.scatter_allowed
    assert found >= 99


@pytest.mark.parametrize("chaotic", [0.1, 1.0])
def test_three_standard_errors_in_every_number_are_found(chaotic: float) -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(100):
        before, after = redrawn(rng, 32, 25, chaotic)
        agreed = levels.agreement(before, after + 3 * levels.mean(before)[1])
        found += abs(agreed.pooled) > agreed.pooled_allowed
    assert found >= 99


def test_one_number_is_found_from_about_seven_standard_errors() -> None:
    rng = np.random.default_rng(0)
    found = dict.fromkeys((3, 7, 9), 0)
    for _ in range(100):
        before, after = redrawn(rng, 64, 25, 1.0)
        for size in found:
            moved = after.copy()
            moved[:, 4] += size * levels.mean(before)[1][4]
            agreed = levels.agreement(before, moved)
            found[size] += bool(np.abs(agreed.shift[4]) > agreed.allowed[4])
    assert found[3] == 0
    assert found[7] >= 50
    assert found[9] >= 95


def test_numbers_near_zero_may_move_further() -> None:
    before = np.array([1.0, -0.5, 0.011, 0.009, 0.0])
    rule = Rule("rounding", 1e-6, absolute=1e-4, near_zero=2e-3)
    found = levels.band(before, rule)
    np.testing.assert_allclose(found, [1e-4, 1e-4, 1e-4, 2e-3, 2e-3], rtol=0.02)
    assert np.flatnonzero(levels.excess(before, before + 1e-3, rule)).tolist() == [0, 1, 2]
    assert str(rule) == "allowed are ±1e-06 of it ± 0.0001, ± 0.002 near zero (rounding)"


def test_networks_without_a_number_are_left_out() -> None:
    values = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, 5.0]])
    center, error = levels.mean(values)
    np.testing.assert_allclose(center, [2.0, 5.0])
    np.testing.assert_allclose(error, [1 / 3**0.5, np.nan])
    found = levels.agreement(values, values)
    assert (np.abs(found.shift) <= found.allowed).all()
    assert found.pooled == 0


def test_two_numbers_of_networks_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match=r"networks: had shape \(3, 2\), have \(4, 2\), must be the same"):
        levels.agreement(np.zeros((3, 2)), np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule("roughly"), "level='roughly', must be one of exact, rounding, statistical"),  # type: ignore[arg-type]
        (Rule("rounding", 0.0), "tolerance=0.0, must be a number > 0 and < 1"),
        (Rule("rounding", 1e-6, -1.0), "absolute=-1.0, must be a finite number ≥ 0"),
        (Rule("rounding", near_zero=np.nan), "near_zero=nan, must be a finite number ≥ 0"),
    ],
)
def test_rules_are_checked(rule: Rule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        levels.check(rule)
