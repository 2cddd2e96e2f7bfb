import itertools
import math
from typing import Any

import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from expected_loss.starts import EXACT, SEEDS, VALUES, f64, normal, start
from generators import generator
from poly import expected_loss, model, noise


def every_pattern(W: Tensor, family: noise.Family, sigma: float, l1: float) -> Tensor:
    """Return the mean of ``model.loss`` over all patterns of the noise, computed one by one."""
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
    torch.testing.assert_close(expected_loss.loss(W, family, sigma, l1), total.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(expected_loss.forces(W, family, sigma, l1), -gradient, rtol=1e-11, atol=1e-11)


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
    assert not expected_loss.forces(torch.zeros(2, 3, dtype=f64), family, 0.3).any()


@pytest.mark.parametrize(("family", "m"), [("bipolar", 11), ("dropout", 6)])
def test_many_neurons(family: noise.Family, m: int) -> None:
    assert_equals_every_pattern(start(2, m), family, 0.4)


@pytest.mark.parametrize("family", EXACT)
def test_the_most_neurons(family: noise.Family) -> None:
    # Noise on neurons that no row uses does nothing, also when there are as many as there can be.
    W = torch.zeros(2, {"bipolar": 32, "dropout": 20, "gaussian": 500}[family], dtype=f64)
    few = start(2, 4)
    W[:, [0, 7, 18, -1]] = few
    torch.testing.assert_close(
        expected_loss.loss(W, family, 0.3), expected_loss.loss(few, family, 0.3), rtol=1e-11, atol=0
    )
    force = expected_loss.forces(W, family, 0.3)
    torch.testing.assert_close(force[:, [0, 7, 18, -1]], expected_loss.forces(few, family, 0.3), rtol=1e-11, atol=1e-11)
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
    assert float(expected_loss.loss(W, "gaussian", sigma)) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("family", EXACT)
@pytest.mark.parametrize("sigma", [0.07, 0.15, 1.0])
def test_forces_against_differences_of_the_loss(family: noise.Family, sigma: float) -> None:
    W = start(3, 6, seed=3)
    force, h = expected_loss.forces(W, family, sigma, 0.02), 1e-6
    for i, k in itertools.product(range(3), range(6)):
        up, down = W.clone(), W.clone()
        up[i, k] += h
        down[i, k] -= h
        slope = (expected_loss.loss(up, family, sigma, 0.02) - expected_loss.loss(down, family, sigma, 0.02)) / (2 * h)
        assert -float(force[i, k]) == pytest.approx(float(slope), abs=1e-7)


@pytest.mark.parametrize("family", EXACT)
def test_loss_and_forces_are_what_draws_average_to(family: noise.Family) -> None:
    W, sigma, draws = start(4, 10, seed=5), 0.3, 40_000
    xi = sigma * noise.draw(family, (draws, 1, 10), generator=generator(9))
    losses = model.loss(W.expand(draws, 4, 10), xi=xi)
    error = float(losses.std()) / draws**0.5
    assert float(expected_loss.loss(W, family, sigma)) == pytest.approx(float(losses.mean()), abs=4 * error)
    hidden = W + xi
    output = torch.relu(hidden @ W.mT)
    e = 2 * (output - torch.eye(4)) * (output > 0)
    forces = -(e @ W + e.mT @ hidden)
    z = (forces.mean(0) - expected_loss.forces(W, family, sigma)) / (forces.std(0) / draws**0.5)
    assert float(z.abs().max()) < 4


@given(st.sampled_from(EXACT), st.integers(1, 5), st.integers(1, 6), SEEDS, st.sampled_from([0.0, 0.3]))
def test_without_noise_it_is_the_model(family: noise.Family, n: int, m: int, seed: int, l1: float) -> None:
    W = normal(2, n, m, seed=seed)
    W[0, 0] = 0
    W[1, :, 0] = 0
    for sigma in (0.0, 1e-200):
        torch.testing.assert_close(expected_loss.loss(W, family, sigma, l1), model.loss(W, l1), rtol=1e-12, atol=1e-12)
        force = expected_loss.forces(W, family, sigma, l1)
        torch.testing.assert_close(force, sum(model.forces(W, l1)), rtol=1e-12, atol=1e-12)


def test_an_orthogonal_and_an_antipodal_pair_by_hand() -> None:
    # z has variance σ² for every output: half of its square passes the ReLU of an orthogonal row. An antipodal one
    # stays silent, and a diagonal that noise never turns off costs the variance.
    sigma = 0.1
    orthogonal, antipodal = torch.eye(2, dtype=f64), torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=f64)
    for family in EXACT:
        assert float(expected_loss.loss(orthogonal, family, sigma)) == pytest.approx(3 * sigma**2, rel=1e-9)
        assert float(expected_loss.loss(antipodal, family, sigma)) == pytest.approx(2 * sigma**2, rel=1e-9)


# Symmetries


@given(st.sampled_from(EXACT), st.integers(1, 4), st.integers(1, 6), SEEDS, st.randoms(use_true_random=False))
def test_names_and_signs_are_not_seen(family: noise.Family, n: int, m: int, seed: int, random: Any) -> None:
    W = normal(n, m, seed=seed) / 2
    rows, columns = random.sample(range(n), n), random.sample(range(m), m)
    signs = torch.tensor([random.choice([-1.0, 1.0]) for _ in range(m)], dtype=f64)

    def moved(X: Tensor) -> Tensor:
        return X[rows][:, columns] * signs

    a, b = expected_loss.loss(moved(W), family, 0.4), expected_loss.loss(W, family, 0.4)
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    force = expected_loss.forces(moved(W), family, 0.4)
    torch.testing.assert_close(force, moved(expected_loss.forces(W, family, 0.4)), rtol=1e-11, atol=1e-11)


@given(st.integers(1, 5), st.integers(1, 6), SEEDS)
def test_gaussian_noise_does_not_see_rotations(n: int, m: int, seed: int) -> None:
    W, (Q, _) = normal(n, m, seed=seed), torch.linalg.qr(normal(m, m, seed=seed + 1))
    turned = expected_loss.loss(W @ Q, "gaussian", 0.4)
    torch.testing.assert_close(turned, expected_loss.loss(W, "gaussian", 0.4), rtol=1e-12, atol=1e-12)
    force = expected_loss.forces(W, "gaussian", 0.4)
    torch.testing.assert_close(expected_loss.forces(W @ Q, "gaussian", 0.4), force @ Q, rtol=1e-11, atol=1e-11)
    # The same for a small rotation, by its derivative: nothing turns the hidden space as a whole.
    torch.testing.assert_close(W.mT @ force, force.mT @ W, rtol=1e-10, atol=1e-10)
