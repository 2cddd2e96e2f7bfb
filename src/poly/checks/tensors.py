"""Check tensors, generators, devices and dtypes, and name the argument in the error."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def finite_tensor(name: str, value: object, at_least_dims: int, shape: str) -> Float[Tensor, "..."]:
    """Check for a nonempty real floating-point tensor without NaN or infinity; raise ValueError otherwise.

    The error names ``shape``, which describes the axes. The tensor must have at least ``at_least_dims`` of them.
    """
    if not isinstance(value, Tensor):
        raise ValueError(f"{name}: must be a torch.Tensor of shape {shape}, not {type(value).__name__}")
    if value.ndim < at_least_dims:
        raise ValueError(f"{name}: has shape {tuple(value.shape)}, must be {shape}")
    if value.layout is not torch.strided:
        raise ValueError(f"{name}: has layout {value.layout}, must be dense")
    if not value.is_floating_point():
        raise ValueError(f"{name}: has dtype {value.dtype}, must be a floating-point dtype")
    if value.is_meta or value.dtype.itemsize < 2:
        raise ValueError(f"{name}: has dtype {value.dtype} on {value.device}, must hold numbers of 16 bits or more")
    if value.numel() == 0:
        raise ValueError(f"{name}: has shape {tuple(value.shape)}, every axis must have at least one entry")
    if not bool(torch.isfinite(value).all()):
        raise ValueError(f"{name}: holds NaN or infinity, every entry must be finite")
    return value


def on_cpu(name: str, value: Tensor) -> None:
    """Check that compiled code can take a tensor, float32 or float64 on the CPU; raise ValueError otherwise."""
    if value.device.type != "cpu" or value.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name}: is {value.dtype} on {value.device}, must be float32 or float64 on the CPU")


def no_overflow(result: Float[Tensor, "..."], W: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return ``result``, or raise ValueError if it has overflowed.

    It grows like the third or fourth power of the weights.
    """
    if not bool(torch.isfinite(result).all()):
        raise ValueError(
            f"W: holds a weight of size {W.abs().max().item():.3g}, must be smaller for the result to fit {W.dtype}"
        )
    return result


def observation(value: object, before: Sequence[Tensor]) -> Shaped[Tensor, "..."]:
    """Check that ``observe`` returned a tensor of the earlier shape and dtype; raise ValueError otherwise.

    The tensor is copied, so that later changes do not affect it.
    """
    if not isinstance(value, Tensor):
        raise ValueError(f"observe: returned {type(value).__name__}, must return a torch.Tensor")
    if before and value.shape != before[0].shape:
        raise ValueError(f"observe: returned shape {tuple(value.shape)} after {tuple(before[0].shape)}, must keep one")
    if before and value.dtype != before[0].dtype:
        raise ValueError(f"observe: returned {value.dtype} after {before[0].dtype}, must keep one dtype")
    return value.detach().clone()


def generator(value: object) -> torch.Generator:
    """Check for a torch.Generator on a device that has float64; raise ValueError otherwise.

    There is no default generator and no global seed.
    """
    if not isinstance(value, torch.Generator):
        raise ValueError(f"generator={value!r}: must be a torch.Generator")
    if not _has(value.device, torch.float64):
        raise ValueError(f"generator: is on {value.device}, must be on a device that has float64, such as 'cpu'")
    return value


def device(value: object, dtype: torch.dtype = torch.float32) -> torch.device:
    """Check that a device exists and has the dtype, and return it; raise ValueError otherwise."""
    try:
        found = torch.device(value)  # type: ignore[call-overload]
        torch.empty(0, dtype=torch.float32, device=found)
    except (TypeError, RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"device={value!r}: must be a device of this machine, such as 'cpu'") from None
    if not _has(found, dtype):
        raise ValueError(f"dtype={dtype}: must be one that device='{found}' has, such as torch.float32")
    return found  # type: ignore[no-any-return]


def _has(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether the device can hold numbers of the dtype: MPS has no float64."""
    try:
        torch.empty(0, dtype=dtype, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


def floating(dtype: torch.dtype) -> torch.dtype:
    """Check for a real floating-point dtype, since any other would truncate the draws; raise ValueError otherwise."""
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype={dtype}: must be a floating-point dtype")
    return dtype


def weights(W: object) -> Float[Tensor, "*instances n m"]:
    """Check for finite encodings ``W`` of shape (*instances, n, m); raise ValueError otherwise."""
    return finite_tensor("W", W, 2, "(*instances, n, m)")
