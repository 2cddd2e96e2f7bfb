import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from flow.reference import euler, exact_flow, exact_smooth_flow, f64, smooth_start, start, tensor
from poly import flow, metrics, model


@pytest.mark.parametrize(("n", "m", "seed"), [(1, 1, 0), (1, 4, 0), (2, 2, 1), (3, 5, 2), (4, 2, 3)])
@pytest.mark.parametrize("l1", [0.0, 0.5])
def test_the_smooth_flow_against_scipy(n: int, m: int, seed: int, l1: float) -> None:
    W, at = smooth_start(n, m, seed), [0.01, 0.02, 0.05]
    run = flow.flow(W, l1, t_end=0.05, at=at, tol=1e-7)
    torch.testing.assert_close(run.values, exact_smooth_flow(W, l1, at), rtol=0, atol=2e-6)
    assert torch.equal(run.W, run.values[-1])


@pytest.mark.parametrize(("n", "m", "l1", "seed"), [(2, 3, 0.1, 0), (3, 4, 0.05, 1), (4, 6, 0.2, 2), (6, 3, 0.02, 3)])
def test_the_whole_run_against_tiny_euler_steps(n: int, m: int, l1: float, seed: int) -> None:
    W = start(n, m, seed=seed)[0]
    t_end = 12.0
    plain = euler(W, l1, t_end, 2e-4)
    found = flow.flow(W, l1, t_end=t_end).W
    assert (found == 0).tolist() == (plain == 0).tolist()
    torch.testing.assert_close(found, plain, rtol=0, atol=2e-2)
    assert metrics.winners(found).tolist() == metrics.winners(plain).tolist()


def test_the_method_is_of_second_order() -> None:
    """Cut all steps to one size by recording times; half of the size must divide the error by four."""
    W = tensor([[0.3, 0.6], [-0.2, 0.4]])
    ends = []
    for steps in (1024, 32, 64, 128):
        at = [i / steps for i in range(1, steps)]
        ends.append(flow.flow(W, 0.1, t_end=1.0, at=at, tol=1e9).W)
    errors = [float((end - ends[0]).abs().max()) for end in ends[1:]]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.2)


def test_tol_bounds_the_error() -> None:
    W = smooth_start(3, 4, 5)
    exact = exact_smooth_flow(W, 0.1, [0.05])[0]
    tols = (1e-2, 1e-4, 1e-6)
    errors = [float((flow.flow(W, 0.1, t_end=0.05, tol=tol).W - exact).abs().max()) for tol in tols]
    assert errors[0] > errors[1] > errors[2]
    # It bounds what one step may add; a run makes a few.
    assert all(error < 5 * tol for error, tol in zip(errors, tols, strict=True))


@pytest.mark.parametrize(
    ("n", "m", "l1", "t_end", "seed"), [(6, 9, 0.05, 60, 0), (16, 16, 0.1, 20, 1), (32, 40, 0.2, 8, 2)]
)
def test_winners_and_deaths_against_scipy_with_event_location(
    n: int, m: int, l1: float, t_end: float, seed: int
) -> None:
    W = start(n, m, seed=seed)[0]
    end, died = exact_flow(W, l1, t_end)
    at = np.linspace(0, t_end, 401)[1:]
    run = flow.flow(W, l1, t_end=t_end, at=at.tolist(), tol=1e-5)
    assert metrics.winners(run.W).tolist() == metrics.winners(end).tolist()
    torch.testing.assert_close(run.W, end, rtol=0, atol=1e-3)
    # The last recording that saw the weight alive, against the moment of its death.
    alive = (run.values != 0).numpy()
    last = np.where(alive.any(0), len(at) - 1 - alive[::-1].argmax(0), -1)
    seen = np.where(last + 1 < len(at), at[np.minimum(last + 1, len(at) - 1)], np.inf)
    both = np.isfinite(seen) & np.isfinite(died)
    assert both.sum() > n * m / 2
    assert (np.isfinite(seen) == np.isfinite(died)).mean() > 0.995
    assert np.quantile(np.abs(seen[both] - died[both]), 0.99) < 2 * (at[1] - at[0])


