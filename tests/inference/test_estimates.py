import numpy as np
import pytest
from scipy import stats

from poly import inference


def test_bootstrap_wants_a_generator(unchecked: None) -> None:
    with pytest.raises(ValueError, match=r"^generator=3: must be a numpy\.random\.Generator$"):
        inference.bootstrap([1.0, 2.0], generator=3)  # type: ignore[arg-type]


def test_a_test_holds_an_estimate_and_a_p_value() -> None:
    found = inference.dispersion([3, 11, 4, 8, 2])
    assert found == inference.Test(inference.Estimate(*found.estimate), found.p_value)
    assert found.estimate._fields == ("measured", "low", "high")


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_students_interval_is_that_of_scipy_and_covers_as_often_as_it_says(confidence: float) -> None:
    samples = np.random.default_rng(0).normal(3.0, 2.0, (4000, 5))
    found = np.array([inference.student(each, confidence) for each in samples])
    ends = stats.ttest_1samp(samples[0], 0).confidence_interval(confidence)
    np.testing.assert_allclose(found[0], [samples[0].mean(), *ends], rtol=1e-12)
    covered = ((found[:, 1] < 3.0) & (found[:, 2] > 3.0)).mean()
    assert abs(covered - confidence) < 4 * np.sqrt(confidence * (1 - confidence) / len(samples))


@pytest.mark.parametrize("values", [[1.0], [[1.0, 2.0]], [1.0, np.nan], []])
def test_student_refuses_what_has_no_standard_deviation(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"^values: has shape .*, must be a finite number for each of at least two"):
        inference.student(values)
    with pytest.raises(ValueError, match=r"^confidence=1: must be"):
        inference.student([1.0, 2.0], 1)
