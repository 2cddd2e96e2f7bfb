import pytest
import torch

from poly import mlp
from poly.experiments import masks


def network() -> mlp.Network:
    return mlp.init(5, 4, 3, generator=torch.Generator().manual_seed(0))


def test_the_largest_weights_are_kept() -> None:
    start = network()
    found = masks.largest(start, 6, 2)
    assert [int(part.sum()) for part in found] == [6, 4, 2, 3]
    kept = found.W1 == 1
    assert start.W1.abs()[kept].min() > start.W1.abs()[~kept].max()


@pytest.mark.parametrize("number", [-1, 21])
def test_there_are_as_many_weights(number: int) -> None:
    with pytest.raises(ValueError, match=f"number={number}: must be from 0 to 20"):
        masks.top(network().W1, number)


def test_random_weights_are_as_many_as_asked_for() -> None:
    one, other = (masks.random(network(), 7, 5, generator=torch.Generator().manual_seed(k)) for k in range(2))
    assert [int(part.sum()) for part in one] == [7, 4, 5, 3]
    assert not torch.equal(one.W1, other.W1)


def test_sums_stay_as_large_with_a_part_of_the_weights() -> None:
    found = masks.enlarged(network(), 4)
    assert torch.equal(found.W1, 2 * network().W1)
    assert torch.equal(found.W2, 2 * network().W2)
    assert torch.equal(found.b1, network().b1)


def test_a_part_of_the_weights_is_drawn_and_enlarged() -> None:
    found, chosen = masks.thinned(network(), 4, generator=torch.Generator().manual_seed(0))
    drawn = masks.random(network(), 5, 3, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(one, other) for one, other in zip(chosen, drawn, strict=True))
    assert torch.equal(found.W1, masks.enlarged(network(), 4).W1)
