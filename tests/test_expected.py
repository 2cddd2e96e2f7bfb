import itertools
import math
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from poly import expected, model, noise
from poly.training import TrainConfig, train

f64 = torch.float64
EXACT: list[noise.Family] = ["bipolar", "dropout", "gaussian"]
VALUES: dict[noise.Family, dict[float, float]] = {
    "bipolar": {-1.0: 0.5, 1.0: 0.5},
    "dropout": {-math.sqrt(2): 0.25, 0.0: 0.5, math.sqrt(2): 0.25},
}
SEEDS = st.integers(0, 2**32)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=f64)


def start(n: int = 3, m: int = 4, seed: int = 0) -> Tensor:
    return model.init(n, m, generator=generator(seed))[0]


def every_pattern(W: Tensor, family: noise.Family, sigma: float, l1: float) -> Tensor:
    """The mean of ``model.loss`` over all patterns, one by one."""
    chances = VALUES[family]
    total = torch.zeros(W.shape[:-2], dtype=f64)
    for pattern in itertools.product(chances, repeat=W.shape[-1]):
        chance = math.prod(chances[value] for value in pattern)
        total = total + chance * model.loss(W, l1, sigma * torch.tensor(pattern, dtype=f64))
    return total


def assert_equals_every_pattern(W: Tensor, family: noise.Family, sigma: float, l1: float = 0.0) -> None:
    leaf = W.clone().requires_grad_()
    total = every_pattern(leaf, family, sigma, l1)
    (gradient,) = torch.autograd.grad(total.sum(), leaf)
    torch.testing.assert_close(expected.loss(W, family, sigma, l1), total.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(expected.forces(W, family, sigma, l1), -gradient, rtol=1e-11, atol=1e-11)


# Against every pattern


@given(
    st.sampled_from([("bipolar", 6), ("dropout", 4)]),
    st.integers(1, 4),
    st.integers(1, 6),
    SEEDS,
    st.sampled_from([0.01, 0.3, 1.0, 4.0]),
    st.sampled_from([0.0, 0.5]),
)
def test_loss_and_forces_are_the_mean_over_all_patterns(
    most: tuple[noise.Family, int], n: int, m: int, seed: int, sigma: float, l1: float
) -> None:
    family, largest = most
    assert_equals_every_pattern(normal(n, min(m, largest), seed=seed) / 2, family, sigma, l1)


@pytest.mark.parametrize("family", VALUES)
def test_zero_rows_zero_weights_equal_rows_and_ties(family: noise.Family) -> None:
    W = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, -0.25, 0.5]], dtype=f64)
    # At σ = 1 patterns put the outputs of rows 1 and 2 at exactly 0: on the kink, and the ReLU passes nothing.
    for sigma in (0.25, 1.0):
        assert_equals_every_pattern(W, family, sigma, 0.1)
    assert not expected.forces(torch.zeros(2, 3, dtype=f64), family, 0.3).any()


@pytest.mark.parametrize(("family", "m"), [("bipolar", 11), ("dropout", 6)])
def test_many_neurons(family: noise.Family, m: int) -> None:
    assert_equals_every_pattern(start(2, m), family, 0.4)


@pytest.mark.parametrize("family", EXACT)
def test_the_most_neurons(family: noise.Family) -> None:
    # Noise on neurons that no row uses does nothing, also when there are as many as there can be.
    W = torch.zeros(2, {"bipolar": 32, "dropout": 20, "gaussian": 500}[family], dtype=f64)
    few = start(2, 4)
    W[:, [0, 7, 18, -1]] = few
    torch.testing.assert_close(expected.loss(W, family, 0.3), expected.loss(few, family, 0.3), rtol=1e-11, atol=0)
    force = expected.forces(W, family, 0.3)
    torch.testing.assert_close(force[:, [0, 7, 18, -1]], expected.forces(few, family, 0.3), rtol=1e-11, atol=1e-11)
    assert int((force.abs() > 1e-11).sum()) == few.numel()


# Against other ways to the same number


