"""Noise distributions of unit variance for the hidden layer."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks
from poly.checks import tensors

Family = Literal["bipolar", "arcsine", "uniform", "dropout", "triangular", "gaussian", "logistic", "laplace"]
EXCESS_KURTOSIS: dict[Family, float] = {
    "bipolar": -2.0,
    "arcsine": -1.5,
    "uniform": -1.2,
    "dropout": -1.0,
    "triangular": -0.6,
    "gaussian": 0.0,
    "logistic": 1.2,
    "laplace": 3.0,
}
# Uniform draws are whole multiples of this spacing. It replaces a draw of 0, whose logarithm is infinite.
_SPACING = 2.0**-53


def draw(
    family: Family,
    shape: tuple[int, ...],
    *,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
) -> Float[Tensor, "..."]:
    """Draw independent numbers from a symmetric distribution with mean 0 and variance 1.

    The families, in order of excess kurtosis (in parentheses): ``bipolar``, ±1 with equal probability (−2);
    ``arcsine``, √2 cos of a uniform angle (−3/2); ``uniform`` on ±√3 (−6/5); ``dropout``, 0 with probability 1/2, else
    ±√2 (−1); ``triangular`` on ±√6, the sum of two uniform numbers (−3/5); ``gaussian``, N(0, 1) (0); ``logistic`` of
    scale √3/π (6/5); ``laplace`` of scale 1/√2 (3).

    Args:
        family: name of the distribution.
        shape: shape of the result.
        generator: source of randomness; numbers are drawn in float64 and then cast.
        dtype, device: dtype and device of the result.

    Raises:
        ValueError: an unknown family, an axis without entries, no generator, or a dtype that is not floating-point or
            not on the device.
    """
    checks.one_of("family", family, list(EXCESS_KURTOSIS))
    if not isinstance(shape, tuple | list):
        raise ValueError(f"shape={shape!r}: must be a tuple of whole numbers ≥ 1")
    shape = tuple(checks.count("shape", size) for size in shape)
    tensors.generator(generator)
    tensors.floating(dtype)
    device = tensors.device(device, dtype)
    return _draw(family, shape, generator).to(dtype=dtype, device=device)


def _draw(family: Family, shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Draw in float64, on the generator's device."""
    where = generator.device

    def below(end: int) -> Tensor:
        return torch.randint(end, shape, generator=generator, device=where, dtype=torch.float64)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=where, dtype=torch.float64)

    match family:
        case "bipolar":
            draws = below(2).mul_(2).sub_(1)
        case "arcsine":
            draws = uniform(*shape).mul_(math.pi).cos_().mul_(math.sqrt(2))
        case "uniform":
            draws = uniform(*shape).mul_(2).sub_(1).mul_(math.sqrt(3))
        case "dropout":
            draws = below(4).sub_(1.5).trunc_().mul_(math.sqrt(2))
        case "triangular":
            draws = uniform(2, *shape).sum(0).sub_(1).mul_(math.sqrt(6))
        case "gaussian":
            draws = torch.randn(shape, generator=generator, device=where, dtype=torch.float64)
        case "logistic":
            u = uniform(*shape).clamp_(min=_SPACING)
            draws = u.div_(1 - u).log_().mul_(math.sqrt(3) / math.pi)
        case "laplace":
            side = uniform(*shape).sub_(0.5)
            tail = side.abs().mul_(-2).add_(1).clamp_(min=_SPACING)
            draws = tail.log_().copysign_(side).mul_(math.sqrt(0.5))
    return draws
