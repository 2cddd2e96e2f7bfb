"""Masks that choose weights of a network with one hidden layer, by their size or at random."""

import torch
from torch import Tensor

from poly.mlp import Network


def largest(network: Network, read: int, written: int) -> Network:
    """Return the masks of the largest weights, with 1 where a weight stays and 0 elsewhere; biases stay.

    Args:
        network: W1 (d, units) and W2 (units, outputs).
        read: how many weights of W1 stay.
        written: how many weights of W2 stay.

    Raises:
        ValueError: more weights than there are.
    """
    return _of(network, top(network.W1.abs(), read), top(network.W2.abs(), written))


def random(network: Network, read: int, written: int, *, generator: torch.Generator) -> Network:
    """Return the masks of weights drawn at random, as ``largest`` does.

    Args:
        network: W1 (d, units) and W2 (units, outputs).
        read: how many weights of W1 stay.
        written: how many weights of W2 stay.
        generator: source of the draw.

    Raises:
        ValueError: more weights than there are.
    """
    drawn = [torch.rand(part.shape, generator=generator) for part in (network.W1, network.W2)]
    return _of(network, top(drawn[0], read), top(drawn[1], written))


def enlarged(network: Network, times: float) -> Network:
    """Scale weights by √times, so that sums keep their size after all but one in ``times`` are removed."""
    return network._replace(W1=network.W1 * times**0.5, W2=network.W2 * times**0.5)


def thinned(network: Network, times: int, *, generator: torch.Generator) -> tuple[Network, Network]:
    """Return the network with enlarged weights, and masks that keep one in ``times`` of them, drawn at random.

    Args:
        network: W1 (d, units) and W2 (units, outputs).
        times: a whole number ≥ 1.
        generator: source of the draw.

    Returns:
        The enlarged network, still with all weights, and the masks of those that are to stay.
    """
    masks = random(network, network.W1.numel() // times, network.W2.numel() // times, generator=generator)
    return enlarged(network, times), masks


def top(values: Tensor, number: int) -> Tensor:
    """Return 1 at the places of the largest values, and 0 elsewhere.

    Args:
        values: of any shape.
        number: of places, 0 … values.

    Raises:
        ValueError: another number.
    """
    if not 0 <= number <= values.numel():
        raise ValueError(f"number={number}: must be from 0 to {values.numel()}")
    mask = torch.zeros(values.numel())
    mask[values.flatten().argsort(descending=True, stable=True)[:number]] = 1
    return mask.reshape(values.shape)


def _of(network: Network, W1: Tensor, W2: Tensor) -> Network:
    return Network(W1=W1, b1=torch.ones_like(network.b1), W2=W2, b2=torch.ones_like(network.b2))
