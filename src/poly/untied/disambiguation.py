"""Analyze pairs of features that share a neuron of an ``untied`` network, and the neurons that distinguish them."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, untied
from poly.checks import tensors
from poly.untied import Network

Array = NDArray[Any]


class Pairs(NamedTuple):
    """Neurons that two features share: neuron k, features i < j, (pairs,) each."""

    neuron: Int[Array, " pairs"]
    i: Int[Array, " pairs"]
    j: Int[Array, " pairs"]


def gains(network: Network) -> Float[Tensor, "*instances n m"]:
    """Compute how much of each feature's output passes through each neuron: ``G_ik = E_ik D_ki``.

    In the tied model that is ``W_ik²``. Rescaling a neuron, E_·k by c and D_k· by 1/c, does not change it.

    Args:
        network: E (*instances, n, m), D (*instances, m, n).

    Returns:
        (*instances, n, m).

    Raises:
        ValueError: what is no network.
    """
    encoder, decoder, _ = untied.parts(network)
    return encoder * decoder.mT


def pairs(network: Network, *, same_sign: bool, least: float = 0.5) -> Pairs:
    """List pairs of features that reach their outputs through one neuron, with one sign or with opposite signs.

    Neuron k is shared by i and j where both gains are at least ``least``, with one sign where ``E_ik E_jk > 0``.

    Args:
        network: one network: E (n, m), D (m, n), b (n,).
        same_sign: which pairs.
        least: the smallest gain that counts, > 0; above 0.5, most of an output that is 1.

    Returns:
        Pairs, by neuron.

    Raises:
        ValueError: what is no single network, or a ``least`` that is not positive.
    """
    carried = (gains(_one(network)) >= checks.positive("least", least)).numpy()
    positive = (network.encoder > 0).numpy()
    found = [
        (k, i, j)
        for k in range(carried.shape[1])
        for i, j in combinations(np.flatnonzero(carried[:, k]).tolist(), 2)
        if (positive[i, k] == positive[j, k]) == same_sign
    ]
    return Pairs(*np.array(found, np.int64).reshape(-1, 3).T)


def worst_errors(network: Network, *, active: int, groups: int) -> Float[Array, " n"]:
    """Compute the largest ``|y_i − x_i|`` of each output over *all* inputs with ``active`` ones in one group.

    Without a ReLU in the hidden layer ``y_i = ReLU(b_i + Σ_f x_f A_fi)`` with ``A = E D``, so the extremes over inputs
    follow from sorted entries of A.

    Args:
        network: one network without a ReLU in the hidden layer: E (n, m), D (m, n), b (n,).
        active: ones in each input.
        groups: exclusive groups of n/groups neighboring features.

    Returns:
        (n,), float64.

    Raises:
        ValueError: what is no single network, or numbers that do not fit.
    """
    encoder, decoder, bias = (part.detach().cpu().double().numpy() for part in _one(network))
    n, active, groups = untied.group_sizes(len(encoder), active, groups)
    effective = encoder @ decoder
    worst = np.zeros(n)
    for i in range(n):
        for group in np.arange(n).reshape(groups, -1):
            others = np.sort(effective[group[group != i], i])
            if i in group:
                own = bias[i] + effective[i, i]
                extremes = others[: active - 1].sum() + own, others[len(others) - active + 1 :].sum() + own
                worst[i] = max(worst[i], *(abs(max(z, 0.0) - 1) for z in extremes))
            if len(others) >= active:
                worst[i] = max(worst[i], others[len(others) - active :].sum() + bias[i])
    return worst


def crosstalk(
    network: Network, x: Float[Tensor, "batch n"], i: int, j: int, *, rectified: bool = False
) -> Float[Tensor, ""]:
    """Compute the crosstalk of two features: the largest output of the one that is off while the other is on.

    Args:
        network: one network: E (n, m), D (m, n), b (n,).
        x: inputs of zeros and ones.
        i, j: the features.
        rectified: whether there is a ReLU in the hidden layer, too.

    Returns:
        The largest ``y_i`` where only j is on, or ``y_j`` where only i is, over the inputs.

    Raises:
        ValueError: what is no single network, inputs that do not fit, or features of which never one is on alone.
    """
    y = untied.reconstruct(_one(network), x, rectified=rectified)
    one, other = _alone(x, i, j)
    return torch.maximum(y[one, j].amax(), y[other, i].amax())


def separation(
    network: Network, x: Float[Tensor, "batch n"], i: int, j: int, *, rectified: bool = False
) -> Float[Tensor, "2 m"]:
    """Compute how much each neuron separates feature i from feature j at outputs i and j, in means over inputs.

    The contribution of neuron l to ``z_i`` is ``h_l D_li``. The result at output i is its mean where only i is on,
    minus its mean where only j is on. At output j, i and j are exchanged. The bias adds the same to both.

    Args:
        network: one network: E (n, m), D (m, n), b (n,).
        x: inputs of zeros and ones.
        i, j: the features.
        rectified: whether there is a ReLU in the hidden layer, too.

    Returns:
        (2, m).

    Raises:
        ValueError: what ``crosstalk`` refuses.
    """
    encoder, decoder, _ = _one(network)
    one, other = _alone(x, i, j)
    hidden = x @ encoder
    hidden = torch.relu(hidden) if rectified else hidden
    apart = hidden[one].mean(0) - hidden[other].mean(0)
    return torch.stack([apart * decoder[:, i], -apart * decoder[:, j]])


def cut_connections(network: Network, outputs: list[int], *, neuron: int | None) -> Network:
    """Cut one neuron off from some outputs, ``D_ki = 0`` there; with None, set the biases of these outputs to 0.

    Raises:
        ValueError: what is no single network, or places that it does not have.
    """
    encoder, decoder, bias = _one(network)
    m, n = decoder.shape
    if any(checks.count("outputs", i, at_least=0) >= n for i in outputs):
        raise ValueError(f"outputs={outputs}: must be some of {n} outputs")
    decoder, bias = decoder.clone(), bias.clone()
    if neuron is None:
        bias[outputs] = 0
    elif checks.count("neuron", neuron, at_least=0) < m:
        decoder[neuron, outputs] = 0
    else:
        raise ValueError(f"neuron={neuron}: must be one of {m}")
    return Network(encoder, decoder, bias)


def _alone(x: Float[Tensor, "batch n"], i: int, j: int) -> tuple[Bool[Tensor, " batch"], Bool[Tensor, " batch"]]:
    """Select the inputs in which only i of the two is on, and those in which only j is."""
    tensors.finite_tensor("x", x, 2, "(batch, n)")
    i, j = (checks.count("feature", feature, at_least=0) for feature in (i, j))
    if max(i, j) >= x.shape[-1] or i == j:
        raise ValueError(f"features {i} and {j}: must be two of {x.shape[-1]}")
    on = x[:, [i, j]] > 0
    one, other = on[:, 0] & ~on[:, 1], on[:, 1] & ~on[:, 0]
    if not (one.any() and other.any()):
        raise ValueError(f"x: holds no input with only feature {i} or only feature {j}, must hold both")
    return one, other


def _one(network: Network) -> Network:
    if untied.parts(network).encoder.ndim != 2:
        raise ValueError(f"encoder: has shape {tuple(network.encoder.shape)}, must be (n, m): one network")
    return network
