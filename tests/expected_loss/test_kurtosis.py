import math

import pytest
import torch

from poly import expected_loss, metrics, model
from poly.expected_loss import kurtosis


def settled(n: int = 5, m: int = 9, sigma: float = 0.2, instances: int = 3) -> torch.Tensor:
    W = model.init(n, m, instances=instances, generator=torch.Generator().manual_seed(0))
    return expected_loss.flow(W, "gaussian", sigma, t_end=100.0, rtol=1e-8).W


def test_two_rows_by_hand() -> None:
    W = torch.tensor([[1.0, 0.0], [-0.1, 0.5]], dtype=torch.float64)
    total = 0.0
    for row, length, fourth in ((W[0], 1.0, 1.0), (W[1], 0.26**0.5, 0.0626 / 0.26**2)):
        assert row.norm() == pytest.approx(length)
        s = 0.2 * length
        total += fourth * s * 0.1 * math.exp(-0.5 * (0.1 / s) ** 2) / math.sqrt(2 * math.pi) / 12
    assert kurtosis.cost(W, 0.2).item() == pytest.approx(total, rel=1e-12)


def test_cost_is_what_discrete_noise_adds_where_rows_are_spread() -> None:
    for sigma in (0.1, 0.15):
        W = settled(n=8, m=20, sigma=sigma, instances=8)
        first = kurtosis.cost(W, sigma).mean().item()
        for family, kappa in (("dropout", -1), ("bipolar", -2)):
            added = expected_loss.loss(W, family, sigma) - expected_loss.loss(W, "gaussian", sigma)  # type: ignore[arg-type]
            assert added.mean().item() == pytest.approx(kappa * first, rel=0.1 * abs(kappa))


def test_acute_rows_want_the_opposite() -> None:
    W = settled()
    flipped = W.clone()
    flipped[:, 0] *= -1
    assert (kurtosis.cost(W, 0.2) > 0).all()
    assert (kurtosis.cost(flipped, 0.2) < kurtosis.cost(W, 0.2)).all()


def test_turning_is_the_nearest_turn() -> None:
    W = model.init(5, 9, instances=3, generator=torch.Generator().manual_seed(1))
    V = W.clone().requires_grad_(True)
    # The weights c_j depend only on lengths and overlaps, which no rotation changes: the whole gradient will do.
    (slope,) = torch.autograd.grad(kurtosis.cost(V, 0.2).sum(), V)
    (up,) = torch.autograd.grad(metrics.fourth_norms(V, relative=True).mean(-1).sum(), V)
    turns = []
    for a in range(9):
        for b in range(a):
            omega = torch.zeros(9, 9, dtype=torch.float64)
            omega[a, b], omega[b, a] = 1.0, -1.0
            turns.append(omega)
    for w, force, along, found in zip(W, -slope, up, kurtosis.predicted_rate(W, 0.2), strict=True):
        basis = torch.stack([(w @ omega).flatten() for omega in turns], -1)
        nearest = basis @ (torch.linalg.pinv(basis, rtol=1e-10) @ force.flatten())
        assert found.item() == pytest.approx((along.flatten() @ nearest).item(), rel=1e-6)
    assert (kurtosis.predicted_rate(settled(), 0.2) < 0).all()


def test_turning_is_the_speed_under_a_little_kurtosis() -> None:
    W, kappa, step = settled(instances=1), -0.05, 0.05
    V, fourth = W.clone(), []
    for k in range(401):
        if k in (200, 400):
            fourth.append(
                (metrics.fourth_norms(V, relative=True).mean().item(), kurtosis.predicted_rate(V, 0.2).item())
            )
        X = V.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(kurtosis.cost(X, 0.2).sum(), X)
        V = V + step * (expected_loss.forces(V, "gaussian", 0.2) - kappa * slope)
    (before, speed), (after, _) = fourth
    assert (after - before) / (200 * step) == pytest.approx(kappa * speed, rel=0.03)


@pytest.mark.parametrize("function", [kurtosis.cost, kurtosis.predicted_rate])
def test_bad_input_is_one_line(function: object) -> None:
    W = torch.ones(2, 3, dtype=torch.float64)
    for weights, sigma, message in (
        (W, 0.0, r"^sigma=0\.0: must be a finite number > 0$"),
        (W * torch.tensor([[1.0], [0.0]]), 0.1, "^W: has a row that is 0"),
        (W * math.nan, 0.1, "^W: holds NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            function(weights, sigma)  # type: ignore[operator]


@pytest.mark.usefixtures("unchecked")
def test_turn_wants_a_force_on_these_weights() -> None:
    W = model.init(4, 7, generator=torch.Generator().manual_seed(2))
    with pytest.raises(ValueError, match=r"^force: has shape \(1, 7, 4\), must be \(1, 4, 7\)"):
        kurtosis.fourth_norm_rate(W, W.mT)


def test_turn_sees_what_turns_only() -> None:
    W = model.init(4, 7, generator=torch.Generator().manual_seed(2))
    omega = torch.randn(7, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    force = W @ (omega - omega.mT)
    V = W.clone().requires_grad_(True)
    (up,) = torch.autograd.grad(metrics.fourth_norms(V, relative=True).mean(-1).sum(), V)
    assert kurtosis.fourth_norm_rate(W, force).item() == pytest.approx((up * force).sum().item(), rel=1e-9)
    symmetric = torch.randn(4, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert kurtosis.fourth_norm_rate(W, (symmetric + symmetric.mT) @ W).item() == pytest.approx(0, abs=1e-12)
