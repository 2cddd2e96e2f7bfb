from typing import Any

import pytest
import torch

from poly import noise

f64 = torch.float64
FAMILIES: list[noise.Family] = ["bipolar", "gaussian"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_family_has_its_kurtosis_listed() -> None:
    assert list(noise.EXCESS_KURTOSIS) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_moments(family: noise.Family) -> None:
    x = noise.draw(family, (400, 500), generator=generator())
    # 200,000 draws: one standard error of the mean is 0.0022, of the variance at most 0.0032.
    assert float(x.mean()) == pytest.approx(0, abs=0.01)
    assert float(x.var()) == pytest.approx(1, abs=0.015)
    assert float(x.pow(3).mean()) == pytest.approx(0, abs=0.04)
    assert float(x.pow(4).mean() / x.var() ** 2 - 3) == pytest.approx(noise.EXCESS_KURTOSIS[family], abs=0.05)
    assert float((x[:, 1:] * x[:, :-1]).mean()) == pytest.approx(0, abs=0.01)


def test_bipolar_is_a_sign() -> None:
    assert set(noise.draw("bipolar", (100,), generator=generator()).tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(), (1,), (3, 1, 4)])
def test_shape_and_generator(family: noise.Family, shape: tuple[int, ...]) -> None:
    x = noise.draw(family, shape, generator=generator(5))
    assert x.shape == shape
    assert x.dtype == f64
    assert torch.equal(x, noise.draw(family, shape, generator=generator(5)))


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_advance_the_generator(family: noise.Family) -> None:
    running = generator()
    first, second = (noise.draw(family, (64,), generator=running) for _ in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_is_the_cast_of_the_float64_draw(family: noise.Family) -> None:
    narrow = noise.draw(family, (5, 6), generator=generator(), dtype=torch.float32)
    assert narrow.dtype == torch.float32
    assert torch.equal(narrow, noise.draw(family, (5, 6), generator=generator()).to(torch.float32))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("family", ["pink", None, 0])
def test_unknown_family(family: Any) -> None:
    with pytest.raises(ValueError, match=rf"^family={family!r}: must be one of 'bipolar', 'gaussian'$"):
        noise.draw(family, (2,), generator=generator())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("size", [0, -1, 2.5, None])
def test_bad_shape(size: Any) -> None:
    with pytest.raises(ValueError, match=rf"^shape={size!r}: must be a whole number ≥ 1$"):
        noise.draw("gaussian", (3, size), generator=generator())
