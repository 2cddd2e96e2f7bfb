import numpy as np
import pytest

from poly.cooccurrence import Inputs, kernels


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
    found, law = np.empty(3, np.int64), Inputs(p=p).law(3)
    many = kernels.choose(np.array(u), law.groups, law.first, found)
    assert found[:many].tolist() == active


def test_tiny_probabilities_spread_the_first_feature_evenly() -> None:
    found, first, law = np.empty(4, np.int64), [], Inputs(p=1e-12).law(4)
    for u in (0.1, 0.3, 0.6, 0.9):
        assert kernels.choose(np.array([u, 0.5, 0.5, 0.5, 0.5]), law.groups, law.first, found) == 1
        first.append(int(found[0]))
    assert first == [0, 1, 2, 3]


def test_a_group_is_drawn_first_and_then_its_features() -> None:
    """Draw the second of two groups of three features, then both; each group has its own uniform numbers."""
    law = Inputs(p=0.2, group=3, within=0.5).law(6)
    scratch, found = np.empty(5, np.int64), np.empty(6, np.int64)
    first, second = [0.0, 0.9, 0.1, 0.9], [0.99, 0.9, 0.9, 0.9]
    assert kernels.draws(law) == 3 + len(first) + len(second)
    for groups, active in (([0.99, 0.0, 0.0], [5]), ([0.0, 0.9, 0.0], [0, 1, 5])):
        many = kernels.draw(np.array([*groups, *first, *second]), law, scratch, found)
        assert found[:many].tolist() == active


def test_exactly_one_feature_of_an_exclusive_group_is_on() -> None:
    law = Inputs(p=0.1, group=4).law(8)
    scratch, found, random = np.empty(6, np.int64), np.empty(8, np.int64), np.random.default_rng(0)
    for _ in range(200):
        many = kernels.draw(random.random(kernels.draws(law)), law, scratch, found)
        assert 1 <= many <= 2
        assert len(set(found[:many] // 4)) == many
