"""Unit-variance noise families for the hidden layer."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks

Family = Literal["bipolar", "gaussian"]
EXCESS_KURTOSIS: dict[Family, float] = {"bipolar": -2.0, "gaussian": 0.0}


def draw(
    family: Family,
    shape: tuple[int, ...],
    *,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
) -> Float[Tensor, "..."]:
    """Independent draws with mean 0 and variance 1.

    ``bipolar``: ±1 with equal probability (excess kurtosis −2); ``gaussian``: N(0, 1) (0).

    Args:
        family: name of the distribution.
        shape: of the result.
        generator: source of randomness; drawn in float64 and then cast.
        dtype, device: of the result.

    Raises:
        ValueError: an unknown family, an axis without entries, no generator, or a dtype that is not floating-point.
    """
    checks.one_of("family", family, list(EXCESS_KURTOSIS))
    if not isinstance(shape, tuple | list):
        raise ValueError(f"shape={shape!r}: must be a tuple of whole numbers ≥ 1")
    shape = tuple(checks.count("shape", size) for size in shape)
    where = checks.generator(generator).device
    checks.floating(dtype)
    device = checks.device(device)
    if family == "bipolar":
        draws = torch.randint(2, shape, generator=generator, device=where, dtype=torch.float64) * 2 - 1
    else:
        draws = torch.randn(shape, generator=generator, device=where, dtype=torch.float64)
    return draws.to(dtype=dtype, device=device)
