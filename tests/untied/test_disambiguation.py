import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generators import generator
from poly import untied
from poly.experiments import untied_disambiguation
from poly.untied import Network, disambiguation


def random_network(n: int = 6, m: int = 4, seed: int = 0) -> Network:
    encoder, decoder, bias = untied.init(n, m, generator=generator(seed))
    return Network(encoder, decoder, bias + 0.3 * torch.randn(n, generator=generator(seed + 1), dtype=torch.float64))


def all_inputs(n: int, active: int, groups: int) -> torch.Tensor:
    size = n // groups
    chosen = [
        group * size + np.array(some) for group in range(groups) for some in itertools.combinations(range(size), active)
    ]
    return torch.stack([torch.zeros(n).double().index_fill(0, torch.from_numpy(each), 1.0) for each in chosen])


def by_crowd(size: int, active: int) -> Network:
    """Make a network in which features 0 and ``size`` share neuron 0, and all others vote on the active half."""
    n, c = 2 * size, 1 / (2 * (active - 1))
    encoder, decoder, bias = torch.eye(n).double(), torch.eye(n).double(), torch.zeros(n).double()
    encoder[size] = encoder[0]
    side = torch.cat([torch.ones(size), -torch.ones(size)]).double()
    for output, sign in ((0, 1), (size, -1)):
        decoder[:, output] = sign * c * side
        decoder[0, output], decoder[size, output], bias[output] = 1 + c, 0, -active * c
    return Network(encoder, decoder, bias)


def by_counter(size: int, active: int) -> Network:
    """Make a network in which the same pair is disambiguated by one neuron, which counts the second half."""
    n = 2 * size
    encoder, decoder, bias = torch.eye(n).double(), torch.eye(n).double(), torch.zeros(n).double()
    encoder[size], encoder[:, size] = encoder[0].clone(), 0
    encoder[size:, size] = 1 / active
    decoder[size] = 0
    decoder[0, size], decoder[size, 0], decoder[size, size], bias[size] = 1, -1, 1, -1
    return Network(encoder, decoder, bias)


def test_gains_are_squares_in_a_tied_network_and_ignore_the_scale_of_a_neuron() -> None:
    W = random_network().encoder
    tied = Network(W, W.mT, torch.zeros(6).double())
    assert torch.allclose(disambiguation.gains(tied), W.square())
    scaled = Network(W * 3, W.mT / 3, torch.zeros(6).double())
    assert torch.allclose(disambiguation.gains(scaled), W.square())


def test_pairs_have_the_signs_asked_for_and_large_gains() -> None:
    encoder = torch.tensor([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [0.0, -1.0], [0.0, -3.0], [0.4, 0.0]]).double()
    decoder = torch.tensor([[1.0, 0.25, -1.0, 0, 0, 1.0], [0, 0, 0, -0.6, -0.2, 0]]).double()
    network = Network(encoder, decoder, torch.zeros(6).double())

    def found(*, same_sign: bool, least: float) -> list[tuple[int, ...]]:
        pairs = disambiguation.pairs(network, same_sign=same_sign, least=least)
        return list(zip(*(column.tolist() for column in pairs), strict=True))

    assert found(same_sign=True, least=0.5) == [(0, 0, 1), (1, 3, 4)]
    assert found(same_sign=True, least=0.55) == [(1, 3, 4)]
    assert found(same_sign=True, least=0.4) == [(0, 0, 1), (0, 0, 5), (0, 1, 5), (1, 3, 4)]
    assert found(same_sign=False, least=0.5) == [(0, 0, 2), (0, 1, 2)]


@given(active=st.integers(1, 3), groups=st.sampled_from([1, 2]), m=st.integers(1, 5), seed=st.integers(0, 99))
def test_worst_errors_are_those_over_all_inputs(active: int, groups: int, m: int, seed: int) -> None:
    network = random_network(6, m, seed)
    x = all_inputs(6, active, groups)
    expected = (untied.reconstruct(network, x) - x).abs().amax(0).numpy()
    assert disambiguation.worst_errors(network, active=active, groups=groups) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("build", [by_crowd, by_counter])
@pytest.mark.parametrize(("size", "active"), [(25, 13), (5, 3)])
def test_two_features_of_one_sign_can_be_told_apart_at_no_loss(build: Any, size: int, active: int) -> None:
    network = build(size, active)
    assert disambiguation.worst_errors(network, active=active, groups=2).max() < 1e-12
    pairs = disambiguation.pairs(network, same_sign=True)
    assert [column.tolist() for column in pairs] == [[0], [0], [size]]