@pytest.mark.parametrize("sigma", [0.05, 0.5, 3.0])
def test_gaussian_loss_against_quadrature(sigma: float) -> None:
    W = start(3, 5)
    total = 0.0
    for i, j in itertools.product(range(3), range(3)):
        a, s, own = float(W[i] @ W[j]), sigma * float(W[j].norm()), float(i == j)

        def cost(g: float, a: float = a, s: float = s, own: float = own) -> float:
            return float((max(0.0, a + s * g) - own) ** 2 * scipy.stats.norm.pdf(g))

        ends = [-12.0, min(12.0, max(-12.0, -a / s)), 12.0]
        total += sum(scipy.integrate.quad(cost, *part, epsabs=1e-13)[0] for part in itertools.pairwise(ends))
    assert float(expected.loss(W, "gaussian", sigma)) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("family", EXACT)
@pytest.mark.parametrize("sigma", [0.07, 0.15, 1.0])
def test_forces_against_differences_of_the_loss(family: noise.Family, sigma: float) -> None:
    W = start(3, 6, seed=3)
    force, h = expected.forces(W, family, sigma, 0.02), 1e-6
    for i, k in itertools.product(range(3), range(6)):
        up, down = W.clone(), W.clone()
        up[i, k] += h
        down[i, k] -= h
        slope = (expected.loss(up, family, sigma, 0.02) - expected.loss(down, family, sigma, 0.02)) / (2 * h)
        assert -float(force[i, k]) == pytest.approx(float(slope), abs=1e-7)


@pytest.mark.parametrize("family", EXACT)
def test_loss_and_forces_are_what_draws_average_to(family: noise.Family) -> None:
    W, sigma, draws = start(4, 10, seed=5), 0.3, 40_000
    xi = sigma * noise.draw(family, (draws, 1, 10), generator=generator(9))
    losses = model.loss(W.expand(draws, 4, 10), xi=xi)
    error = float(losses.std()) / draws**0.5
    assert float(expected.loss(W, family, sigma)) == pytest.approx(float(losses.mean()), abs=4 * error)
    hidden = W + xi
    output = torch.relu(hidden @ W.mT)
    e = 2 * (output - torch.eye(4)) * (output > 0)
    forces = -(e @ W + e.mT @ hidden)
    z = (forces.mean(0) - expected.forces(W, family, sigma)) / (forces.std(0) / draws**0.5)
    assert float(z.abs().max()) < 4


@given(st.sampled_from(EXACT), st.integers(1, 5), st.integers(1, 6), SEEDS, st.sampled_from([0.0, 0.3]))
def test_without_noise_it_is_the_model(family: noise.Family, n: int, m: int, seed: int, l1: float) -> None:
    W = normal(2, n, m, seed=seed)
    W[0, 0] = 0
    W[1, :, 0] = 0
    for sigma in (0.0, 1e-200):
        torch.testing.assert_close(expected.loss(W, family, sigma, l1), model.loss(W, l1), rtol=1e-12, atol=1e-12)
        force = expected.forces(W, family, sigma, l1)
        torch.testing.assert_close(force, sum(model.forces(W, l1)), rtol=1e-12, atol=1e-12)


def test_an_orthogonal_and_an_antipodal_pair_by_hand() -> None:
    # z has variance σ² for every output: half of its square passes the ReLU of an orthogonal row. An antipodal one
    # stays silent, and a diagonal that noise never turns off costs the variance.
    sigma = 0.1
    orthogonal, antipodal = torch.eye(2, dtype=f64), torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=f64)
    for family in EXACT:
        assert float(expected.loss(orthogonal, family, sigma)) == pytest.approx(3 * sigma**2, rel=1e-9)
        assert float(expected.loss(antipodal, family, sigma)) == pytest.approx(2 * sigma**2, rel=1e-9)


# Symmetries


@given(st.sampled_from(EXACT), st.integers(1, 4), st.integers(1, 6), SEEDS, st.randoms(use_true_random=False))
def test_names_and_signs_are_not_seen(family: noise.Family, n: int, m: int, seed: int, random: Any) -> None:
    W = normal(n, m, seed=seed) / 2
    rows, columns = random.sample(range(n), n), random.sample(range(m), m)
    signs = torch.tensor([random.choice([-1.0, 1.0]) for _ in range(m)], dtype=f64)

    def moved(X: Tensor) -> Tensor:
        return X[rows][:, columns] * signs

    a, b = expected.loss(moved(W), family, 0.4), expected.loss(W, family, 0.4)
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    force = expected.forces(moved(W), family, 0.4)
    torch.testing.assert_close(force, moved(expected.forces(W, family, 0.4)), rtol=1e-11, atol=1e-11)


