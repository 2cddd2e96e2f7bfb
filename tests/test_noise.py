import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch

from generators import generator
from poly import noise

f64 = torch.float64
FAMILIES: list[noise.Family] = [
    "bipolar",
    "arcsine",
    "uniform",
    "dropout",
    "triangular",
    "gaussian",
    "logistic",
    "laplace",
]
# The largest absolute value of the bounded families.
BOUNDS: dict[noise.Family, float] = {
    "bipolar": 1.0,
    "arcsine": math.sqrt(2),
    "uniform": math.sqrt(3),
    "dropout": math.sqrt(2),
    "triangular": math.sqrt(6),
}
CONTINUOUS: dict[noise.Family, Any] = {
    "arcsine": scipy.stats.arcsine(-math.sqrt(2), 2 * math.sqrt(2)),
    "uniform": scipy.stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
    "triangular": scipy.stats.triang(0.5, -math.sqrt(6), 2 * math.sqrt(6)),
    "gaussian": scipy.stats.norm(),
    "logistic": scipy.stats.logistic(0, math.sqrt(3) / math.pi),
    "laplace": scipy.stats.laplace(0, math.sqrt(0.5)),
}


def moment(family: noise.Family, k: int) -> float:
    """Return E ξ^2k in closed form."""
    moments: dict[noise.Family, float] = {
        "bipolar": 1.0,
        "arcsine": math.comb(2 * k, k) / 2**k,
        "uniform": 3**k / (2 * k + 1),
        "dropout": 2**k / 2,
        "triangular": 6**k * 2 / ((2 * k + 1) * (2 * k + 2)),
        "gaussian": float(scipy.special.factorial2(2 * k - 1)),
        "logistic": 3**k * (4**k - 2) * (1 / 6, 1 / 30, 1 / 42, 1 / 30)[k - 1],
        "laplace": math.factorial(2 * k) / 2**k,
    }
    return moments[family]


def test_every_family_has_its_kurtosis_listed() -> None:
    assert list(noise.EXCESS_KURTOSIS) == FAMILIES
    for family, kurtosis in noise.EXCESS_KURTOSIS.items():
        assert moment(family, 1) == pytest.approx(1, rel=1e-14)
        assert moment(family, 2) - 3 == pytest.approx(kurtosis, rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("family", FAMILIES)
def test_moments(family: noise.Family) -> None:
    x = noise.draw(family, (400, 500), generator=generator())

    def within(found: torch.Tensor, expected: float, variance: float) -> None:
        assert float(found.mean()) == pytest.approx(expected, abs=4 * math.sqrt(variance / found.numel()) + 1e-12)

    within(x, 0, 1)
    within(x**2, 1, moment(family, 2) - 1)
    within(x**3, 0, moment(family, 3))
    within(x**4, 3 + noise.EXCESS_KURTOSIS[family], moment(family, 4) - moment(family, 2) ** 2)
    within(x[:, 1:] * x[:, :-1], 0, 1)
    within((x[:, 1:] ** 2 - 1) * (x[:, :-1] ** 2 - 1), 0, (moment(family, 2) - 1) ** 2)


@pytest.mark.parametrize("family", CONTINUOUS)
def test_distribution(family: noise.Family) -> None:
    x = noise.draw(family, (50_000,), generator=generator(1)).numpy()
    assert scipy.stats.kstest(x, CONTINUOUS[family].cdf).pvalue > 0.001


@pytest.mark.parametrize("family", BOUNDS)
def test_support(family: noise.Family) -> None:
    x = noise.draw(family, (100_000,), generator=generator(2)).abs()
    assert 0.99 * BOUNDS[family] < float(x.max()) <= BOUNDS[family]


def test_few_values_with_their_probabilities() -> None:
    assert set(noise.draw("bipolar", (100,), generator=generator()).tolist()) == {-1.0, 1.0}
    x = noise.draw("dropout", (40_000,), generator=generator())
    values, counts = np.unique(x.numpy(), return_counts=True)
    assert values.tolist() == [-math.sqrt(2), 0.0, math.sqrt(2)]
    assert scipy.stats.chisquare(counts, [10_000, 20_000, 10_000]).pvalue > 0.001


@pytest.mark.parametrize("family", FAMILIES)
def test_the_extreme_uniform_numbers_are_no_infinite_noise(
    family: noise.Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = torch.tensor([0.0, 2**-53, 0.5, 1 - 2**-53], dtype=f64)
    monkeypatch.setattr(torch, "rand", lambda shape, **_: drawn.expand(shape).clone())
    x = noise.draw(family, (4,), generator=generator())
    assert bool(torch.isfinite(x).all())
    assert float(x.abs().max()) <= BOUNDS.get(family, 40)


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


def fingerprint() -> str:
    bits = [noise.draw(family, (20_001,), generator=generator()).numpy().tobytes() for family in FAMILIES]
    return hashlib.sha256(b"".join(bits)).hexdigest()


@pytest.mark.skipif("BLAS_INFO=mkl" not in torch.__config__.show(), reason="not MKL computes the logarithms here")
def test_the_bits_do_not_depend_on_torch_s_instruction_set() -> None:
    folders = Path(__file__).parent, Path(noise.__file__).parents[1]
    found = subprocess.run(
        [sys.executable, "-c", "import test_noise; print(test_noise.fingerprint())"],
        env=os.environ | {"ATEN_CPU_CAPABILITY": "default", "PYTHONPATH": os.pathsep.join(map(str, folders))},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == fingerprint()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("family", ["pink", None, 0])
def test_unknown_family(family: Any) -> None:
    allowed = ", ".join(repr(name) for name in FAMILIES)
    with pytest.raises(ValueError, match=rf"^family={family!r}: must be one of {allowed}$"):
        noise.draw(family, (2,), generator=generator())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("size", [0, -1, 2.5, None])
def test_bad_shape(size: Any) -> None:
    with pytest.raises(ValueError, match=rf"^shape={size!r}: must be a whole number ≥ 1$"):
        noise.draw("gaussian", (3, size), generator=generator())


@pytest.mark.usefixtures("unchecked")
def test_other_bad_input() -> None:
    bad: Any = None
    with pytest.raises(ValueError, match=r"^generator=None: must be a torch.Generator$"):
        noise.draw("laplace", (3,), generator=bad)
    with pytest.raises(ValueError, match=r"^dtype=torch.int64: must be a floating-point dtype$"):
        noise.draw("laplace", (3,), generator=generator(), dtype=torch.int64)
    with pytest.raises(ValueError, match=r"^device='nowhere': must be a device of this machine, such as 'cpu'$"):
        noise.draw("laplace", (3,), generator=generator(), device="nowhere")
    bad = 3
    with pytest.raises(ValueError, match=r"^shape=3: must be a tuple of whole numbers ≥ 1$"):
        noise.draw("laplace", bad, generator=generator())
