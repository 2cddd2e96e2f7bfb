import math
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, optimize
from torch import Tensor

from poly import flow, flow_dense, flow_sparse, metrics, model

f64 = torch.float64


def tensor(rows: Any) -> Tensor:
    return torch.tensor(rows, dtype=f64)


def start(n: int, m: int, instances: int = 1, seed: int = 0) -> Tensor:
    return model.init(n, m, instances=instances, generator=torch.Generator().manual_seed(seed))


def euler(W: Tensor, l1: float, t_end: float, dt: float) -> Tensor:
    """Tiny Euler steps of one network, written from the formula; a weight that would cross 0 is absorbed, and
    leaves 0 only where the other forces exceed λ."""
    w = W.numpy().copy()
    for _ in range(round(t_end / dt)):
        pull = 4 * (w - np.maximum(w @ w.T, 0) @ w)
        moved = w + dt * (pull - l1 * np.sign(w))
        leaving = dt * np.sign(pull) * np.maximum(np.abs(pull) - l1, 0)
        w = np.where(w == 0, leaving, np.where(moved * w > 0, moved, 0.0))
    return torch.from_numpy(w)


def largest_root(l1: float) -> float:
    """The stable end of a lone weight: 4 (1 − a²) a = λ."""
    return float(optimize.brentq(lambda a: 4 * (1 - a * a) * a - l1, 3**-0.5, 1.0, xtol=1e-15))


# Against other integrators


def smooth_start(n: int, m: int, seed: int) -> Tensor:
    """Weights of either sign that are far enough from 0 to stay there for a while."""
    source = torch.Generator().manual_seed(seed)
    size = 0.2 + 0.3 * torch.rand(n, m, generator=source, dtype=f64)
    return size * (torch.randint(2, (n, m), generator=source) * 2 - 1)


def exact_smooth_flow(W: Tensor, l1: float, at: list[float]) -> Tensor:
    """By scipy, to ten digits; the field is smooth only while no weight changes sign."""

    def field(_: float, w: Any) -> Any:
        return torch.stack(model.forces(torch.from_numpy(w).reshape(W.shape), l1)).sum(0).flatten().numpy()

    found = integrate.solve_ivp(field, (0, at[-1]), W.flatten().numpy(), t_eval=at, rtol=1e-11, atol=1e-12).y.T
    exact = torch.from_numpy(found.copy()).reshape(len(at), *W.shape)
    assert bool((exact.sign() == W.sign()).all())
    return exact


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
    """With all steps cut to one size by recording times, halving the size divides the error by four."""
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


def exact_flow(W: Tensor, l1: float, t_end: float) -> tuple[Any, Any]:
    """One network by DOP853 from event to event: a weight dies, goes through 0, or leaves it. The end, and when each
    weight died for the last time (∞: it lives)."""
    w, died = W.numpy().copy(), np.full(W.shape, np.inf)

    def pull(w: Any) -> Any:
        return 4 * (w - np.maximum(w @ w.T, 0) @ w)

    t, forces = 0.0, pull(w)
    sign = np.where(w != 0, np.sign(w), np.where(np.abs(forces) > l1, np.sign(forces), 0.0))
    while t < t_end:
        held = sign != 0

        def field(_: float, flat: Any, sign: Any = sign, held: Any = held) -> Any:
            return np.where(held, pull(flat.reshape(W.shape)) - l1 * sign, 0.0).ravel()

        def crosses(_: float, flat: Any, sign: Any = sign, held: Any = held) -> float:
            return float(np.where(held, flat.reshape(W.shape) * sign + 1e-13, 1.0).min())

        def leaves(_: float, flat: Any, held: Any = held) -> float:
            return float(np.where(held, -1.0, np.abs(pull(flat.reshape(W.shape))) - l1).max() - 1e-11)

        crosses.terminal = leaves.terminal = True  # type: ignore[attr-defined]
        crosses.direction, leaves.direction = -1, 1  # type: ignore[attr-defined]
        found = integrate.solve_ivp(
            field, (t, t_end), w.ravel(), method="DOP853", rtol=1e-9, atol=1e-12, events=(crosses, leaves)
        )
        t, w = float(found.t[-1]), found.y[:, -1].reshape(W.shape)
        gone = held & (w * sign <= 1e-12)
        w = np.where(gone, 0.0, w)
        forces = pull(w)
        strong = np.abs(forces) > l1 - 1e-10
        sign = np.where(gone | ~held, np.where(strong, np.sign(forces), 0.0), sign)
        died = np.where(gone & ~strong, t, np.where(sign != 0, np.inf, died))
    return torch.from_numpy(w), died


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