@given(st.integers(1, 5), st.integers(1, 6), SEEDS)
def test_gaussian_noise_does_not_see_rotations(n: int, m: int, seed: int) -> None:
    W, (Q, _) = normal(n, m, seed=seed), torch.linalg.qr(normal(m, m, seed=seed + 1))
    turned = expected.loss(W @ Q, "gaussian", 0.4)
    torch.testing.assert_close(turned, expected.loss(W, "gaussian", 0.4), rtol=1e-12, atol=1e-12)
    force = expected.forces(W, "gaussian", 0.4)
    torch.testing.assert_close(expected.forces(W @ Q, "gaussian", 0.4), force @ Q, rtol=1e-11, atol=1e-11)
    # The same for a small rotation, by its derivative: nothing turns the hidden space as a whole.
    torch.testing.assert_close(W.mT @ force, force.mT @ W, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", EXACT)
def test_batching_equals_a_loop_and_keeps_the_dtype(family: noise.Family) -> None:
    W = normal(2, 3, 3, 4).to(torch.float32).requires_grad_()
    loss, force = expected.loss(W, family, 0.2, 0.1), expected.forces(W, family, 0.2, 0.1)
    path = expected.flow(W, family, 0.2, t_end=0.5).W
    assert (loss.shape, force.shape, path.shape) == ((2, 3), W.shape, W.shape)
    assert loss.dtype == force.dtype == path.dtype == torch.float32
    for a, b in itertools.product(range(2), range(3)):
        assert torch.equal(loss[a, b], expected.loss(W[a, b], family, 0.2, 0.1))
        assert torch.equal(force[a, b], expected.forces(W[a, b], family, 0.2, 0.1))
        assert torch.equal(path[a, b], expected.flow(W[a, b], family, 0.2, t_end=0.5).W)


# Flow


@pytest.mark.parametrize("family", EXACT)
def test_flow_is_what_small_euler_steps_approach(family: noise.Family) -> None:
    W, times, ends = start(3, 5), [0.5, 1.5], []
    flowed = expected.flow(W, family, 0.2, t_end=1.5, at=times)
    for steps in (150, 300, 600):
        now, h = W.clone(), 1.5 / steps
        for _ in range(steps):
            now += h * expected.forces(now, family, 0.2)
        ends.append(now)
    # First order: the error halves with the step, and what is extrapolated to no step has next to none.
    errors = [float((end - flowed.W).abs().max()) for end in ends]
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.2)
    assert errors[1] / errors[2] == pytest.approx(2, abs=0.1)
    assert float((2 * ends[2] - ends[1] - flowed.W).abs().max()) < 0.05 * errors[2]
    assert torch.equal(flowed.values[1], flowed.W)
    again = expected.flow(flowed.values[0], family, 0.2, t_end=1.0).W
    torch.testing.assert_close(again, flowed.W, rtol=0, atol=1e-6)


@pytest.mark.parametrize("family", EXACT)
def test_noisy_runs_average_to_the_flow(family: noise.Family) -> None:
    W, sigma, lr, steps, runs = start(2, 3, seed=1), 0.3, 1e-3, 400, 2000
    config = TrainConfig(optimizer="sgd", lr=lr, steps=steps, noise=family, sigma=sigma, noise_shared="none")
    ends = train(W.expand(runs, 2, 3), config, generator=generator(4)).W
    flowed = expected.flow(W, family, sigma, t_end=lr * steps).W
    quiet = expected.flow(W, family, 0.0, t_end=lr * steps).W
    error = ends.std(0) / runs**0.5
    # The bias of a finite lr is far smaller, and what noise changes far larger.
    assert bool(((ends.mean(0) - flowed).abs() < 4 * error).all())
    assert float((quiet - flowed).abs().max()) > 20 * float(error.max())