def test_a_disambiguating_neuron_is_found() -> None:
    x = all_inputs(10, 3, 2)
    counter, crowd = by_counter(5, 3), by_crowd(5, 3)
    assert disambiguation.separation(counter, x, 0, 5).amax(0).argmax().item() == 5
    assert disambiguation.separation(counter, x, 0, 5)[:, 5].tolist() == pytest.approx([1, 1])
    assert disambiguation.crosstalk(counter, x, 0, 5).item() == pytest.approx(0)
    cut = disambiguation.cut_connections(counter, [0, 5], neuron=5)
    assert disambiguation.crosstalk(cut, x, 0, 5).item() == pytest.approx(1)
    assert disambiguation.crosstalk(crowd, x, 0, 5).item() == pytest.approx(0)
    for neuron in range(1, 10):
        cut = disambiguation.cut_connections(crowd, [0, 5], neuron=neuron)
        assert disambiguation.crosstalk(cut, x, 0, 5).item() <= 0.25 + 1e-12
    assert disambiguation.crosstalk(disambiguation.cut_connections(crowd, [0, 5], neuron=None), x, 0, 5).item() > 0.5


def test_what_separates_adds_up_to_the_difference_of_the_outputs_inputs() -> None:
    network, x = random_network(), all_inputs(6, 2, 2)
    i, j = 1, 2
    one, other = (x[:, i] > 0) & (x[:, j] == 0), (x[:, j] > 0) & (x[:, i] == 0)
    z = x @ network.encoder @ network.decoder + network.bias
    expected = [(z[one, i].mean() - z[other, i].mean()).item(), (z[other, j].mean() - z[one, j].mean()).item()]
    assert disambiguation.separation(network, x, i, j).sum(-1).tolist() == pytest.approx(expected)
    hidden = torch.relu(x @ network.encoder)
    by_neuron = (hidden[one].mean(0) - hidden[other].mean(0)) * network.decoder[:, i]
    assert torch.allclose(disambiguation.separation(network, x, i, j, rectified=True)[0], by_neuron)


def test_confusion_is_the_largest_output_of_the_feature_that_is_off() -> None:
    network, x = random_network(), all_inputs(6, 2, 2)
    y = untied.reconstruct(network, x, rectified=True)
    largest = max(
        y[row, a].item() for row in range(len(x)) for a, b in ((0, 4), (4, 0)) if x[row, b] > 0 and x[row, a] == 0
    )
    assert disambiguation.crosstalk(network, x, 0, 4, rectified=True).item() == pytest.approx(largest)


def test_cutting_changes_a_copy_and_nothing_else() -> None:
    network = random_network()
    before = [part.clone() for part in network]
    cut, unbiased = (disambiguation.cut_connections(network, [1, 3], neuron=neuron) for neuron in (2, None))
    assert all(torch.equal(one, other) for one, other in zip(network, before, strict=True))
    assert (cut.decoder != network.decoder).nonzero().tolist() == [[2, 1], [2, 3]]
    assert not cut.decoder[2, [1, 3]].any()
    assert (unbiased.bias != network.bias).nonzero().flatten().tolist() == [1, 3]
    assert torch.equal(unbiased.decoder, network.decoder)


SMALL: dict[str, Any] = {"n": 8, "m": 8, "kind": "normal", "l1": 1e-3, "active": 2, "steps": 300, "inputs": 300}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, x: disambiguation.pairs(net, same_sign=True, least=0), "least=0"),
        (lambda net, x: disambiguation.gains(x), "network"),
        (lambda net, x: disambiguation.pairs(Network(*(part[None] for part in net)), same_sign=True), "one network"),
        (lambda net, x: disambiguation.worst_errors(net, active=4, groups=2), "active=4"),
        (lambda net, x: disambiguation.worst_errors(net, active=2, groups=4), "groups=4"),
        (lambda net, x: disambiguation.crosstalk(net, x, 0, 0), "features 0 and 0"),
        (lambda net, x: disambiguation.crosstalk(net, x, 0, 6), "features 0 and 6"),
        (lambda net, x: disambiguation.separation(net, x[:1], 0, 1), "must hold both"),
        (lambda net, x: disambiguation.cut_connections(net, [6], neuron=0), "outputs"),
        (lambda net, x: disambiguation.cut_connections(net, [0], neuron=4), "neuron=4"),
        (
            lambda net, x: untied_disambiguation.correct_pairs({"errors": np.zeros(2), "i": [0], "j": [1]}, -1),
            "within=-1",
        ),
    ],
)
def test_bad_input_is_refused_in_the_callers_words(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(random_network(), all_inputs(6, 3, 2))
