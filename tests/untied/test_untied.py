import itertools
import math
from typing import Any

import pytest
import torch

from generators import generator
from poly import untied
from poly.untied import Network, UntiedConfig


def random_network(n: int = 6, m: int = 4, instances: tuple[int, ...] = (), seed: int = 0) -> Network:
    encoder, decoder, bias = untied.init(n, m, instances=instances, generator=generator(seed))
    return Network(encoder, decoder, bias + 0.1 * torch.randn(bias.shape, generator=generator(seed + 1)).double())


@pytest.mark.parametrize("kind", ["normal", "xavier"])
def test_init_has_its_variance_and_no_bias(kind: untied.Init) -> None:
    network = untied.init(30, 20, kind=kind, instances=(3, 40), generator=generator())
    variance = {"normal": 1 / 20, "xavier": 2 / 50}[kind]
    for part, shape in ((network.encoder, (3, 40, 30, 20)), (network.decoder, (3, 40, 20, 30))):
        assert part.shape == shape
        assert part.dtype == torch.float64
        assert part.var().item() == pytest.approx(variance, rel=0.02)
    assert network.bias.shape == (3, 40, 30)
    assert not network.bias.any()


def test_xavier_is_uniform_and_normal_is_not() -> None:
    edge = math.sqrt(6 / 100)
    normal, xavier = (untied.init(50, 50, kind=kind, generator=generator()).encoder for kind in ("normal", "xavier"))
    assert xavier.abs().max().item() <= edge < normal.abs().max().item()
    assert xavier.abs().mean().item() == pytest.approx(edge / 2, rel=0.03)


@pytest.mark.parametrize(("groups", "active"), [(1, 4), (2, 3), (2, 1), (4, 2), (3, 4)])
def test_inputs_have_exactly_so_many_ones_in_one_group(groups: int, active: int) -> None:
    x = untied.sample(12, active, groups=groups, batch=500, generator=generator())
    assert x.shape == (500, 12)
    assert set(x.flatten().tolist()) <= {0.0, 1.0}
    by_group = x.reshape(500, groups, -1).sum(-1)
    assert (by_group.max(-1).values == active).all()
    assert (by_group.sum(-1) == active).all()


def test_all_inputs_are_equally_likely() -> None:
    x = untied.sample(8, 2, groups=2, batch=12_000, generator=generator())
    found = [tuple(row.nonzero().flatten().tolist()) for row in x]
    allowed = [*itertools.combinations(range(4), 2), *itertools.combinations(range(4, 8), 2)]
    counts = [found.count(each) for each in allowed]
    assert sum(counts) == 12_000
    assert min(counts) > 880
    assert max(counts) < 1120


def test_reconstruct_and_loss_by_hand() -> None:
    # Two features on one neuron, read with opposite signs.
    network = Network(
        torch.tensor([[1.0], [-2.0]]).double(), torch.tensor([[1.0, -0.5]]).double(), torch.tensor([0.25, 0.0]).double()
    )
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double()
    assert untied.reconstruct(network, x).tolist() == [[1.25, 0.0], [0.0, 1.0]]
    assert untied.reconstruct(network, x, rectified=True).tolist() == [[1.25, 0.0], [0.25, 0.0]]
    assert untied.loss(network, x, 0.1).item() == pytest.approx(0.0625 / 2 + 0.1 * (3 + 1.5))
    assert untied.loss(network, x, rectified=True).item() == pytest.approx((0.0625 + 0.0625 + 1) / 2)


def test_training_learns_to_put_inputs_out() -> None:
    start = untied.init(8, 8, generator=generator())
    config = UntiedConfig(lr=0.01, steps=1500, batch=50, active=2, l1=1e-4)
    end = untied.train(start, config, generator=generator())
    x = untied.sample(8, 2, groups=2, batch=200, generator=generator())
    assert untied.loss(end, x).item() < untied.loss(start, x).item() / 3


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: untied.init(0, 4, generator=generator()), "n=0"),
        (lambda: untied.init(4, 0, generator=generator()), "m=0"),
        (lambda: untied.init(4, 4, kind="he", generator=generator()), "kind='he'"),  # type: ignore[arg-type]
        (lambda: untied.init(4, 4, instances=3, generator=generator()), "instances=3"),  # type: ignore[arg-type]
        (lambda: untied.init(4, 4, generator=None), "generator=None"),  # type: ignore[arg-type]
        (lambda: untied.sample(7, 2, groups=2, batch=3, generator=generator()), "groups=2"),
        (lambda: untied.sample(8, 5, groups=2, batch=3, generator=generator()), "active=5"),
        (lambda: untied.sample(8, 2, groups=2, batch=0, generator=generator()), "batch=0"),
        (lambda: UntiedConfig(steps=-1), "steps=-1"),
        (lambda: UntiedConfig(steps=1, lr=0), "lr=0"),
        (lambda: UntiedConfig(steps=1, l1=-1), "l1=-1"),
        (lambda: UntiedConfig(steps=1, active=0), "active=0"),
        (lambda: UntiedConfig(steps=1, rectified="yes"), "rectified='yes'"),  # type: ignore[arg-type]
        (lambda: untied.train(random_network(), None, generator=generator()), "config=None"),  # type: ignore[arg-type]
        (lambda: untied.train(random_network(), UntiedConfig(steps=1, active=4), generator=generator()), "active=4"),
        (lambda: untied.train(random_network(), UntiedConfig(steps=1, active=2), generator=None), "generator=None"),  # type: ignore[arg-type]
        (lambda: untied.train(torch.zeros(2, 2), UntiedConfig(steps=1), generator=generator()), "network"),  # type: ignore[arg-type]
        (lambda: untied.reconstruct(random_network(), torch.zeros(3, 5).double()), "x: has shape"),
        (lambda: untied.reconstruct(random_network(), torch.zeros(3, 6)), "float32"),
        (lambda: untied.loss(random_network(), torch.zeros(3, 6).double(), -0.1), "l1=-0.1"),
        (lambda: untied.parts(random_network()._replace(bias=torch.zeros(5).double())), "bias: has shape"),
        (lambda: untied.parts(random_network()._replace(decoder=torch.full((4, 6), math.nan).double())), "decoder"),
    ],
)
def test_bad_input_is_refused_in_the_callers_words(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_half_precision_is_refused() -> None:
    start = Network(*(part.half() for part in random_network()))
    with pytest.raises(ValueError, match="float16"):
        untied.train(start, UntiedConfig(steps=1, active=2), generator=generator())


def test_weights_that_explode_are_reported() -> None:
    start = Network(*(part.float() for part in random_network()))
    with pytest.raises(ValueError, match="must be smaller"):
        untied.train(start, UntiedConfig(steps=50, lr=1e30, active=2, weight_decay=0), generator=generator())
    both = Network(*(torch.stack([part, part]) for part in start))
    both.encoder[1] *= 1e25
    with pytest.raises(
        ValueError, match=r"^lr=0\.001: the weights stopped being finite in instance 1 by step \d+, must be"
    ):
        untied.train(both, UntiedConfig(steps=2, active=2), generator=generator())
