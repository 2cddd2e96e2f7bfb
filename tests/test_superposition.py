import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generators import generator
from poly import superposition
from poly.superposition import Network, SuperpositionConfig


def random_network(n: int, m: int, instances: tuple[int, ...], seed: int = 0) -> Network:
    W, b = superposition.init(n, m, instances=instances, generator=generator(seed))
    return Network(W, b + 0.1 * torch.randn(b.shape, generator=generator(seed + 1), dtype=torch.float64))


def importance(n: int) -> torch.Tensor:
    return 0.9 ** torch.arange(n, dtype=torch.float64)


def test_init_has_xavier_variance_and_no_bias() -> None:
    W, b = superposition.init(30, 20, instances=(3, 40), generator=generator())
    assert W.shape == (3, 40, 30, 20)
    assert b.shape == (3, 40, 30)
    assert W.dtype == torch.float64
    assert W.var().item() == pytest.approx(2 / 50, rel=0.02)
    assert not b.any()


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9])
def test_samples_are_sparse_and_uniform(sparsity: float) -> None:
    x = superposition.sample(7, sparsity, batch=40_000, generator=generator())
    assert x.shape == (40_000, 7)
    assert (x == 0).double().mean().item() == pytest.approx(sparsity, abs=0.01)
    present = x[x > 0]
    assert present.mean().item() == pytest.approx(0.5, abs=0.01)
    assert present.var().item() == pytest.approx(1 / 12, abs=0.005)
    assert present.max().item() <= 1 + 1e-12


def test_samples_follow_the_sparsity_of_their_instance_and_are_not_shared() -> None:
    x = superposition.sample(4, torch.tensor([[0.2, 0.2], [0.8, 0.8]]), batch=20_000, generator=generator())
    assert x.shape == (2, 2, 20_000, 4)
    present = (x > 0).double().mean((-2, -1))
    assert torch.allclose(present, torch.tensor([[0.8, 0.8], [0.2, 0.2]], dtype=torch.float64), atol=0.01)
    assert not torch.equal(x[0, 0], x[0, 1])


def test_reconstruct_and_loss_by_hand() -> None:
    # Two features on one neuron with opposite signs: an antipodal pair without bias reads each alone perfectly.
    network = Network(torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([0.0, 0.25]).double())
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]).double()
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.25], [0.0, 0.25]]).double()
    assert torch.equal(superposition.reconstruct(network, x), expected)
    value = superposition.loss(network, x, torch.tensor([2.0, 4.0]))
    assert value.item() == pytest.approx((4 * 0.0625 + 2 * 0.25 + 4 * 0.0625) / 3)


@given(n=st.integers(1, 6), m=st.integers(1, 4), seed=st.integers(0, 99), instances=st.sampled_from([(), (2,), (2, 3)]))
def test_gradient_equals_autograd(n: int, m: int, seed: int, instances: tuple[int, ...]) -> None:
    W, b = (part.requires_grad_() for part in random_network(n, m, instances, seed))
    x = superposition.sample(n, torch.full(instances, 0.3), batch=9, generator=generator(seed))
    superposition.loss(Network(W, b), x, importance(n)).sum().backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        dW, db = superposition.gradient(Network(W, b), x, importance(n))
    assert W.grad is not None
    assert b.grad is not None
    assert torch.allclose(dW, W.grad, rtol=0, atol=1e-12)
    assert torch.allclose(db, b.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "m", "sparsity"), [(5, 2, 0.0), (5, 2, 0.9), (4, 1, 0.5), (3, 3, 0.5)])
def test_loss_without_sharing_is_that_of_the_network_it_describes(n: int, m: int, sparsity: float) -> None:
    kept = (torch.arange(n) < m).double()
    mean = torch.where(kept.bool(), 0.0, (1 - sparsity) / 2).double()
    network = Network(torch.diag(kept)[:, :m], mean)
    x = superposition.sample(n, sparsity, batch=200_000, generator=generator())
    measured = superposition.loss(network, x, importance(n)).item()
    assert superposition.loss_without_sharing(importance(n), m, sparsity).item() == pytest.approx(measured, rel=0.01)


