import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch

from expected_loss.starts import EXACT, f64, normal, start
from generators import generator
from poly import expected_loss, noise
from poly.training import TrainConfig, train


@pytest.mark.parametrize("family", EXACT)
def test_batching_equals_a_loop_and_keeps_the_dtype(family: noise.Family) -> None:
    W = normal(2, 3, 3, 4).to(torch.float32).requires_grad_()
    loss, force = expected_loss.loss(W, family, 0.2, 0.1), expected_loss.forces(W, family, 0.2, 0.1)
    path = expected_loss.flow(W, family, 0.2, t_end=0.5).W
    assert (loss.shape, force.shape, path.shape) == ((2, 3), W.shape, W.shape)
    assert loss.dtype == force.dtype == path.dtype == torch.float32
    for a, b in itertools.product(range(2), range(3)):
        assert torch.equal(loss[a, b], expected_loss.loss(W[a, b], family, 0.2, 0.1))
        assert torch.equal(force[a, b], expected_loss.forces(W[a, b], family, 0.2, 0.1))
        assert torch.equal(path[a, b], expected_loss.flow(W[a, b], family, 0.2, t_end=0.5).W)


# Flow


@pytest.mark.parametrize("family", EXACT)
def test_flow_is_what_small_euler_steps_approach(family: noise.Family) -> None:
    W, times, ends = start(3, 5), [0.5, 1.5], []
    flowed = expected_loss.flow(W, family, 0.2, t_end=1.5, at=times)
    for steps in (150, 300, 600):
        now, h = W.clone(), 1.5 / steps
        for _ in range(steps):
            now += h * expected_loss.forces(now, family, 0.2)
        ends.append(now)
    # First order: the error halves with the step, and what is extrapolated to no step has next to none.
    errors = [float((end - flowed.W).abs().max()) for end in ends]
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2)
    assert errors[1] / errors[2] == pytest.approx(2, abs=0.1)
    assert float((2 * ends[2] - ends[1] - flowed.W).abs().max()) < 0.05 * errors[2]
    assert torch.equal(flowed.values[1], flowed.W)
    again = expected_loss.flow(flowed.values[0], family, 0.2, t_end=1.0).W
    torch.testing.assert_close(again, flowed.W, rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", EXACT)
def test_noisy_runs_average_to_the_flow(family: noise.Family) -> None:
    W, sigma, lr, steps, runs = start(2, 3, seed=1), 0.3, 1e-3, 400, 2000
    config = TrainConfig(optimizer="sgd", lr=lr, steps=steps, noise=family, sigma=sigma, noise_shared="none")
    ends = train(W.expand(runs, 2, 3), config, generator=generator(4)).W
    flowed = expected_loss.flow(W, family, sigma, t_end=lr * steps).W
    quiet = expected_loss.flow(W, family, 0.0, t_end=lr * steps).W
    error = ends.std(0) / runs**0.5
    # The bias of a finite lr is far smaller, and what noise changes far larger.
    assert bool(((ends.mean(0) - flowed).abs() < 4 * error).all())
    assert float((quiet - flowed).abs().max()) > 20 * float(error.max())


@pytest.mark.parametrize("family", EXACT)
def test_the_loss_only_falls_and_comes_to_rest(family: noise.Family) -> None:
    path = expected_loss.flow(start(3, 6), family, 0.15, t_end=300, at=range(0, 301, 10))
    losses = expected_loss.loss(path.values, family, 0.15)
    assert bool((losses.diff() <= 1e-9).all())
    assert float(expected_loss.forces(path.W, family, 0.15).abs().max()) < 1e-3


def test_a_gaussian_flow_turns_with_its_start() -> None:
    W, (Q, _) = start(4, 6), torch.linalg.qr(normal(6, 6))
    turned = expected_loss.flow(W @ Q, "gaussian", 0.1, t_end=20).W
    torch.testing.assert_close(turned, expected_loss.flow(W, "gaussian", 0.1, t_end=20).W @ Q, rtol=0, atol=1e-6)
    # Bipolar noise sees the axes.
    turned, still = (expected_loss.flow(X, "bipolar", 0.15, t_end=100).W for X in (W @ Q, W))
    assert float((turned - still @ Q).abs().max()) > 1e-2


def test_what_flow_records() -> None:
    W = torch.stack([start(), start(seed=1)])
    before = W.clone()
    found = expected_loss.flow(W, "bipolar", 0.1, t_end=2, at=[0, 1], observe=lambda X: X.mul_(0).sum((-2, -1)) + 7)
    assert torch.equal(W, before)
    assert found.at.tolist() == [0.0, 1.0]
    assert torch.equal(found.values, torch.full((2, 2), 7.0, dtype=f64))
    plain = expected_loss.flow(W, "bipolar", 0.1, t_end=2, at=[0, 1, 2])
    assert torch.equal(plain.W, found.W)
    assert torch.equal(plain.values[0], W)
    assert torch.equal(plain.values[2], plain.W)
    nowhere = expected_loss.flow(W, "bipolar", 0.1, t_end=0, at=[0])
    assert torch.equal(nowhere.W, W)
    assert torch.equal(nowhere.values[0], W)
    assert expected_loss.flow(W, "bipolar", 0.1, t_end=0).values.shape == (0,)


def test_a_finer_tolerance_brings_a_smaller_error() -> None:
    reference, *others = (
        expected_loss.flow(start(), "gaussian", 0.1, t_end=30, rtol=rtol).W for rtol in (1e-12, 1e-3, 1e-6, 1e-9)
    )
    errors = [float((other - reference).abs().max()) for other in others]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[2] < 1e-6


# Bad input


NAN, INF = math.nan, math.inf


CALLS: list[Any] = [
    expected_loss.loss,
    expected_loss.forces,
    lambda W, *noise: expected_loss.flow(W, *noise, t_end=1.0),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("W", "family", "sigma", "message"),
    [
        (torch.ones(3), "bipolar", 0.1, r"W: has shape \(3,\), must be \(\*instances, n, m\)"),
        (torch.tensor([[1.0, NAN]]), "bipolar", 0.1, r"W: holds NaN or infinity, every entry must be finite"),
        ([[1.0]], "bipolar", 0.1, r"W: must be a torch.Tensor of shape \(\*instances, n, m\), not list"),
        (torch.ones(1, 33), "bipolar", 0.1, r"W: has m = 33 neurons, must have at most 32 for 'bipolar' noise"),
        (torch.ones(1, 21), "dropout", 0.1, r"W: has m = 21 neurons, must have at most 20 for 'dropout' noise"),
        *[
            (torch.ones(2, 2), family, 0.1, rf"family={family!r}: must be one of 'bipolar', 'dropout', 'gaussian'")
            for family in ("laplace", "pink", None)
        ],
        *[
            (torch.ones(2, 2), "gaussian", sigma, rf"sigma={sigma!r}: must be a finite number ≥ 0")
            for sigma in (-0.1, NAN, INF, None)
        ],
    ],
)
def test_bad_input(call: Any, W: Any, family: Any, sigma: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        call(W, family, sigma)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("l1", [-1e-9, NAN, INF, None, "0"])
def test_bad_l1(l1: Any) -> None:
    for call in (expected_loss.loss, expected_loss.forces):
        with pytest.raises(ValueError, match=rf"^l1={l1!r}: must be a finite number ≥ 0$"):
            call(start(), "gaussian", 0.1, l1)


@pytest.mark.parametrize("family", EXACT)
def test_an_overflow_is_no_silent_infinity(family: noise.Family) -> None:
    for W, sigma in ((start() * 1e120, 0.1), (start() * 1e300, 0.1)):
        for call in (expected_loss.loss, expected_loss.forces):
            with pytest.raises(ValueError, match=r"^W: holds a weight of size .*, must be smaller for the result to"):
                call(W, family, sigma)
    with pytest.raises(ValueError, match=r"^sigma=1e\+200: must be at most 1e\+100$"):
        expected_loss.loss(start(), family, 1e200)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"t_end": -1.0}, r"t_end=-1\.0: must be a finite number ≥ 0"),
        ({"t_end": INF}, r"t_end=inf: must be a finite number ≥ 0"),
        ({"at": [2.0]}, r"at: 2 lies beyond the end of the run at 1"),
        ({"at": [0.5, 0.5]}, r"at: must increase, but 0\.5 follows 0\.5"),
        ({"observe": 3}, r"observe=3: must be a function"),
        ({"observe": lambda W: 3, "at": [0.0]}, r"observe: returned int, must return a torch.Tensor"),
        ({"rtol": 0.0}, r"rtol=0\.0: must be a finite number > 0"),
        ({"rtol": 1e-14}, r"rtol=1e-14: must be between 1e-13 and 0\.01"),
        ({"rtol": 0.1}, r"rtol=0\.1: must be between 1e-13 and 0\.01"),
    ],
)
def test_bad_settings_of_a_flow(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        expected_loss.flow(start(), "bipolar", 0.1, **({"t_end": 1.0} | settings))


def test_flow_refuses_what_would_take_for_ever() -> None:
    with pytest.raises(ValueError, match=r"^W: has size 101, must be at most 100 to be integrated$"):
        expected_loss.flow(torch.full((1, 1), 101.0), "gaussian", 0.1, t_end=1.0)
    with pytest.raises(ValueError, match=r"^sigma: has size 101, must be at most 100 to be integrated$"):
        expected_loss.flow(start(), "gaussian", 101.0, t_end=1.0)


def test_a_solver_that_gives_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        success, message, y = False, "no step is small enough", np.zeros((12, 1))

    monkeypatch.setattr(expected_loss, "solve_ivp", lambda *_, **__: Failed())
    with pytest.raises(
        ValueError, match=r"^rtol=1e-08: the solver gave up \(no step is small enough\), must be larger$"
    ):
        expected_loss.flow(start(), "gaussian", 0.1, t_end=1.0)