@pytest.mark.parametrize("family", EXACT)
def test_the_loss_only_falls_and_comes_to_rest(family: noise.Family) -> None:
    path = expected.flow(start(3, 6), family, 0.15, t_end=300, at=range(0, 301, 10))
    losses = expected.loss(path.values, family, 0.15)
    assert bool((losses.diff() <= 1e-9).all())
    assert float(expected.forces(path.W, family, 0.15).abs().max()) < 1e-3


def test_a_gaussian_flow_turns_with_its_start() -> None:
    W, (Q, _) = start(4, 6), torch.linalg.qr(normal(6, 6))
    turned = expected.flow(W @ Q, "gaussian", 0.1, t_end=20).W
    torch.testing.assert_close(turned, expected.flow(W, "gaussian", 0.1, t_end=20).W @ Q, rtol=0, atol=1e-6)
    # Bipolar noise sees the axes.
    turned, still = (expected.flow(X, "bipolar", 0.15, t_end=100).W for X in (W @ Q, W))
    assert float((turned - still @ Q).abs().max()) > 1e-2


def test_what_flow_records() -> None:
    W = torch.stack([start(), start(seed=1)])
    before = W.clone()
    found = expected.flow(W, "bipolar", 0.1, t_end=2, at=[0, 1], observe=lambda X: X.mul_(0).sum((-2, -1)) + 7)
    assert torch.equal(W, before)
    assert found.at.tolist() == [0.0, 1.0]
    assert torch.equal(found.values, torch.full((2, 2), 7.0, dtype=f64))
    plain = expected.flow(W, "bipolar", 0.1, t_end=2, at=[0, 1, 2])
    assert torch.equal(plain.W, found.W)
    assert torch.equal(plain.values[0], W)
    assert torch.equal(plain.values[2], plain.W)
    nowhere = expected.flow(W, "bipolar", 0.1, t_end=0, at=[0])
    assert torch.equal(nowhere.W, W)
    assert torch.equal(nowhere.values[0], W)
    assert expected.flow(W, "bipolar", 0.1, t_end=0).values.shape == (0,)


def test_a_finer_tolerance_brings_a_smaller_error() -> None:
    reference, *others = (
        expected.flow(start(), "gaussian", 0.1, t_end=30, rtol=rtol).W for rtol in (1e-12, 1e-3, 1e-6, 1e-9)
    )
    errors = [float((other - reference).abs().max()) for other in others]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[2] < 1e-6


# Bad input


NAN, INF = math.nan, math.inf
CALLS: list[Any] = [expected.loss, expected.forces, lambda W, *noise: expected.flow(W, *noise, t_end=1.0)]


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
    for call in (expected.loss, expected.forces):
        with pytest.raises(ValueError, match=rf"^l1={l1!r}: must be a finite number ≥ 0$"):
            call(start(), "gaussian", 0.1, l1)


@pytest.mark.parametrize("family", EXACT)
def test_an_overflow_is_no_silent_infinity(family: noise.Family) -> None:
    for W, sigma in ((start() * 1e120, 0.1), (start() * 1e300, 0.1)):
        for call in (expected.loss, expected.forces):
            with pytest.raises(ValueError, match=r"^W: holds a weight of size .*, must be smaller for the result to"):
                call(W, family, sigma)
    with pytest.raises(ValueError, match=r"^sigma=1e\+200: must be at most 1e\+100$"):
        expected.loss(start(), family, 1e200)


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
        expected.flow(start(), "bipolar", 0.1, **({"t_end": 1.0} | settings))


def test_flow_refuses_what_would_take_for_ever() -> None:
    with pytest.raises(ValueError, match=r"^W: has size 101, must be at most 100 to be integrated$"):
        expected.flow(torch.full((1, 1), 101.0), "gaussian", 0.1, t_end=1.0)
    with pytest.raises(ValueError, match=r"^sigma: has size 101, must be at most 100 to be integrated$"):
        expected.flow(start(), "gaussian", 101.0, t_end=1.0)


def test_a_solver_that_gives_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        success, message, y = False, "no step is small enough", np.zeros((12, 1))

    monkeypatch.setattr(expected, "solve_ivp", lambda *_, **__: Failed())
    with pytest.raises(
        ValueError, match=r"^rtol=1e-08: the solver gave up \(no step is small enough\), must be larger$"
    ):
        expected.flow(start(), "gaussian", 0.1, t_end=1.0)
