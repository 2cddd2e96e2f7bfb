import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from poly import inference


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_bootstrap_of_a_mean_is_close_to_the_normal_interval() -> None:
    values = rng(1).normal(3, 2, 400)
    found = inference.bootstrap(values, generator=rng())
    half = 1.96 * values.std(ddof=1) / 20
    assert found.measured == values.mean()
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_bootstrap_covers_at_its_confidence() -> None:
    draws = rng(2).normal(size=(200, 30))
    found = [inference.bootstrap(row, generator=rng(i), confidence=0.8) for i, row in enumerate(draws)]
    covered = sum(e.low <= 0 <= e.high for e in found) / 200
    # 0.8 by construction, a little less at 30 values; one standard error is 0.028.
    assert covered == pytest.approx(0.78, abs=0.09)


def test_bootstrap_resamples_from_its_generator_alone() -> None:
    values = rng(1).exponential(size=20)
    first = inference.bootstrap(values, generator=rng(4))
    assert inference.bootstrap(values, generator=rng(4)) == first
    assert inference.bootstrap(values, generator=rng(5)) != first


def test_bootstrap_takes_any_statistic() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 100.0]
    found = inference.bootstrap(values, np.median, generator=rng())
    assert found.measured == 3.0
    assert found.low in values
    assert found.high in values
    assert found.low < 3.0 < found.high


def test_bootstrap_widens_with_confidence() -> None:
    values = rng(3).normal(size=50)
    widths = []
    for confidence in (0.5, 0.9, 0.99):
        found = inference.bootstrap(values, generator=rng(), confidence=confidence)
        widths.append(found.high - found.low)
    assert widths[0] < widths[1] < widths[2]


def test_bootstrap_of_equal_values_is_that_value() -> None:
    assert inference.bootstrap([2.5] * 4, generator=rng()) == (2.5, 2.5, 2.5)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0], [3.0, 4.0]], 3.0])
def test_bootstrap_rejects_bad_values(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^values: has shape .*, must be at least two finite numbers"):
        inference.bootstrap(values, generator=rng())


def test_bootstrap_rejects_words() -> None:
    with pytest.raises(ValueError, match=r"^values=\['a', 'b'\]: must be an array of real numbers"):
        inference.bootstrap(["a", "b"], generator=rng())


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 10), (10, 10), (3, 7), (50, 100), (999, 1000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_wilson_is_its_formula(successes: int, trials: int, confidence: float) -> None:
    p, z = successes / trials, float(stats.norm.ppf((1 + confidence) / 2))
    center = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    found = inference.wilson(successes, trials, confidence=confidence)
    assert found.measured == p
    assert found.low == pytest.approx(max(0.0, center - half), abs=1e-12)
    assert found.high == pytest.approx(min(1.0, center + half), abs=1e-12)


def test_wilson_is_at_95_percent_by_default() -> None:
    assert inference.wilson(3, 7) == inference.wilson(3, 7, confidence=0.95)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("successes", "trials", "message"),
    [
        (8, 7, r"^successes=8: must be ≤ trials=7$"),
        (-1, 7, r"^successes=-1: must be a whole number ≥ 0$"),
        (0, 0, r"^trials=0: must be a whole number ≥ 1$"),
        (0.5, 7, r"^successes=0.5: must be a whole number ≥ 0$"),
    ],
)
def test_wilson_rejects_bad_counts(successes: Any, trials: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inference.wilson(successes, trials)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("confidence", [0, 1, -0.5, 1.5, math.nan, math.inf, None])
def test_bad_confidence(confidence: Any) -> None:
    calls: list[Callable[[], inference.Estimate]] = [
        lambda: inference.bootstrap([1.0, 2.0], generator=rng(), confidence=confidence),
        lambda: inference.wilson(1, 2, confidence=confidence),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=rf"^confidence={confidence!r}: must "):
            call()


def test_bootstrap_wants_a_generator(unchecked: None) -> None:
    with pytest.raises(ValueError, match=r"^generator=3: must be a numpy\.random\.Generator$"):
        inference.bootstrap([1.0, 2.0], generator=3)  # type: ignore[arg-type]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore::scipy.stats.DegenerateDataWarning")
def test_a_statistic_must_be_a_function_and_give_a_number() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^statistic='mean': must be a function$"):
        inference.bootstrap([1.0, 2.0], "mean", generator=rng)  # type: ignore[arg-type]
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"^statistic: gives nan on the values or on a resample, must give a finite"),
    ):
        inference.bootstrap([1.0, 2.0], lambda x, axis=None: np.full(np.shape(np.mean(x, axis)), np.nan), generator=rng)
