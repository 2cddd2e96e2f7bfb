from typing import Any

import pytest
import torch

from generators import generator
from poly import mlp
from poly.mlp import Network


def test_init_is_uniform_within_one_over_the_root_of_the_fan_in() -> None:
    network = mlp.init(25, 16, 3, instances=(40,), generator=generator())
    assert [tuple(part.shape) for part in network] == [(40, 25, 16), (40, 16), (40, 16, 3), (40, 3)]
    for part, fan_in in zip(network, (25, 25, 16, 16), strict=True):
        assert part.dtype == torch.float64
        assert part.abs().max().item() <= fan_in**-0.5
        assert part.var().item() == pytest.approx(1 / (3 * fan_in), rel=0.2)


def test_init_draws_in_float64_and_casts() -> None:
    wide, short = (mlp.init(4, 3, 2, generator=generator(), dtype=dtype) for dtype in (torch.float64, torch.float32))
    for one, other in zip(wide, short, strict=True):
        assert torch.equal(one.float(), other)


def test_output_is_that_of_torch_layers() -> None:
    network = mlp.init(5, 7, 3, instances=(2,), generator=generator())
    x = torch.randn(2, 11, 5, generator=generator(1), dtype=torch.float64)
    for k in range(2):
        model: Any = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3)).double()
        with torch.no_grad():
            for place, (weight, bias) in ((0, network[:2]), (2, network[2:])):
                model[place].weight.copy_(weight[k].T)
                model[place].bias.copy_(bias[k])
            assert torch.allclose(mlp.output(network, x)[k], model(x[k]), rtol=0, atol=1e-14)
            assert torch.allclose(mlp.hidden(network, x)[k], model[:2](x[k]), rtol=0, atol=1e-14)


def test_one_unit_computes_a_clause() -> None:
    network = Network(*(torch.tensor(part).double() for part in ([[1.0], [1.0]], [-1.0], [[1.0]], [0.0])))
    x = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]).double()
    assert mlp.output(network, x).flatten().tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"b1": torch.zeros(3).double()}, r"b1: has shape \(3,\), must be \(4,\)"),
        ({"W2": torch.zeros(3, 2).double()}, "W2: has shape"),
        ({"b2": torch.zeros(2)}, "b2: has dtype torch.float32"),
        ({"W1": torch.full((5, 4), torch.nan).double()}, "W1: holds NaN"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, torch.Tensor], said: str) -> None:
    network = mlp.init(5, 4, 2, generator=generator())._replace(**change)
    with pytest.raises(ValueError, match=said):
        mlp.parts(network)


def test_other_bad_input_is_refused() -> None:
    network = mlp.init(5, 4, 2, generator=generator())
    for call, said in (
        (lambda: mlp.init(0, 4, 2, generator=generator()), "d=0"),
        (lambda: mlp.init(5, 4, 2, instances=3, generator=generator()), "instances=3"),  # type: ignore[arg-type]
        (lambda: mlp.hidden(network, torch.zeros(3, 6).double()), r"x: has shape \(3, 6\)"),
        (lambda: mlp.hidden(network, torch.zeros(3, 5)), "x: has dtype torch.float32"),
        (lambda: mlp.parts("network"), "network: must be an mlp.Network, not str"),
        (
            lambda: mlp.output(
                network._replace(b1=network.b1 + 1e308, W2=network.W2 * 0 + 9), torch.zeros(1, 5).double()
            ),
            "must be smaller",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            call()
