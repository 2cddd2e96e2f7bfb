import numpy as np
import pytest
import torch

from generators import generator
from poly import untied
from poly.experiments import untied_disambiguation
from poly.untied import Network, disambiguation
from untied.test_disambiguation import SMALL, all_inputs, random_network


@pytest.mark.parametrize("rectified", [False, True])
def test_a_run_reports_the_network_that_it_trained(rectified: bool) -> None:
    told = untied_disambiguation.train(**SMALL, groups=1, rectified=rectified, generator=generator(1))
    network = Network(*(torch.from_numpy(getattr(told, name)) for name in Network._fields))
    assert network.encoder.dtype == torch.float32
    pairs = disambiguation.pairs(network, same_sign=True)
    assert [told.neuron.tolist(), told.i.tolist(), told.j.tolist()] == [column.tolist() for column in pairs]
    assert told.crosstalk.shape == (len(told.i), 3)
    assert all(
        disambiguating_neuron != k
        for disambiguating_neuron, k in zip(told.disambiguating_neuron, told.neuron, strict=True)
    )
    x = all_inputs(8, 2, 1)
    worst = (untied.reconstruct(network, x.float(), rectified=rectified) - x.float()).abs().amax(0).numpy()
    if rectified:
        assert (told.errors <= worst + 1e-5).all()
    else:
        assert told.errors == pytest.approx(worst, abs=1e-5)
    again = untied_disambiguation.train(**SMALL, groups=1, rectified=rectified, generator=generator(1))
    assert np.array_equal(told.encoder, again.encoder)


def test_pairs_count_where_both_features_are_right() -> None:
    row = {"errors": np.array([0.0, 0.1, 0.2, 0.05]), "i": np.array([0, 0, 1]), "j": np.array([1, 2, 3])}
    assert untied_disambiguation.correct_pairs(row).tolist() == [0, 2]
    assert untied_disambiguation.correct_pairs(row, within=0.06).tolist() == []
    parts = random_network()
    again = untied_disambiguation.network(
        {name: part.float().numpy() for name, part in zip(Network._fields, parts, strict=True)}
    )
    assert again.encoder.dtype == torch.float64
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(parts, again, strict=True))
