import numpy as np
import pytest

from poly.cooccurrence import kernels


@pytest.mark.parametrize(
    ("u", "p", "active"),
    [
        ([0.0, 0.9, 0.9, 0.9], 0.5, [0]),
        ([0.0, 0.0, 0.4, 0.6], 0.5, [0, 1]),
        ([0.999, 0.0, 0.0, 0.0], 0.5, [2]),
        ([0.6, 0.0, 0.0, 0.1], 0.5, [1, 2]),
    ],
)
def test_the_first_feature_is_drawn_from_its_law_and_others_by_chance(
    u: list[float], p: float, active: list[int]
) -> None:
    found = np.empty(3, np.int64)
    many = kernels.choose(np.array(u), p, found)
    assert found[:many].tolist() == active


def test_tiny_probabilities_spread_the_first_feature_evenly() -> None:
    found, first = np.empty(4, np.int64), []
    for u in (0.1, 0.3, 0.6, 0.9):
        assert kernels.choose(np.array([u, 0.5, 0.5, 0.5, 0.5]), 1e-12, found) == 1
        first.append(int(found[0]))
    assert first == [0, 1, 2, 3]
