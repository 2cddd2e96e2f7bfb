import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from inference.draws import rng
from poly import inference


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


@pytest.mark.parametrize("instances", [5, 16])
def test_bootstrap_covers_with_few_instances(instances: int) -> None:
    draws = rng(1).standard_normal((600, instances))
    found = [inference.bootstrap(row, generator=rng(i)) for i, row in enumerate(draws)]
    covered = np.mean([low <= 0 <= high for _, low, high in found])
    assert 0.93 < covered < 0.975  # plain percentiles: 0.86 and 0.93


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


def test_bootstrap_resamples_whole_instances() -> None:
    # The sum of a row is 10 in every instance, and so in every resample that keeps rows together.
    first = rng(6).normal(size=12)
    values = np.column_stack([first, 10 - first])
    assert inference.bootstrap(values, lambda x, axis: x.mean(axis).sum(), generator=rng()) == pytest.approx((10,) * 3)


def test_bootstrap_of_rows_is_the_bootstrap_of_their_statistic() -> None:
    values = rng(6).normal(size=(15, 2, 3))
    found = inference.bootstrap(values, lambda x, axis: x.mean(axis).sum(), generator=rng(3))
    assert found == pytest.approx(inference.bootstrap(values.sum(axis=(1, 2)), generator=rng(3)))


@pytest.mark.parametrize(
    "values", [[], [1.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]], [[1.0], [math.nan]], np.ones((3, 0)), 3.0]
)
def test_bootstrap_rejects_bad_values(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^values: has shape .*, must be finite numbers of at least two instances$"):
        inference.bootstrap(values, generator=rng())


def test_bootstrap_rejects_words() -> None:
    with pytest.raises(ValueError, match=r"^values=\['a', 'b'\]: must be an array of real numbers"):
        inference.bootstrap(["a", "b"], generator=rng())


def test_bootstrap_by_a_seed_is_that_by_its_generator() -> None:
    values = np.arange(9.0)
    by_seed = inference.bootstrap(values, seed=3)
    assert by_seed == inference.bootstrap(values, generator=np.random.default_rng(3))
    assert by_seed == inference.bootstrap(values, seed=3)
    with pytest.raises(ValueError, match=r"^seed=3: must be None where there is a generator$"):
        inference.bootstrap(values, seed=3, generator=rng())
    with pytest.raises(ValueError, match=r"^seed=-1: must be a whole number ≥ 0$"):
        inference.bootstrap(values, seed=-1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore::scipy.stats.DegenerateDataWarning")
def test_a_statistic_must_be_a_function_and_give_a_number() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^statistic='mean': must be a function$"):
        inference.bootstrap([1.0, 2.0], "mean", generator=rng)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^statistic: gives shape \(2,\), must give one number$"):
        inference.bootstrap([[1.0, 2.0], [3.0, 4.0]], generator=rng)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"^statistic: gives nan on the values or on a resample, must give a finite"),
    ):
        inference.bootstrap([1.0, 2.0], lambda x, axis=None: np.full(np.shape(np.mean(x, axis)), np.nan), generator=rng)


def test_slope_of_instances_is_the_bootstrap_of_their_slopes() -> None:
    x = np.array([0.0, 1.0, 2.0])
    y = rng(19).normal(size=(9, 3))
    # Over three evenly spaced points, the middle one has no say.
    expected = inference.bootstrap((y[:, 2] - y[:, 0]) / 2, generator=rng(20), confidence=0.9)
    assert inference.slope(x, y, generator=rng(20), confidence=0.9) == pytest.approx(expected)


@pytest.mark.parametrize("pairs", [[[1, 2]], [1, 2], [[1, 2, 3], [1, 2, 3]], [[1, np.nan], [1, 2]]])
def test_a_ratio_needs_pairs(pairs: Any) -> None:
    with pytest.raises(ValueError, match=r"^pairs: has shape .*, must be \(instances, 2\), finite, of at least two"):
        inference.ratio(pairs, generator=np.random.default_rng(0))


def poisson_groups(seed: int) -> tuple[list[np.ndarray], list[list[float]]]:
    means = [[4.0, 9.0], [2.0], [30.0, 1.0, 6.0]]
    draws = rng(seed)
    return [draws.poisson(mean, (40, len(mean))) for mean in means], means


def test_ratio_of_totals_is_that_of_all_counts_and_covers() -> None:
    found = []
    for seed in range(200):
        counts, means = poisson_groups(seed)
        found.append(inference.ratio_of_totals(counts, means, generator=rng(1000 + seed), resamples=200))
    counts, _ = poisson_groups(199)
    assert found[-1].measured == pytest.approx(sum(group.sum() for group in counts) / (40 * 52))
    # 0.95 by construction; one standard error is 0.015.
    assert np.mean([low <= 1 <= high for _, low, high in found]) == pytest.approx(0.94, abs=0.05)


def test_ratio_of_totals_resamples_whole_instances() -> None:
    counts = np.column_stack([[1, 5, 2, 8], [9, 5, 8, 2]])  # the two points of an instance add up to ten
    assert inference.ratio_of_totals([counts], [[4, 6]], generator=rng()) == pytest.approx((1, 1, 1))