def test_the_dense_phase_is_the_same_flow() -> None:
    """As a matrix a network of 2¹⁵ weights is one for matrix products, and with few of them living one for lists."""
    W = start(64, 512)
    dense = flow.flow(W, 0.02, t_end=1.5, tol=1e-5).W
    lists, t, h = W.numpy().copy(), np.zeros(1), np.full(1, 1e-2)
    flow_sparse.advance(lists, 0.02, 1e-5, t, h, 1.5, flow_sparse.NEVER, np.zeros(1, np.bool_))
    assert dense.count_nonzero() > flow_dense._LEAST_DENSITY * W.numel()
    torch.testing.assert_close(dense, torch.from_numpy(lists), rtol=0, atol=1e-3)


def test_no_result_depends_on_the_number_of_threads() -> None:
    W = start(64, 512, instances=2)
    ends = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        ends.append(flow.flow(W, 0.02, t_end=20.0).W)
    torch.set_num_threads(1)
    assert torch.equal(*ends)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [("chebyshev", "_DAMPING = 8.0", "_DAMPING = 4.0"), ("flow_forces", "out[a] += 4 *", "out[a] += 5 *")],
)
def test_compiled_code_is_made_anew_where_what_it_contains_changes(
    module: str, old: str, new: str, tmp_path: Path
) -> None:
    """numba's cache asks after the caller's file only, and would go on with the old steps."""
    ignored = shutil.ignore_patterns("__pycache__", "press")
    package = shutil.copytree(Path(model.__file__).parent, tmp_path / "poly", ignore=ignored)
    code = (
        "import numpy as np; from poly import flow_sparse; W = np.full((1, 2, 2), 0.3);"
        "flow_sparse.advance(W, 0.1, 1e9, np.zeros(1), np.full(1, 4.0), 4.0, 0, np.zeros(1, np.bool_));"
        "print(W.sum().hex())"
    )

    def end() -> str:
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
        ).stdout

    before = end()
    source = package / f"{module}.py"
    text = source.read_text(encoding="utf-8")
    assert old in text
    source.write_text(text.replace(old, new), encoding="utf-8")
    assert end() != before


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


def test_the_loss_never_rises() -> None:
    at = np.linspace(0, 20, 101).tolist()
    losses = flow.flow(start(5, 6, instances=3), 0.05, t_end=20, at=at, observe=lambda W: model.loss(W, 0.05)).values
    assert float(losses.diff(dim=0).max()) < 1e-6
    assert bool((losses[-1] < losses[0]).all())


def test_rows_that_cannot_meet_any_more_end_in_closed_form() -> None:
    # The second weights are nearly as large as the first: without the closed form this takes t of 1e9 and more.
    W = tensor([[0.5, 0.5 - 1e-12, 0.0], [-0.6, 0.0, 0.6 - 1e-12]])
    end = flow.flow(W, 1e-3).W
    a = largest_root(1e-3)
    torch.testing.assert_close(end, tensor([[a, 0, 0], [-a, 0, 0]]), rtol=0, atol=1e-12)


def test_exactly_tied_leaders_stay_tied() -> None:
    end = flow.flow(tensor([[0.3, -0.3, 0.1, 0.3]]), 0.05).W
    a = float(optimize.brentq(lambda a: 4 * (1 - 3 * a * a) * a - 0.05, 0.5, 0.6, xtol=1e-15))
    torch.testing.assert_close(end, tensor([[a, -a, 0, a]]), rtol=0, atol=1e-12)


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


