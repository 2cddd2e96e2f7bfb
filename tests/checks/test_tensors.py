import math
from typing import Any

import numpy as np
import pytest
import torch

from poly import model, noise
from poly.checks import tensors

pytestmark = pytest.mark.usefixtures("unchecked")


def test_what_a_device_lacks_is_said_in_the_words_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = torch.empty

    def mps(*size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Refuse float64 on Apple's devices, as torch does; make an empty tensor otherwise."""
        if device.type == "mps" and dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return empty(*size, dtype=dtype)

    monkeypatch.setattr(torch, "empty", mps)
    generator = torch.Generator()
    message = r"^dtype=torch.float64: must be one that device='mps' has, such as torch.float32$"
    with pytest.raises(ValueError, match=message):
        model.init(3, 4, generator=generator, device="mps")
    with pytest.raises(ValueError, match=message):
        noise.draw("laplace", (3,), generator=generator, device="mps")
    assert tensors.device("mps", torch.float32) == torch.device("mps")
    monkeypatch.setattr(torch, "empty", lambda *_, dtype, device: mps(dtype=dtype, device=torch.device("mps")))
    with pytest.raises(ValueError, match=r"^generator: is on cpu, must be on a device that has float64"):
        tensors.generator(generator)


@pytest.mark.usefixtures("unchecked")
def test_observations_are_tensors_of_one_shape() -> None:
    W = torch.ones(2)
    kept = tensors.observation(W, [torch.zeros(2)])
    W += 1
    assert kept.tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"^observe: returned float, must return a torch\.Tensor$"):
        tensors.observation(0.5, [])
    with pytest.raises(ValueError, match=r"^observe: returned shape \(2,\) after \(3,\), must keep one$"):
        tensors.observation(W, [torch.zeros(3)])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1.0]], r"^W: must be a torch\.Tensor of shape \(\*instances, n, m\), not list$"),
        (np.zeros((2, 2)), r"^W: must be a torch\.Tensor of shape \(\*instances, n, m\), not ndarray$"),
        (torch.zeros(3), r"^W: has shape \(3,\), must be \(\*instances, n, m\)$"),
        (torch.zeros(()), r"^W: has shape \(\), must be \(\*instances, n, m\)$"),
        (torch.zeros(2, 3, dtype=torch.int64), r"^W: has dtype torch\.int64, must be a floating-point dtype$"),
        (torch.zeros(2, 3, dtype=torch.complex128), r"^W: has dtype torch\.complex128, must be a floating-point"),
        (torch.zeros(0, 3), r"^W: has shape \(0, 3\), every axis must have at least one entry$"),
        (torch.zeros(3, 0), r"^W: has shape \(3, 0\), every axis must have at least one entry$"),
        (torch.zeros(0, 3, 2), r"^W: has shape \(0, 3, 2\), every axis must have at least one entry$"),
        (torch.tensor([[1.0, math.nan]]), r"^W: holds NaN or infinity, every entry must be finite$"),
        (torch.tensor([[1.0, math.inf]]), r"^W: holds NaN or infinity, every entry must be finite$"),
        (torch.tensor([[-math.inf, 1.0]]), r"^W: holds NaN or infinity, every entry must be finite$"),
    ],
)
def test_weights_rejects(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tensors.weights(value)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 1, 2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_returns_what_is_good(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    W = torch.ones(shape, dtype=dtype)
    assert tensors.weights(W) is W


@pytest.mark.parametrize(
    "W", [torch.zeros(2, 3).to(torch.float8_e4m3fn), torch.zeros(2, 3, device="meta")], ids=["float8", "meta"]
)
def test_weights_are_numbers_that_can_be_computed_with(W: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"^W: has dtype .* on .*, must hold numbers of 16 bits or more$"):
        tensors.weights(W)


def test_observations_keep_one_dtype() -> None:
    first = tensors.observation(torch.tensor(1), [])
    with pytest.raises(ValueError, match=r"^observe: returned torch.float64 after torch.int64, must keep one dtype$"):
        tensors.observation(torch.tensor(1.0, dtype=torch.float64), [first])


def test_compiled_code_takes_single_and_double_precision_on_the_cpu() -> None:
    for dtype in (torch.float32, torch.float64):
        tensors.on_cpu("W", torch.zeros(2, dtype=dtype))
    for value, found in ((torch.zeros(2).half(), "torch.float16 on cpu"), (torch.zeros(2, device="meta"), "on meta")):
        with pytest.raises(ValueError, match=rf"^W: is .*{found}, must be float32 or float64 on the CPU$"):
            tensors.on_cpu("W", value)
