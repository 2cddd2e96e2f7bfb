import os
import signal
import threading

import pytest
import torch
from torch import Tensor

from flow.reference import f64, largest_root, start, tensor
from poly import flow, metrics, model

# End states


@pytest.mark.parametrize("l1", [1e-3, 0.1, 1.0, 1.5])
def test_one_hot_rows_stay_and_end_where_benefit_is_lambda(l1: float) -> None:
    W = tensor([[0.9, 0.0, 0.0], [0.0, -0.8, 0.0], [0.0, 0.9, 0.0]])
    end = flow.flow(W, l1).W
    a = largest_root(l1)
    torch.testing.assert_close(end, a * W.sign(), rtol=0, atol=1e-5)
    assert ((end != 0) == (W != 0)).all()


def test_a_lone_weight_is_at_its_end_to_many_digits_given_time() -> None:
    assert float(flow.flow(tensor([[0.5]]), 0.1).W) == pytest.approx(largest_root(0.1), abs=1e-15)
    assert float(flow.flow(tensor([[0.5]]), 0.1, t_end=50.0, tol=1e-9).W) == pytest.approx(largest_root(0.1), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_every_row_ends_with_one_weight(seed: int) -> None:
    end = flow.flow(start(3, 12, seed=seed), 0.05).W
    assert metrics.survivors(end).tolist() == [[1] * 3]
    assert float(model.forces(end, 0.05).benefit.abs().max()) < 1.0


def test_without_lambda_the_loss_goes_to_zero() -> None:
    end = flow.flow(start(5, 12, instances=2), 0.0).W
    assert float(model.loss(end).max()) < 1e-12


def test_all_weights_die_where_lambda_is_huge() -> None:
    end = flow.flow(start(3, 4, instances=2), 100.0).W
    assert not end.any()


def test_rows_that_cannot_meet_any_more_end_in_closed_form() -> None:
    # The second weights are nearly as large as the first: without the closed form this takes t of 1e9 and more.
    W = tensor([[0.5, 0.5 - 1e-12, 0.0], [-0.6, 0.0, 0.6 - 1e-12]])
    end = flow.flow(W, 1e-3).W
    a = largest_root(1e-3)
    torch.testing.assert_close(end, tensor([[a, 0, 0], [-a, 0, 0]]), rtol=0, atol=1e-12)


def test_a_row_whose_length_has_not_settled_may_still_die() -> None:
    # Loss above 1: the closed form must wait.
    assert not flow.flow(tensor([[0.05, 0.04, 0.0]]), 0.3).W.any()
    long = flow.flow(tensor([[2.0, 1.9]]), 0.3).W
    assert metrics.survivors(long).tolist() == [1]


@pytest.mark.parametrize(
    ("W", "l1"),
    [
        (start(5, 1)[0], 0.1),
        (start(6, 3)[0], 0.05),
        (start(12, 5)[0], 0.02),
        (torch.cat([torch.eye(3, dtype=f64), -torch.eye(3, dtype=f64)]), 0.05),
        (torch.cat([torch.eye(3, dtype=f64), torch.eye(3, dtype=f64)]), 0.05),
        (start(4, 6)[0][[0, 0, 1, 2]], 0.05),
        (start(3, 4)[0] * tensor([[1.0], [0.0], [1.0]]), 0.05),
        (1e3 * start(3, 4)[0], 0.1),
        (1e-13 * start(3, 4)[0], 0.0),
    ],
    ids=["m=1", "m<n", "m<n, crowded", "benign pairs", "malign pairs", "duplicate", "zero row", "huge", "tiny"],
)
def test_odd_starts_come_to_rest(W: Tensor, l1: float) -> None:
    end = flow.flow(W, l1).W
    parts = model.forces(end, l1)
    pull = parts.benefit + parts.interference
    stuck = torch.where(end != 0, pull + parts.regularization, (pull.abs() - l1).clamp(min=0))
    assert float(stuck.abs().max()) < 1e-6
    assert not W[(W == 0).all(-1)].any() or not end[(W == 0).all(-1)].any()
    if l1 == 0:
        torch.testing.assert_close(end.norm(dim=-1), torch.ones(3, dtype=f64))


def test_a_time_beyond_the_end_of_an_open_run_sees_the_final_weights() -> None:
    run = flow.flow(start(2, 3), 0.2, at=[0.0, 1e6])
    assert torch.equal(run.values[1], run.W)


def test_a_closed_run_at_rest_is_at_its_end_at_once() -> None:
    W = start(4, 6)
    rest = flow.flow(W, 0.1).W
    torch.testing.assert_close(flow.flow(W, 0.1, t_end=1e300).W, rest, rtol=0, atol=1e-9)


@pytest.mark.parametrize("t_end", [1e6, 1e308])
def test_without_lambda_a_closed_run_ends_where_no_row_changes(t_end: float) -> None:
    W = start(3, 4)
    rest = flow.flow(W, 0.0, t_end=1e5).W
    torch.testing.assert_close(flow.flow(W, 0.0, t_end=t_end).W, rest, rtol=0, atol=1e-6)


def test_a_tiny_lambda_and_an_absurd_time_are_refused() -> None:
    message = r"l1=1e-30: a run to the end takes .* must be 0 or at least 1e-09, or give t_end ≤ 1e\+09"
    with pytest.raises(ValueError, match=message):
        flow.flow(start(2, 3), 1e-30, t_end=1e12)


@pytest.mark.parametrize(
    ("l1", "tol", "message"),
    [
        (0.1, 1e-13, r"tol=1e-13: must be at least 1e-12, float64's rounding errors are near"),
        (1e-10, 5e-3, r"l1=1e-10: a run to the end takes .* must be 0 or at least 1e-09, or give t_end"),
    ],
)
def test_what_would_never_end_is_refused(l1: float, tol: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        flow.flow(start(2, 3), l1, tol=tol)


@pytest.mark.parametrize(("n", "m", "instances"), [(8, 5, 4), (7, 4, 4), (5, 2, 4), (60, 5, 2), (30, 7, 2)])
def test_without_lambda_a_run_ends_where_crowded_rows_get_nowhere(n: int, m: int, instances: int) -> None:
    W = model.init(n, m, instances=instances, generator=torch.Generator().manual_seed(0))
    alarm = threading.Timer(300, os.kill, (os.getpid(), signal.SIGINT))
    alarm.start()
    try:
        end = flow.flow(W, 0.0).W
    except KeyboardInterrupt:
        pytest.fail("has not ended within 5 minutes")
    finally:
        alarm.cancel()
    assert (flow.flow(end, 0.0, t_end=100.0).W - end).abs().max() < 1e-4