@pytest.mark.parametrize(("n", "m", "l1"), [(16, 32, 0.01), (32, 64, 0.02)])
def test_half_the_tolerance_changes_few_winners_and_no_count(n: int, m: int, l1: float) -> None:
    W = start(n, m, instances=200)
    default, half = flow.flow(W, l1).W, flow.flow(W, l1, tol=2.5e-3).W
    assert (metrics.winners(default) != metrics.winners(half)).double().mean() <= 0.003
    counts = metrics.polysemantic_neurons(default).double()
    change = metrics.polysemantic_neurons(half).double().mean() - counts.mean()
    assert abs(change) < counts.std() / 200**0.5


def test_the_loss_never_rises() -> None:
    at = np.linspace(0, 20, 101).tolist()
    losses = flow.flow(start(5, 6, instances=3), 0.05, t_end=20, at=at, observe=lambda W: model.loss(W, 0.05)).values
    assert float(losses.diff(dim=0).max()) < 1e-6
    assert bool((losses[-1] < losses[0]).all())


# Times


def test_times_are_met_exactly() -> None:
    # A lone weight with λ = 0 is logistic in w²: w(t)² = 1 / (1 + (1/w₀² − 1) e^{−8t}).
    at = [0.0, 0.1, 0.25, 0.7]
    run = flow.flow(tensor([[0.2]]), 0.0, t_end=0.9, at=at, tol=1e-7)
    exact = [(1 + 24 * math.exp(-8 * t)) ** -0.5 for t in [*at, 0.9]]
    assert run.at.tolist() == at
    assert run.values.flatten().tolist() == pytest.approx(exact[:-1], abs=1e-5)
    assert run.values[0].item() == 0.2
    assert float(run.W) == pytest.approx(exact[-1], abs=1e-5)


def test_recording_hardly_changes_the_run() -> None:
    W = start(3, 5)
    watched = flow.flow(W, 0.1, t_end=5.0, at=[1.0, 2.0, 3.0]).W
    torch.testing.assert_close(watched, flow.flow(W, 0.1, t_end=5.0).W, rtol=0, atol=1e-2)


def test_t_end_0_is_the_start() -> None:
    W = start(2, 3)
    run = flow.flow(W, 0.2, t_end=0.0, at=[0.0])
    assert torch.equal(run.W, W)
    assert torch.equal(run.values[0], W)


# The interface


def test_batching_equals_a_loop() -> None:
    W = start(3, 4, instances=6).reshape(2, 3, 3, 4)
    for t_end in (None, 3.0):
        many = flow.flow(W, 0.1, t_end=t_end).W
        assert many.shape == W.shape
        for a in range(2):
            for b in range(3):
                torch.testing.assert_close(many[a, b], flow.flow(W[a, b], 0.1, t_end=t_end).W, rtol=0, atol=1e-9)


def test_names_and_signs_do_not_matter() -> None:
    W = start(3, 4)[0]
    rows, columns, signs = [2, 0, 1], [3, 1, 0, 2], tensor([1.0, -1.0, -1.0, 1.0])
    moved = flow.flow(W[rows][:, columns] * signs, 0.1).W
    torch.testing.assert_close(moved, flow.flow(W, 0.1).W[rows][:, columns] * signs, rtol=0, atol=1e-9)


def test_observe_gets_a_copy_and_its_values_are_stacked() -> None:
    def spoil(W: Tensor) -> Tensor:
        count = metrics.survivors(W)
        W.zero_()
        return count

    W = start(3, 4, instances=2)
    run = flow.flow(W, 0.1, at=[0.0, 1.0], t_end=2.0, observe=spoil)
    assert run.values.shape == (2, 2, 3)
    assert run.values[0].tolist() == [[4] * 3] * 2
    assert torch.equal(run.W, flow.flow(W, 0.1, at=[0.0, 1.0], t_end=2.0).W)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_input_is_untouched_and_the_run_is_in_float64(dtype: torch.dtype) -> None:
    W = start(3, 4).to(dtype).requires_grad_()
    before = W.detach().clone()
    run = flow.flow(W, 0.1, t_end=1.0, at=[0.0])
    assert torch.equal(W.detach(), before)
    assert run.W.dtype == run.values.dtype == f64
    assert torch.equal(run.values[0], before.double())


