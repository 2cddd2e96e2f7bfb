import torch
from scipy import optimize

from flow.reference import f64, start, tensor
from poly import flow, metrics


def test_exactly_tied_leaders_stay_tied() -> None:
    end = flow.flow(tensor([[0.3, -0.3, 0.1, 0.3]]), 0.05).W
    a = float(optimize.brentq(lambda a: 4 * (1 - 3 * a * a) * a - 0.05, 0.5, 0.6, xtol=1e-15))
    torch.testing.assert_close(end, tensor([[a, -a, 0, a]]), rtol=0, atol=1e-12)


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
