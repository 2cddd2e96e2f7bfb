import itertools
from collections import Counter
from math import exp, log, pi

import numpy as np
import pytest
import torch

from poly import law, model, theory

CONSTANTS = law.Constants(0.27, 0.16)


def test_crowding_is_the_negative_overlap_at_the_start() -> None:
    W = model.init(40, 90, instances=300, generator=torch.Generator().manual_seed(0))
    overlap = W @ W.mT
    found = (-overlap).clamp(min=0).sum(-1).mean().item()  # lengths are positive and add nothing
    assert law.crowding(40, 90) == pytest.approx(39 / (2 * pi * 90) ** 0.5)
    assert found == pytest.approx(law.crowding(40, 90), rel=0.01)
    assert law.crowding(1, 5) == 0


def test_a_crowd_is_locked_from_a_few_expected_pairs_on() -> None:
    for m in (100, 10_000):
        n = 1 + round((2 * pi * m) ** 0.5)
        assert law.crowding(n, m) == pytest.approx(1, rel=0.03)
        assert theory.polysemantic_neurons(n, m) == pytest.approx(pi / 2, rel=0.1)


def test_the_locked_race_begins_with_nearly_all_weights_and_ends_with_a_third_of_n() -> None:
    assert law.locked_race(64, 256, 0.0) == pytest.approx(log(3 * 256 / 64))
    assert law.locked_race(64, 256, 1e-3) == pytest.approx(log(12), abs=0.05)
    alive = theory.gaussian_row([8.0], 1024, 0.025).survivors[0]
    assert law.locked_race(64, 1024, 0.1) == pytest.approx(log(3 * alive / 64))
    assert law.locked_race(64, 32, 0.5) == 0


def test_the_factor_by_hand() -> None:
    kappa, length = 255 / (2 * pi * 1024) ** 0.5, log(3 * 1024 / 256)
    expected = exp(length * (0.16 * log(kappa) ** 2 - 0.27 * log(kappa)))
    assert law.factor(256, 1024, 0.0, CONSTANTS) == pytest.approx(expected)
    assert law.factor(4, 1024, 1e-3, CONSTANTS) == 1


def test_odds_of_one_are_slots_and_others_are_slots_weighted() -> None:
    plain, same = theory.slots(9, 8), law.slots_with_odds(9, 8, 1.0)
    np.testing.assert_allclose(same.pmf(np.arange(6)), plain.pmf(np.arange(6)), atol=1e-14)
    n, m, odds = 4, 3, 2.5
    weight: Counter[int] = Counter()
    for slots in itertools.combinations(range(2 * m), n):
        pairs = sum(2 * k in slots and 2 * k + 1 in slots for k in range(m))
        weight[pairs] += 1
    whole = sum(number * odds**k for k, number in weight.items())
    found = law.slots_with_odds(n, m, odds)
    for k, number in weight.items():
        assert found.pmf(k) == pytest.approx(number * odds**k / whole)


@pytest.mark.parametrize(("n", "m", "mean"), [(64, 128, 6.1), (256, 256, 70.0), (2, 8, 0.07), (32, 4096, 0.06)])
def test_odds_give_any_mean(n: int, m: int, mean: float) -> None:
    found = law.slots_with_mean(n, m, mean)
    assert found.mean() == pytest.approx(mean)
    assert 0 < found.var() <= mean * 1.0001


def test_fewer_pairs_scatter_less_than_more() -> None:
    law_of_less = law.slots_with_mean(64, 128, 6.0)
    assert law_of_less.var() < theory.slots(64, 128).var()
    found = law.counts(64, 128, 1e-3, CONSTANTS)
    assert found.mean() == pytest.approx(theory.slots(64, 128).mean() * law.factor(64, 128, 1e-3, CONSTANTS))


def test_a_fit_finds_the_constants_that_made_the_numbers() -> None:
    sizes = [(32, 32, 1e-3), (64, 256, 1e-3), (256, 512, 1e-2), (256, 256, 1e-3), (8, 512, 1e-3)]
    means = np.array([law.counts(*size, CONSTANTS).mean() for size in sizes])
    assert law.fit(sizes, means, 0.01 * means) == pytest.approx(CONSTANTS)
    # The last size says nothing of the constants, and a measurement of great error hardly anything.
    means[-1] *= 2
    assert law.fit(sizes, means, 0.01 * means) == pytest.approx(CONSTANTS)
    means[0] *= 2
    errors = np.array([1e6, *0.01 * means[1:]])
    assert law.fit(sizes, means, errors) == pytest.approx(CONSTANTS, rel=1e-6)


def test_bad_input_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"odds=0\.0: must be"):
        law.slots_with_odds(4, 4, 0.0)
    with pytest.raises(ValueError, match=r"mean=3\.0: must be > .* and < 2 for n=4, m=4"):
        law.slots_with_mean(4, 4, 3.0)
    with pytest.raises(ValueError, match="a=nan: must be"):
        law.factor(4, 4, 0.1, law.Constants(float("nan"), 0.0))
    with pytest.raises(ValueError, match=r"means, errors: have shapes \(1,\) and \(2,\), must be \(2,\), as sizes"):
        law.fit([(32, 32, 0.1), (64, 64, 0.1)], [1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="means, errors: must be finite numbers > 0"):
        law.fit([(32, 32, 0.1), (64, 64, 0.1)], [0.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="must hold two or more sizes with locked crowds"):
        law.fit([(2, 32, 0.1), (2, 64, 0.1)], [0.1, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"l1=-1\.0"):
        law.locked_race(4, 4, -1.0)
