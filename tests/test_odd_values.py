"""Values far from any use: they give the right number, or are refused in the caller's words."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from poly import checks, expected_loss, flow, inference, metrics, superposition, theory
from poly.expected_loss import kurtosis
from poly.theory import biased_slots


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e-6, 1.0, 1e10, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_relative_fourth_norm_does_not_depend_on_a_rows_length(size: float, dtype: torch.dtype) -> None:
    W = torch.tensor([[size] * 4, [0.0] * 4, [0.5] * 4, [0.0, 0.0, -size, 0.0]], dtype=dtype)
    assert metrics.fourth_norms(W, relative=True).tolist() == pytest.approx([0.25, 0, 0.25, 1], rel=1e-6)


def test_a_fourth_norm_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^W: holds a weight of size 1e\+10, must be smaller"):
        metrics.fourth_norms(torch.tensor([[1e10]], dtype=torch.float32))


@pytest.mark.parametrize("short", [1e-12, 1e-23, 1e-37])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_short_feature_has_its_dimension(short: float, dtype: torch.dtype) -> None:
    for factor in (1.0, 1e-3):
        W = factor * torch.tensor([[1.0, 0.0], [0.0, short]], dtype=dtype)
        assert metrics.feature_dimensionality(W).tolist() == pytest.approx([1, 1])
    shared = torch.tensor([[1.0, 0.0], [short, 0.0], [0.0, 0.0]], dtype=dtype)
    assert metrics.feature_dimensionality(shared).tolist() == pytest.approx([1, 0, 0], abs=1e-9)


@pytest.mark.parametrize("size", [1e-200, 1e160])
@pytest.mark.parametrize("of", [kurtosis.cost, kurtosis.predicted_rate])
def test_kurtosis_of_extreme_rows_is_refused(of: Callable[..., Any], size: float) -> None:
    W = size * torch.eye(3, dtype=torch.float64) - size / 3
    with pytest.raises(ValueError, match=r"^W: has rows with largest weights from .* must be nearer to 1"):
        of(W, 0.1)


@pytest.mark.parametrize("sparsity", [0.7, [0.3, 0.9], 0, np.array([0.3, 0.9]), np.float64(0.7), torch.tensor(0.7)])
def test_superposition_draws_the_same_whatever_torchs_default_dtype_is(sparsity: Any, unchecked: None) -> None:
    def drawn() -> list[Any]:
        generator = torch.Generator().manual_seed(0)
        x = superposition.sample(5, sparsity, batch=3, generator=generator)
        least = superposition.loss_without_sharing(torch.ones(5, dtype=torch.float64), 2, sparsity)
        return [x.tolist(), least.tolist()]

    usual = drawn()
    torch.set_default_dtype(torch.float64)
    try:
        assert drawn() == usual
    finally:
        torch.set_default_dtype(torch.float32)


def test_masked_values_are_refused() -> None:
    values = np.ma.array([1.0, 2.0, 1e6], mask=[False, False, True])
    with pytest.raises(ValueError, match=r"^values: has masked entries, must hold numbers only"):
        inference.bootstrap(values, generator=np.random.default_rng(0))
    assert checks.array("values", np.ma.array([1.0, 2.0])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("of", [inference.ratio_of_totals, inference.variance_ratio])
@pytest.mark.parametrize("value", [np.nan, np.inf, "1", 1j])
def test_counts_that_are_no_numbers_are_refused(of: Callable[..., Any], value: Any) -> None:
    for counts, means in (([[[1, value], [2, 3]]], [[1, 1]]), ([[[1, 2], [2, 3]]], [[value, 1]])):
        with pytest.raises(ValueError, match=r"^(counts|expected)"):
            of(counts, means, generator=np.random.default_rng(0))


@pytest.mark.usefixtures("unchecked")
def test_what_a_cache_holds_lets_nothing_through() -> None:
    biased_slots.mean_ratio(8, 16, 0.01)
    biased_slots.pair_surplus(8)
    for call in (
        lambda: biased_slots.mean_ratio(8, 16, 0.01 + 0j),  # type: ignore[arg-type]
        lambda: biased_slots.mean_ratio(8.0, 16, 0.01),  # type: ignore[arg-type]
        lambda: biased_slots.pair_surplus(8.0),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=r"^(l1|n|m)="):
            call()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("value", [torch.tensor([1]), np.array([1]), torch.tensor([[2]])])
def test_a_list_of_one_number_is_no_count(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^seeds=.*must be a whole number"):
        checks.count("seeds", value)
    assert checks.count("seeds", value.reshape(())) == value.item()


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.gaussian_row([1e-200], 10, 0.1),
        lambda: theory.gaussian_row([1.0], 10, 1e200),
        lambda: theory.gaussian_row([1.0], 10, 1e-323),
        lambda: biased_slots.mean_ratio(8, 16, 1e308),
        lambda: flow.flow(torch.eye(2, dtype=torch.float64), 1e308),
        lambda: expected_loss.flow(torch.eye(2, dtype=torch.float64), "gaussian", 0.1, t_end=5e-324),
    ],
)
def test_absurd_values_are_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"^(t|shrink|l1|t_end)=.*must be"):
        call()


def test_the_edges_of_what_is_allowed_end() -> None:
    for t, shrink in ((1e-100, 0.1), (1.0, 1e100), (1.0, 1e-100), (1e-100, 1e100)):
        assert np.isfinite(theory.gaussian_row([t], 10, shrink).survivors).all()
    assert np.isfinite([biased_slots.mean_ratio(8, 16, l1) for l1 in (1e-100, 1e100)]).all()
