"""Train one untied network, and find the neurons that distinguish its features.

``sweep.sweep(untied_disambiguation.train, …)`` trains and analyzes networks.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from poly import checks, untied
from poly.untied import Network
from poly.untied.disambiguation import crosstalk, cut_connections, pairs, separation, worst_errors

Array = NDArray[Any]


class PairResult(NamedTuple):
    """A trained network, its errors, and for each same-sign pair the neuron that separates its features.

    ``errors``: the largest ``|y_i − x_i|`` of each output over the inputs. ``disambiguating_neuron``: the neuron, other
    than the shared one, that separates the two features most. ``crosstalk``: the largest output of one feature when
    only the other is on, in three networks. They are the trained one, the one with that neuron cut off from the two
    outputs, and the one without the biases of the two.
    """

    neuron: Int[Array, " pairs"]
    i: Int[Array, " pairs"]
    j: Int[Array, " pairs"]
    disambiguating_neuron: Int[Array, " pairs"]
    crosstalk: Float[Array, "pairs 3"]
    errors: Float[Array, " n"]
    encoder: Float[Array, "n m"]
    decoder: Float[Array, "m n"]
    bias: Float[Array, " n"]


def train(
    *,
    n: int,
    m: int,
    kind: untied.Init,
    l1: float,
    active: int,
    groups: int,
    rectified: bool,
    steps: int,
    inputs: int = 4000,
    generator: torch.Generator,
) -> PairResult:
    """Train one network in float32 on batches of 100 with a learning rate of 1e-3, and analyze its same-sign pairs.

    Args:
        n, m, kind: of ``untied.init``.
        l1, active, groups, rectified, steps: of ``untied.UntiedConfig``.
        inputs: drawn to look at pairs, and, with a ReLU in the hidden layer, at errors; without one, errors are over
            all inputs that there are.
        generator: source of the start and of all inputs.

    Returns:
        PairResult.

    Raises:
        ValueError: what these refuse.
    """
    start = untied.init(n, m, kind=kind, generator=generator)
    config = untied.UntiedConfig(steps=steps, l1=l1, active=active, groups=groups, rectified=rectified)
    end = untied.train(Network(*(part.float() for part in start)), config, generator=generator)
    trained = Network(*(part.double() for part in end))
    x = untied.sample(n, active, groups=groups, batch=inputs, generator=generator)
    shared = pairs(trained, same_sign=True)
    disambiguating, confused = [], []
    for k, i, j in zip(*(column.tolist() for column in shared), strict=True):
        apart = separation(trained, x, i, j, rectified=rectified).amax(0)
        apart[k] = -torch.inf
        disambiguating.append(int(apart.argmax()))
        cuts = [trained, *(cut_connections(trained, [i, j], neuron=neuron) for neuron in (disambiguating[-1], None))]
        confused.append([crosstalk(cut, x, i, j, rectified=rectified).item() for cut in cuts])
    if rectified:
        errors = (untied.reconstruct(trained, x, rectified=True) - x).abs().amax(0).numpy()
    else:
        errors = worst_errors(trained, active=active, groups=groups)
    weights = (part.numpy() for part in end)
    return PairResult(*shared, np.array(disambiguating, np.int64), np.array(confused).reshape(-1, 3), errors, *weights)


def correct_pairs(row: Mapping[str, Any], within: float = 0.1) -> Int[Array, " right"]:
    """List the indices of a row's pairs in which both features' largest errors are at most ``within``.

    Args:
        row: of a sweep's table of ``train``.
        within: the largest error that is right, ≥ 0.

    Raises:
        ValueError: a negative ``within``.
    """
    right = np.asarray(row["errors"]) <= checks.nonnegative("within", within)
    return np.flatnonzero(right[row["i"]] & right[row["j"]])


def network(row: Mapping[str, Any]) -> Network:
    """Return the network of a row of a sweep's table of ``train``, in float64."""
    return Network(*(torch.from_numpy(np.asarray(row[part])).double() for part in Network._fields))
