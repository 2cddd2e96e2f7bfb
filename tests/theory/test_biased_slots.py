import itertools
from collections import Counter
from math import exp, log, pi
from pathlib import Path

import numpy as np
import pytest
import torch

from poly import model, theory
from poly.experiments import trajectories
from poly.press.chapters import read_notebook
from poly.theory import biased_slots

CONSTANTS = biased_slots.Constants(0.27, 0.16)


def test_crowding_is_the_negative_overlap_at_the_start() -> None:
    W = model.init(40, 90, instances=300, generator=torch.Generator().manual_seed(0))
    overlap = W @ W.mT
    found = (-overlap).clamp(min=0).sum(-1).mean().item()  # lengths are positive and add nothing
    assert biased_slots.kappa(40, 90) == pytest.approx(39 / (2 * pi * 90) ** 0.5)
    assert found == pytest.approx(biased_slots.kappa(40, 90), rel=0.01)
    assert biased_slots.kappa(1, 5) == 0


def test_a_crowd_is_locked_from_a_few_expected_pairs_on() -> None:
    for m in (100, 10_000):
        n = 1 + round((2 * pi * m) ** 0.5)
        assert biased_slots.kappa(n, m) == pytest.approx(1, rel=0.03)
        assert theory.polysemantic_neurons(n, m) == pytest.approx(pi / 2, rel=0.1)


def test_room_is_filled_as_far_as_there_is_crowding_and_no_further_than_one() -> None:
    assert biased_slots.negative_overlap(1, 9) == 0
    assert biased_slots.negative_overlap(4, 10_000) == pytest.approx(biased_slots.kappa(4, 10_000), rel=1e-6)
    assert biased_slots.negative_overlap(2000, 64) == pytest.approx(1, abs=1e-4)
    n, m = 1 + round((2 * pi * 1e4) ** 0.5), 10_000  # κ = 1
    assert biased_slots.negative_overlap(n, m) == pytest.approx(2 ** (-1 / 3), rel=2e-3)


def test_room_and_letting_go_are_as_seen_in_networks() -> None:
    for n, m in ((32, 32), (32, 256)):
        seen = trajectories.trajectory(
            n=n, m=m, l1=1e-3, method="flow", records=61, generator=torch.Generator().manual_seed(n + m)
        )
        race = int(np.abs(np.log(np.maximum(seen.t, 1e-9) / 10)).argmin())
        assert seen.negative_overlap[race] == pytest.approx(biased_slots.negative_overlap(n, m), abs=0.12)
        overlap, left = seen.overlap[race:], seen.survivors[race:]
        top = int(overlap.argmax())
        below = top + int((overlap[top:] < overlap[top] / 2).argmax())
        assert left[below] < 1.4 * biased_slots.release_width(n, m)
        assert left[below - 1] > biased_slots.release_width(n, m) / 1.4


def test_the_locked_race_begins_with_nearly_all_weights_and_ends_where_the_crowd_lets_go() -> None:
    assert biased_slots.release_width(64, 225) == pytest.approx(1.3 * 17)
    assert biased_slots.locked_duration(64, 225, 0.0) == pytest.approx(log(225 / (1.3 * 17)))
    assert biased_slots.locked_duration(64, 225, 1e-3) == pytest.approx(log(225 / (1.3 * 17)), abs=0.05)
    alive = theory.gaussian_row([8.0], 1024, 0.0075).survivors[0]
    assert biased_slots.locked_duration(64, 1024, 0.03) == pytest.approx(
        log(alive / biased_slots.release_width(64, 1024))
    )
    assert biased_slots.locked_duration(64, 32, 0.5) == 0


def test_two_rows_alone_share_as_often_as_the_pair_law_says() -> None:
    """Draw random rows, remove the positive part of their overlap, and compare favorites; nothing is trained."""
    for m in (8, 32):
        W = model.init(2, m, instances=400_000, generator=torch.Generator().manual_seed(m))
        one, other = (W / W.norm(dim=-1, keepdim=True)).unbind(1)
        positive = (one * other).sum(-1, keepdim=True).clamp(min=0)
        half = (1 - (1 - positive**2).sqrt()) / positive.clamp(min=1e-12)  # turned alike, until they are orthogonal
        one, other = one - half * other, other - half * one
        k, same = one.abs().argmax(-1), one.abs().argmax(-1) == other.abs().argmax(-1)
        signs = one.gather(-1, k[:, None]) * other.gather(-1, k[:, None])
        found = (same & (signs[:, 0] < 0)).double().mean().item() / theory.slots(2, m).mean()
        assert found == pytest.approx(biased_slots.pair_surplus(m), abs=0.05)