def test_observing_without_times_sees_a_geometric_series() -> None:
    run = flow.flow(start(2, 3), 0.2, observe=metrics.survivors)
    assert run.at[:5].tolist() == pytest.approx([0, 1, 2**0.5, 2, 2**1.5])
    assert run.values[-1].tolist() == [[1, 1]]
    closed = flow.flow(start(2, 3), 0.2, t_end=3.0, observe=metrics.survivors)
    assert closed.at.tolist() == pytest.approx([0, 1, 2**0.5, 2, 2**1.5])


def test_nothing_recorded() -> None:
    run = flow.flow(start(1, 1), 0.1)
    assert run.at.tolist() == []
    assert run.values.numel() == 0


# Bad input

NAN, INF = math.nan, math.inf


GOOD = torch.ones(2, 3, dtype=f64)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flow.flow(torch.ones(3), 0.1), r"^W: has shape \(3,\), must be \(\*instances, n, m\)"),
        (lambda: flow.flow(torch.ones(0, 3), 0.1), r"^W: has shape \(0, 3\), every axis"),
        (lambda: flow.flow(GOOD * NAN, 0.1), r"^W: holds NaN or infinity"),
        (lambda: flow.flow(GOOD * INF, 0.1), r"^W: holds NaN or infinity"),
        (lambda: flow.flow([[1.0]], 0.1), r"^W: must be a torch.Tensor"),  # type: ignore[arg-type]
        (lambda: flow.flow(GOOD, -0.1), r"^l1=-0\.1: must be a finite number ≥ 0"),
        (lambda: flow.flow(GOOD, NAN), r"^l1=nan: must be a finite number ≥ 0"),
        (lambda: flow.flow(GOOD, INF), r"^l1=inf: must be a finite number ≥ 0"),
        (lambda: flow.flow(GOOD, 0.1, tol=0), r"^tol=0: must be a finite number > 0"),
        (lambda: flow.flow(GOOD, 0.1, tol=NAN), r"^tol=nan: must be a finite number > 0"),
        (lambda: flow.flow(GOOD, 0.1, t_end=-1), r"^t_end=-1: must be a finite number ≥ 0"),
        (lambda: flow.flow(GOOD, 0.1, t_end=INF), r"^t_end=inf: must be a finite number ≥ 0"),
        (lambda: flow.flow(GOOD, 0.1, at=[2, 1]), r"^at: must increase, but 1 follows 2"),
        (lambda: flow.flow(GOOD, 0.1, at=[-1]), r"^at=-1: must be a finite number ≥ 0"),
        (lambda: flow.flow(GOOD, 0.1, at=[INF]), r"^at=inf: must be a finite number ≥ 0"),
        (lambda: flow.flow(GOOD, 0.1, at=[0], observe=lambda _: 1.0), r"^observe: returned float, must"),  # type: ignore[arg-type,return-value]
        (lambda: flow.flow(GOOD, 0.1, at=[1, 3], t_end=2), r"^at: 3 lies beyond the end of the run at 2"),
    ],
)
def test_bad_input(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_weights_beyond_all_reason_are_refused(unchecked: None) -> None:
    with pytest.raises(ValueError, match=r"^W: holds a weight of size 1e\+200, must be at most 10000$"):
        flow.flow(torch.full((1, 2), 1e200, dtype=torch.float64), 0.01)


@pytest.mark.parametrize("size", [1e-3, 1e-12, 1e-25, 1e-30])
@pytest.mark.parametrize("l1", [0.0, 1e-40])
def test_rows_grow_out_of_the_smallest_weights(size: float, l1: float) -> None:
    """Check that a stage that overflows in a long step is not taken for a weight that dies."""
    W = size * start(8, 12, instances=20)
    end = flow.flow(W, l1, t_end=100.0).W
    torch.testing.assert_close(end.norm(dim=-1), torch.ones(20, 8, dtype=f64), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("w", "t_end"), [(1e-3, 1.0), (1e-6, 3.0), (1e-12, 4.0)])
def test_growth_out_of_zero_is_resolved_relative_to_the_row(w: float, t_end: float) -> None:
    """Compare a single weight with its exact growth: w² / (1 − w²) grows like e^{8t}."""
    odds = w**2 / (1 - w**2) * math.exp(8 * t_end)
    exact = math.sqrt(odds / (1 + odds))
    for tol, allowed in ((5e-3, 0.2), (1e-6, 1e-3)):
        assert flow.flow(tensor([[w]]), 0.0, t_end=t_end, tol=tol).W.item() == pytest.approx(exact, rel=allowed)