def test_loss_without_sharing_keeps_the_most_important_features() -> None:
    shuffled = torch.tensor([0.5, 2.0, 1.0])
    value = superposition.loss_without_sharing(shuffled, 1, torch.tensor([0.0, 0.5]))
    assert value.tolist() == pytest.approx([1.5 / 12, 1.5 * (1 / 6 - 1 / 16)])


def test_best_takes_the_restart_of_lowest_loss() -> None:
    network = random_network(5, 2, (3, 4))
    losses = torch.rand(3, 4, generator=generator())
    best = superposition.best(network, losses)
    for i, k in enumerate(losses.argmin(-1).tolist()):
        assert torch.equal(best.W[i], network.W[i, k])
        assert torch.equal(best.b[i], network.b[i, k])


def test_dense_features_leave_room_for_two_and_sparse_ones_for_five() -> None:
    sparsity = torch.tensor([0.0, 0.95]).double()[:, None].expand(2, 6)
    start = superposition.init(5, 2, instances=(2, 6), generator=generator())
    before = start.W.clone()
    trained = superposition.train(
        start, sparsity, importance(5), SuperpositionConfig(steps=1000, batch=128), generator=generator()
    )
    assert torch.equal(start.W, before)
    x = superposition.sample(5, sparsity[:, 0], batch=20_000, generator=generator())
    losses = superposition.loss(trained, x[:, None].expand(2, 6, -1, -1), importance(5))
    norms = superposition.best(trained, losses).W.norm(dim=-1)
    assert (norms > 0.8).sum(-1).tolist() == [2, 5]
    baseline = superposition.loss_without_sharing(importance(5), 2, sparsity[:, 0])
    assert (losses.min(-1).values / baseline)[0].item() == pytest.approx(1, abs=0.02)
    assert (losses.min(-1).values / baseline)[1].item() < 0.5


def test_training_is_repeatable_and_zero_steps_change_nothing() -> None:
    start = superposition.init(5, 2, generator=generator())
    config = SuperpositionConfig(steps=20, batch=16)
    first, second = (superposition.train(start, 0.5, importance(5), config, generator=generator(7)) for _ in range(2))
    assert torch.equal(first.W, second.W)
    assert torch.equal(first.b, second.b)
    still = superposition.train(start, 0.5, importance(5), SuperpositionConfig(steps=0), generator=generator())
    assert torch.equal(still.W, start.W)


def test_first_step_is_adam_at_the_full_rate_and_the_rate_falls_to_zero() -> None:
    start = random_network(5, 2, ())
    one = superposition.train(
        start, 0.0, importance(5), SuperpositionConfig(lr=0.03, steps=1, batch=64), generator=generator()
    )
    moved = (one.b - start.b).abs()
    assert torch.allclose(moved[moved > 0], torch.tensor(0.03).double(), atol=1e-6)
    many = superposition.train(
        start, 0.0, importance(5), SuperpositionConfig(lr=0.03, steps=4, batch=64), generator=generator()
    )
    # Adam's steps are at most about lr each: 1 + 3/4 + 1/2 + 1/4 of it in all.
    assert (many.b - start.b).abs().max().item() <= 0.03 * 2.5 * 1.05


