from typing import Any

import numpy as np
import pytest

from poly.flow import rkc

STAGES = [2, 3, 4, 5, 8, 13, 30, 100]


def polynomial(s: int, z: Any) -> Any:
    """Return the factor by which one step of s stages multiplies y, for ẏ = λ y and z = h λ."""
    mu, nu, mu_tilde, gamma_tilde = rkc.coefficients(s)
    start = np.ones_like(z)
    before, now = start, start + mu_tilde[1] * z
    for j in range(2, s + 1):
        now, before = (
            (1 - mu[j] - nu[j]) * start + mu[j] * now + nu[j] * before + z * (mu_tilde[j] * now + gamma_tilde[j]),
            now,
        )
    return now


@pytest.mark.parametrize("s", STAGES)
def test_a_step_is_stable_and_damps_as_far_as_stages_says(s: int) -> None:
    rates = np.linspace(0, 0.4 * s * s, 2001)
    enough = np.array([rkc.stages(1.0, rate) <= s for rate in rates])
    z = -rates[enough]
    assert len(z) > s
    assert np.abs(polynomial(s, z)).max() <= 1 + 1e-12
    # Away from slow motion, what is stiff is at least halved.
    assert np.abs(polynomial(s, z[z < -6])).max(initial=0.0) < 0.5


@pytest.mark.parametrize("s", STAGES)
def test_a_step_is_of_second_order(s: int) -> None:
    z = np.array([-1e-2, -5e-3, 5e-3, 1e-2])
    left = polynomial(s, z) - np.exp(z)
    assert np.abs(left / z**3).max() < 0.2


@pytest.mark.parametrize("s", STAGES)
def test_stage_times_are_those_at_which_a_moving_target_is_met(s: int) -> None:
    # For ẏ = 1 a stage is its own time.
    mu, nu, mu_tilde, gamma_tilde = rkc.coefficients(s)
    times = [0.0, mu_tilde[1]]
    for j in range(2, s + 1):
        times.append(mu[j] * times[-1] + nu[j] * times[-2] + mu_tilde[j] + gamma_tilde[j])
    # c_j = w₁ T″_j(w₀) / T′_j(w₀), with w₁ = T′_s(w₀) / T″_s(w₀) for c_s = 1, and c_1 = c_2 / T′_2(w₀).
    w0 = 1 + rkc._DAMPING / s**2
    T = [np.polynomial.Chebyshev.basis(j) for j in range(s + 1)]
    slope, bend = ([p.deriv(order)(w0) for p in T] for order in (1, 2))
    c = [slope[s] / bend[s] * bend[j] / slope[j] for j in range(2, s + 1)]
    np.testing.assert_allclose(times, [0, c[0] / slope[2], *c], rtol=1e-9, atol=1e-12)
    assert times[-1] == pytest.approx(1)
    assert (np.diff(times) > 0).all()


def test_the_longest_step_takes_the_most_stages() -> None:
    h = rkc.longest_step(12.0)
    assert rkc.stages(0.999 * h, 12.0) <= rkc.MOST_STAGES
    assert rkc.stages(1.01 * h, 12.0) > rkc.MOST_STAGES


def test_the_next_step_follows_the_error() -> None:
    assert rkc.next_step(2.0, 2.0, 1.0) == pytest.approx(1.8)
    assert rkc.next_step(2.0, 2.0, 0.0) == 6.0
    assert rkc.next_step(2.0, 2.0, 8.0) == pytest.approx(0.9)
    assert rkc.next_step(2.0, 2.0, 1e6) == pytest.approx(0.4)
    assert rkc.next_step(2.0, 2.0, np.nan) == pytest.approx(0.4)


def test_a_step_that_was_cut_short_does_not_shorten_the_next_unless_it_failed() -> None:
    assert rkc.next_step(2.0, 0.5, 1.0) == 2.0
    assert rkc.next_step(2.0, 1.5, 1e-3) == 4.5
    assert rkc.next_step(2.0, 0.5, 8.0) == pytest.approx(0.225)
