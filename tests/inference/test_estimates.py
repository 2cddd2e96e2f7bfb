import pytest

from poly import inference


def test_bootstrap_wants_a_generator(unchecked: None) -> None:
    with pytest.raises(ValueError, match=r"^generator=3: must be a numpy\.random\.Generator$"):
        inference.bootstrap([1.0, 2.0], generator=3)  # type: ignore[arg-type]


def test_a_test_holds_an_estimate_and_a_p_value() -> None:
    found = inference.dispersion([3, 11, 4, 8, 2])
    assert found == inference.Test(inference.Estimate(*found.estimate), found.p_value)
    assert found.estimate._fields == ("measured", "low", "high")