# Exact zeros


def test_zero_stays_exactly_zero_while_lambda_holds_it() -> None:
    W = tensor([[0.0, 0.5, -0.4], [0.0, -0.1, 0.6]])
    run = flow.flow(W, 0.05, at=[0.1, 1, 3, 10], t_end=20.0)
    assert not run.values[:, :, 0].any()
    assert not run.W[:, 0].any()
    assert not flow.flow(torch.zeros(2, 3, dtype=f64), 0.0).W.any()


def test_a_zero_weight_leaves_where_interference_exceeds_lambda() -> None:
    # Feature 0's weight on neuron 1 is pushed by feature 1's with force 4 · 0.9 · 0.8.
    W = tensor([[0.9, 0.0], [0.9, 0.8]])
    assert float(flow.flow(W, 1.0, t_end=0.05).W[0, 1]) < 0
    assert float(flow.flow(W, 3.5, t_end=0.05).W[0, 1]) == 0


def test_dead_weights_are_exactly_zero() -> None:
    seen = flow.flow(
        start(3, 10), 0.1, t_end=30.0, at=[1, 2, 5, 10, 30], observe=lambda W: metrics.survivors(W).sum()
    ).values
    assert int(seen[-1]) == 3
    assert bool((seen.diff() <= 0).all())


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


def test_a_time_beyond_the_end_of_an_open_run_sees_the_final_weights() -> None:
    run = flow.flow(start(2, 3), 0.2, at=[0.0, 1e6])
    assert torch.equal(run.values[1], run.W)


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
    """Where the step is long enough to overflow, a stage that is no number must not pass for a weight that dies."""
    W = size * start(8, 12, instances=20)
    end = flow.flow(W, l1, t_end=100.0).W
    torch.testing.assert_close(end.norm(dim=-1), torch.ones(20, 8, dtype=f64), rtol=0, atol=1e-6)


def test_steps_that_overflow_fail_in_matrices_too() -> None:
    W = 1e-25 * start(64, 512)
    end = flow.flow(W, 0.0, t_end=100.0).W
    torch.testing.assert_close(end.norm(dim=-1), torch.ones(1, 64, dtype=f64), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("w", "t_end"), [(1e-3, 1.0), (1e-6, 3.0), (1e-12, 4.0)])
def test_growth_out_of_zero_is_resolved_relative_to_the_row(w: float, t_end: float) -> None:
    """One lone weight is logistic in w²: w² / (1 − w²) grows like e^{8t}."""
    odds = w**2 / (1 - w**2) * math.exp(8 * t_end)
    exact = math.sqrt(odds / (1 + odds))
    for tol, allowed in ((5e-3, 0.2), (1e-6, 1e-3)):
        assert flow.flow(tensor([[w]]), 0.0, t_end=t_end, tol=tol).W.item() == pytest.approx(exact, rel=allowed)


def test_a_closed_run_at_rest_is_at_its_end_at_once() -> None:
    W = start(4, 6)
    rest = flow.flow(W, 0.1).W
    torch.testing.assert_close(flow.flow(W, 0.1, t_end=1e300).W, rest, rtol=0, atol=1e-9)


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


@pytest.mark.parametrize(("n", "m"), [(8, 5), (7, 4), (5, 2)])
def test_without_lambda_a_run_ends_where_crowded_rows_get_nowhere(n: int, m: int) -> None:
    W = model.init(n, m, instances=4, generator=torch.Generator().manual_seed(0))
    alarm = threading.Timer(300, os.kill, (os.getpid(), signal.SIGINT))
    alarm.start()
    try:
        end = flow.flow(W, 0.0).W
    except KeyboardInterrupt:
        pytest.fail("has not ended within 5 minutes")
    finally:
        alarm.cancel()
    assert (flow.flow(end, 0.0, t_end=100.0).W - end).abs().max() < 1e-4