def test_the_factor_by_hand() -> None:
    kappa, length = 255 / (2 * pi * 1024) ** 0.5, log(1024 / (1.3 * (1024 + 32**2) ** 0.5))
    full = kappa**2 / (1 + kappa**3) ** (2 / 3)
    expected = exp(length**0.5 * (0.16 * log(1 + kappa**2) - 0.27 * full))
    expected *= 1 + (biased_slots.pair_surplus(1024) - 1) * (1 - full)
    assert biased_slots.mean_ratio(256, 1024, 0.0, CONSTANTS) == pytest.approx(expected)
    # Without time for a race, and with no crowd at all, only pairs are left.
    assert biased_slots.mean_ratio(2, 10**6, 1.0, CONSTANTS) == pytest.approx(
        biased_slots.pair_surplus(10**6), rel=1e-3
    )


def test_odds_of_one_are_slots_and_others_are_slots_weighted() -> None:
    plain, same = theory.slots(9, 8), biased_slots.slots_with_odds(9, 8, 1.0)
    np.testing.assert_allclose(same.pmf(np.arange(6)), plain.pmf(np.arange(6)), atol=1e-14)
    n, m, odds = 4, 3, 2.5
    weight: Counter[int] = Counter()
    for slots in itertools.combinations(range(2 * m), n):
        pairs = sum(2 * k in slots and 2 * k + 1 in slots for k in range(m))
        weight[pairs] += 1
    whole = sum(number * odds**k for k, number in weight.items())
    found = biased_slots.slots_with_odds(n, m, odds)
    for k, number in weight.items():
        assert found.pmf(k) == pytest.approx(number * odds**k / whole)


@pytest.mark.parametrize(("n", "m", "mean"), [(64, 128, 6.1), (256, 256, 70.0), (2, 8, 0.07), (32, 4096, 0.06)])
def test_odds_give_any_mean(n: int, m: int, mean: float) -> None:
    found = biased_slots.slots_with_mean(n, m, mean)
    assert found.mean() == pytest.approx(mean)
    assert 0 < found.var() <= mean * 1.0001


def test_fewer_pairs_scatter_less_than_more() -> None:
    law_of_less = biased_slots.slots_with_mean(64, 128, 6.0)
    assert law_of_less.var() < theory.slots(64, 128).var()
    found = biased_slots.counts(64, 128, 1e-3, CONSTANTS)
    assert found.mean() == pytest.approx(
        theory.slots(64, 128).mean() * biased_slots.mean_ratio(64, 128, 1e-3, CONSTANTS)
    )


def test_a_fit_finds_the_constants_that_made_the_numbers() -> None:
    sizes = [(32, 32, 1e-3), (64, 256, 1e-3), (256, 512, 1e-2), (256, 256, 1e-3)]
    means = np.array([biased_slots.counts(*size, CONSTANTS).mean() for size in sizes])
    assert biased_slots.fit(sizes, means, 0.01 * means) == pytest.approx(CONSTANTS)
    # A measurement of great error says hardly anything.
    means[0] *= 2
    errors = np.array([1e6, *0.01 * means[1:]])
    assert biased_slots.fit(sizes, means, errors) == pytest.approx(CONSTANTS, rel=1e-6)


def test_the_constants_are_those_that_the_book_fits() -> None:
    path = Path(__file__).parents[2] / "book" / "appendix-law-of-crowds.ipynb"
    outputs = [output for cell in read_notebook(path).cells for output in cell.get("outputs", [])]
    said = {
        name: str(output["data"])
        for output in outputs
        if (name := output.get("metadata", {}).get("scrapbook", {}).get("name"))
    }
    for name, value in biased_slots.FITTED._asdict().items():
        assert f"{value:.3f} (" in said[f"c6_{name}"]
    assert biased_slots.mean_ratio(64, 256, 1e-3) == biased_slots.mean_ratio(64, 256, 1e-3, biased_slots.FITTED)


def test_where_one_count_only_is_possible_the_law_has_it() -> None:
    assert biased_slots.counts(1, 5, 0.1, CONSTANTS).mean() == 0
    assert biased_slots.counts(8, 4, 0.1, CONSTANTS).pmf(4) == 1


def test_bad_input_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"odds=0\.0: must be"):
        biased_slots.slots_with_odds(4, 4, 0.0)
    with pytest.raises(ValueError, match=r"mean=3\.0: must be > .* and < 2 for n=4, m=4"):
        biased_slots.slots_with_mean(4, 4, 3.0)
    with pytest.raises(ValueError, match="a=nan: must be"):
        biased_slots.mean_ratio(4, 4, 0.1, biased_slots.Constants(float("nan"), 0.0))
    with pytest.raises(ValueError, match=r"means, errors: have shapes \(1,\) and \(2,\), must be \(2,\), as sizes"):
        biased_slots.fit([(32, 32, 0.1), (64, 64, 0.1)], [1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="means, errors: must be finite numbers > 0"):
        biased_slots.fit([(32, 32, 0.1), (64, 64, 0.1)], [0.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="must hold two or more of different crowding, with a race"):
        biased_slots.fit([(64, 64, 3.0), (64, 64, 5.0)], [0.1, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"l1=-1\.0"):
        biased_slots.locked_duration(4, 4, -1.0)