def test_variance_ratio_is_one_where_counts_scatter_as_expected_and_covers() -> None:
    found = []
    for seed in range(200):
        counts, means = poisson_groups(seed)
        found.append(inference.variance_ratio(counts, means, generator=rng(1000 + seed), resamples=200))
    assert np.mean([each.measured for each in found]) == pytest.approx(1, abs=0.03)
    assert np.mean([low <= 1 <= high for _, low, high in found]) == pytest.approx(0.93, abs=0.06)


@pytest.mark.parametrize("of", [inference.ratio_of_totals, inference.variance_ratio])
@pytest.mark.parametrize(
    ("counts", "expected", "error"),
    [
        ([], [], "counts, expected: have shapes"),
        ([[[1, 2]]], [[1.0]], "counts, expected: have shapes"),
        ([[[1], [2]]], [[0.0]], "must have|must be > 0"),
    ],
)
def test_groups_that_do_not_fit_are_refused(
    of: Callable[..., object], counts: list[object], expected: list[object], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        of(counts, expected, generator=rng())


def test_a_ratio_of_sums_has_the_interval_of_the_bootstrap() -> None:
    pairs = np.add(np.random.default_rng(2).integers(1, 50, (7, 2)), [0, 20])
    slow = inference.bootstrap(
        pairs, lambda both, axis: np.divide(*np.moveaxis(both.sum(axis), -1, 0)), generator=np.random.default_rng(5)
    )
    fast = inference.ratio(pairs, generator=np.random.default_rng(5))
    np.testing.assert_allclose(fast, slow, rtol=1e-14)
    assert inference.ratio(pairs, generator=np.random.default_rng(5), confidence=0.5).high < fast.high


def test_a_ratio_by_a_seed_is_that_by_its_generator() -> None:
    pairs = rng(3).poisson(5, (20, 2))
    assert inference.ratio(pairs, seed=4) == inference.ratio(pairs, generator=rng(4))
    with pytest.raises(ValueError, match=r"^seed=4: must be None where there is a generator"):
        inference.ratio(pairs, seed=4, generator=rng(4))
    with pytest.raises(ValueError, match=r"^seed=-1: must be a whole number ≥ 0"):
        inference.ratio(pairs, seed=-1)
    with pytest.raises(ValueError, match=r"^generator"):
        inference.ratio(pairs)


def test_a_ratio_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must give a finite number$"):
        inference.ratio([[1, 0], [2, 0]], generator=np.random.default_rng(0))


def test_a_rank_correlation_is_of_means_over_instances() -> None:
    source = np.random.default_rng(0)
    x = np.arange(6) + 0.01 * source.standard_normal((10, 6))
    x[0, 2] = np.nan
    y = -(x**3)
    found = inference.rank_correlation(x, y, generator=np.random.default_rng(1))
    assert found == (-1, -1, -1)
    noisy = inference.rank_correlation(x, source.standard_normal((10, 6)), generator=np.random.default_rng(1))
    assert noisy.low <= noisy.measured <= noisy.high
    assert noisy.high - noisy.low > 0.3


@pytest.mark.parametrize(
    ("x", "y"), [([[1, 2, 3]], [[1, 2, 3]]), ([[1, 2]] * 3, [[1, 2]] * 3), ([[1, 2, 3]] * 2, [1, 2])]
)
def test_a_rank_correlation_needs_instances_and_points(x: list[Any], y: list[Any]) -> None:
    with pytest.raises(ValueError, match="must be equal: instances ≥ 2, points ≥ 3"):
        inference.rank_correlation(x, y, generator=np.random.default_rng(1))


def test_a_ratio_of_counts_has_an_interval_where_nothing_varies() -> None:
    usual = rng(1).poisson(6, 100)
    same = inference.ratio_of_counts(np.stack([usual, usual], 1), seed=0)
    assert same == (1, 1 - inference.wilson(0, 100).high, 1)
    few = np.where(np.arange(100) < 4, 1, 0)
    found = inference.ratio_of_counts(np.stack([few, usual], 1), seed=0)
    assert found == inference.poisson_rate(few, usual.mean())
    none = inference.ratio_of_counts(np.stack([few * 0, usual], 1), seed=0)
    assert none.measured == none.low == 0 < none.high < 0.01
    many = np.stack([usual // 2, usual], 1)
    assert inference.ratio_of_counts(many, seed=3) == inference.ratio(many, generator=rng(3))
    parts = np.stack([few / 4, usual], 1)  # not counts
    assert inference.ratio_of_counts(parts, seed=3) == inference.ratio(parts, generator=rng(3))
    with pytest.raises(ValueError, match=r"pairs: has shape \(3,\)"):
        inference.ratio_of_counts([1.0, 2.0, 3.0], seed=0)


@pytest.mark.filterwarnings("error")
def test_values_that_are_all_the_same_have_no_spread() -> None:
    assert inference.bootstrap([0.25] * 5, seed=0) == (0.25, 0.25, 0.25)
    assert inference.bootstrap([[1.0, 2.0]] * 4, lambda x, axis: x.sum(), seed=0) == (12, 12, 12)
    assert inference.ratio([[1.0, 4.0]] * 3, generator=rng()) == (0.25, 0.25, 0.25)