NETWORK = Network(torch.ones(2, 3, 2, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64))
X = torch.ones(2, 4, 3, dtype=torch.float64)
ONES = torch.ones(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: superposition.init(0, 2, generator=generator()), "n=0"),
        (lambda: superposition.init(5, 0, generator=generator()), "m=0"),
        (lambda: superposition.init(5, 2, instances=(0,), generator=generator()), "instances=0"),
        (lambda: superposition.sample(0, 0.5, batch=3, generator=generator()), "n=0"),
        (lambda: superposition.sample(3, 1.0, batch=3, generator=generator()), "sparsity=1.0"),
        (lambda: superposition.sample(3, -0.1, batch=3, generator=generator()), "sparsity=-0.1"),
        (lambda: superposition.sample(3, math.nan, batch=3, generator=generator()), "sparsity=nan"),
        (lambda: superposition.sample(3, 0.5, batch=0, generator=generator()), "batch=0"),
        (lambda: superposition.reconstruct(NETWORK, X[0]), "x: has shape"),
        (lambda: superposition.reconstruct(NETWORK, X[..., :2]), "x: has shape"),
        (lambda: superposition.reconstruct(NETWORK, X * math.inf), "x: holds NaN"),
        (lambda: superposition.reconstruct(Network(NETWORK.W, NETWORK.b[0]), X), "b: has shape"),
        (lambda: superposition.reconstruct(Network(NETWORK.W * math.nan, NETWORK.b), X), "W: holds NaN"),
        (lambda: superposition.loss(NETWORK, X, ONES[:2]), "must be 3 numbers"),
        (lambda: superposition.loss(NETWORK, X, -ONES), "must be 3 numbers"),
        (lambda: superposition.loss(NETWORK, X, ONES * math.nan), "importance: holds NaN"),
        (lambda: superposition.loss_without_sharing(-ONES, 2, 0.5), "must be numbers ≥ 0"),
        (lambda: superposition.loss_without_sharing(ONES, 0, 0.5), "m=0"),
        (lambda: superposition.loss_without_sharing(ONES, 2, 1.5), "sparsity=1.5"),
        (lambda: superposition.best(NETWORK, torch.ones(3)), "losses: has shape"),
        (lambda: superposition.best(NETWORK, torch.tensor([1.0, math.nan])), "losses: holds NaN"),
        (lambda: superposition.reconstruct(NETWORK, X.float()), "x: has dtype torch.float32, must be W's"),
        (lambda: superposition.reconstruct(Network(NETWORK.W, NETWORK.b.float()), X), "b: has dtype torch.float32"),
        (lambda: superposition.reconstruct(tuple(NETWORK), X), "network: must be a superposition.Network, not tuple"),  # type: ignore[arg-type]
        (lambda: superposition.init(3, 2, instances=3, generator=generator()), "instances=3: must be a tuple"),  # type: ignore[arg-type]
        (lambda: superposition.init(3, 2, generator=None), "generator=None: must be a torch.Generator"),  # type: ignore[arg-type]
        (lambda: superposition.sample(3, 0.5, batch=2, generator=None), "generator=None: must be a torch"),  # type: ignore[arg-type]
        (lambda: superposition.sample(3, "a", batch=2, generator=generator()), "sparsity='a': must be a number"),  # type: ignore[arg-type]
        (lambda: superposition.train(NETWORK, 0.0, ONES, {}, generator=generator()), "config={}: must be a Super"),  # type: ignore[arg-type]
        (
            lambda: superposition.reconstruct(Network(NETWORK.W * 1e200, NETWORK.b), X),
            r"W: holds a weight of size .*e\+200",
        ),
        (
            lambda: superposition.sample(3, torch.tensor(0.5j), batch=2, generator=generator()),
            "sparsity=.*must be a number ≥ 0 and < 1",
        ),
        (lambda: SuperpositionConfig(lr=0.0, steps=1), "lr=0.0"),
        (lambda: SuperpositionConfig(steps=-1), "steps=-1"),
        (lambda: SuperpositionConfig(steps=1, batch=0), "batch=0"),
        (
            lambda: superposition.train(
                NETWORK, torch.zeros(3), ONES, SuperpositionConfig(steps=1), generator=generator()
            ),
            "sparsity: must broadcast",
        ),
        (
            lambda: superposition.train(
                NETWORK, 0.0, ONES, SuperpositionConfig(lr=1e200, steps=4), generator=generator()
            ),
            r"lr=1e\+200: the weights stopped being finite in instance 0 by step \d+, must be smaller",
        ),
    ],
)
def test_bad_input_is_refused_in_the_callers_words(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
