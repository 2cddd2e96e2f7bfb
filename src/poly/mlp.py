"""A network with one hidden layer of ReLU units and a linear readout, ``y = ReLU(x W₁ + b₁) W₂ + b₂``.

Unlike in ``model``, weights are untied, hidden units rectify, and inputs may hold several features at once.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks
from poly.checks import tensors


class Network(NamedTuple):
    """Weights and biases: what units read, W1 and b1; what they write, W2 and b2.

    Column j of W1 (*instances, d, m) and entry j of b1 (*instances, m) belong to unit j, as does row j of W2
    (*instances, m, outputs). The output has a bias of its own, b2 (*instances, outputs).
    """

    W1: Float[Tensor, "*instances d m"]
    b1: Float[Tensor, "*instances m"]
    W2: Float[Tensor, "*instances m outputs"]
    b2: Float[Tensor, "*instances outputs"]


def init(
    d: int,
    m: int,
    outputs: int,
    *,
    instances: tuple[int, ...] = (),
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> Network:
    """Draw untrained networks as ``torch.nn.Linear`` does: all entries are uniform on ±1/√(fan-in).

    The fan-in is d for W1 and b1, and m for W2 and b2.

    Args:
        d: inputs, ≥ 1.
        m: hidden units, ≥ 1.
        outputs: ≥ 1.
        instances: leading axes.
        generator: source of randomness.
        dtype: of the result. Entries are drawn in float64 and then cast.

    Raises:
        ValueError: a size below 1, a dtype that holds no fractions, or no generator.
    """
    d, m, outputs = checks.count("d", d), checks.count("m", m), checks.count("outputs", outputs)
    if not isinstance(instances, tuple | list):
        raise ValueError(f"instances={instances!r}: must be a tuple of whole numbers ≥ 1, such as (24, 2)")
    shape = tuple(checks.count("instances", size) for size in instances)
    tensors.floating(dtype)
    tensors.generator(generator)

    def draw(fan_in: int, *sizes: int) -> Tensor:
        uniform = torch.rand(*shape, *sizes, generator=generator, dtype=torch.float64, device=generator.device)
        drawn: Tensor = ((2 * uniform - 1) / fan_in**0.5).to(dtype)
        return drawn

    return Network(W1=draw(d, d, m), b1=draw(d, m), W2=draw(m, m, outputs), b2=draw(m, outputs))


def hidden(network: Network, x: Float[Tensor, "*instances batch d"]) -> Float[Tensor, "*instances batch m"]:
    """Compute the activations of the hidden units, ``h = ReLU(x W₁ + b₁)``.

    Args:
        network: of shapes as in ``Network``.
        x: inputs, (*instances, batch, d), or (batch, d) for all instances.

    Raises:
        ValueError: non-finite entries, an overflow, or shapes or dtypes that do not fit each other.
    """
    W1, b1, _, _ = parts(network)
    tensors.finite_tensor("x", x, 2, "(*instances, batch, d)")
    if x.shape[-1] != W1.shape[-2] or (x.ndim > 2 and x.shape[:-2] != W1.shape[:-2]):
        raise ValueError(f"x: has shape {tuple(x.shape)}, must be {(*W1.shape[:-2], 'batch', W1.shape[-2])} to fit W1")
    if x.dtype != W1.dtype:
        raise ValueError(f"x: has dtype {x.dtype}, must be W1's {W1.dtype}")
    active: Tensor = torch.relu(x @ W1 + b1.unsqueeze(-2))
    return tensors.no_overflow(active, W1)


def output(network: Network, x: Float[Tensor, "*instances batch d"]) -> Float[Tensor, "*instances batch outputs"]:
    """Compute the outputs, ``y = ReLU(x W₁ + b₁) W₂ + b₂``.

    Args:
        network: of shapes as in ``Network``.
        x: inputs, (*instances, batch, d), or (batch, d) for all instances.

    Raises:
        ValueError: non-finite entries, an overflow, or shapes or dtypes that do not fit each other.
    """
    return tensors.no_overflow(hidden(network, x) @ network.W2 + network.b2.unsqueeze(-2), network.W2)


def parts(network: object) -> Network:
    """Check the parts of a network, and return it.

    Raises:
        ValueError: another type, non-finite entries, or shapes or dtypes that do not fit each other.
    """
    if not isinstance(network, Network):
        raise ValueError(f"network: must be an mlp.Network, not {type(network).__name__}")
    W1 = tensors.finite_tensor("W1", network.W1, 2, "(*instances, d, m)")
    W2 = tensors.finite_tensor("W2", network.W2, 2, "(*instances, m, outputs)")
    *instances, _, m = W1.shape
    outputs = W2.shape[-1]
    for name, part, shape in (
        ("b1", network.b1, (*instances, m)),
        ("W2", network.W2, (*instances, m, outputs)),
        ("b2", network.b2, (*instances, outputs)),
    ):
        tensors.finite_tensor(name, part, 1, str(shape))
        if part.shape != shape:
            raise ValueError(f"{name}: has shape {tuple(part.shape)}, must be {shape} to fit W1 and W2")
        if part.dtype != W1.dtype:
            raise ValueError(f"{name}: has dtype {part.dtype}, must be W1's {W1.dtype}")
    return network
