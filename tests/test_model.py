import math
import os
import re
from typing import Any

import jaxtyping
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from generators import generator
from poly import model

f64 = torch.float64
SIZES = st.integers(1, 5)
INSTANCES = st.sampled_from([(), (1,), (3,), (2, 2)])
SEEDS = st.integers(0, 2**32)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=f64)


def with_special_rows(W: Tensor) -> Tensor:
    """Return a copy with a first row of zeros, two equal last rows if there is room, and one zero weight."""
    W = W.clone()
    n = W.shape[-2]
    if n >= 2:
        W[..., 0, :] = 0
    if n >= 4:
        W[..., -1, :] = W[..., -2, :]
    W[..., n // 2, 0] = 0
    return W


def reconstruct_by_loops(W: Tensor, x: list[float], xi: list[float]) -> list[float]:
    """Return the outputs of one network for one input, by loops."""
    n, m = W.shape
    hidden = [xi[k] + sum(x[i] * float(W[i, k]) for i in range(n)) for k in range(m)]
    return [max(0.0, sum(hidden[k] * float(W[i, k]) for k in range(m))) for i in range(n)]


def loss_by_loops(W: Tensor, l1: float, xi: Tensor) -> float:
    """Return the loss of one network by loops; xi has shape (n, m), one row for each input."""
    n, m = W.shape
    total = 0.0
    for i in range(n):
        for j in range(n):
            y = sum((float(W[i, k]) + float(xi[i, k])) * float(W[j, k]) for k in range(m))
            total += (max(0.0, y) - (1.0 if i == j else 0.0)) ** 2
    return total + l1 * sum(abs(float(w)) for w in W.flatten())


def minus_gradient(W: Tensor, l1: float, xi: Tensor | float = 0.0) -> Tensor:
    leaf = W.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.loss(leaf, l1, xi).sum(), leaf)
    return -gradient


# Forces


@given(SIZES, SIZES, INSTANCES, SEEDS, st.sampled_from([0, 1e-5, 0.3, 7.0]), st.booleans())
def test_forces_sum_to_minus_the_gradient(
    n: int, m: int, instances: tuple[int, ...], seed: int, l1: float, special: bool
) -> None:
    W = normal(*instances, n, m, seed=seed)
    W = with_special_rows(W) if special else W
    force = model.forces(W, l1)
    assert all(part.shape == W.shape for part in force)
    torch.testing.assert_close(sum(force), minus_gradient(W, l1), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("n", "m"), [(64, 32), (32, 100), (1, 50), (50, 1)])
def test_forces_sum_to_minus_the_gradient_at_size(n: int, m: int) -> None:
    W = normal(n, m) / m**0.5
    torch.testing.assert_close(sum(model.forces(W, 0.01)), minus_gradient(W, 0.01), rtol=1e-10, atol=1e-10)


@given(SIZES, SIZES, SEEDS, st.sampled_from([0.0, 0.5]))
def test_each_force_is_its_formula(n: int, m: int, seed: int, l1: float) -> None:
    W = with_special_rows(normal(n, m, seed=seed))
    benefit, interference, regularization = model.forces(W, l1)
    for i in range(n):
        norm2 = float(W[i] @ W[i])
        for k in range(m):
            w = float(W[i, k])
            crowd = sum(max(0.0, float(W[i] @ W[j])) * float(W[j, k]) for j in range(n) if j != i)
            assert float(benefit[i, k]) == pytest.approx(4 * (1 - norm2) * w, rel=1e-12, abs=1e-12)
            assert float(interference[i, k]) == pytest.approx(-4 * crowd, rel=1e-12, abs=1e-12)
            assert float(regularization[i, k]) == (0.0 if w == 0 else -math.copysign(l1, w))


def test_forces_by_hand() -> None:
    # Opposite signs do not meet; equal signs push each other away; λ moves weights toward zero.
    apart = model.forces(torch.tensor([[0.5], [-0.5]], dtype=f64), 0.1)
    assert torch.equal(apart.benefit, torch.tensor([[1.5], [-1.5]], dtype=f64))
    assert not apart.interference.any()
    assert torch.equal(apart.regularization, torch.tensor([[-0.1], [0.1]], dtype=f64))
    together = model.forces(torch.tensor([[0.5], [0.5]], dtype=f64))
    assert torch.equal(together.interference, torch.tensor([[-0.5], [-0.5]], dtype=f64))
    assert not together.regularization.any()


# Loss


@given(SIZES, SIZES, SEEDS, st.sampled_from([0.0, 0.5]), st.booleans())
def test_loss_against_loops(n: int, m: int, seed: int, l1: float, noisy: bool) -> None:
    W = with_special_rows(normal(2, n, m, seed=seed))
    xi = normal(2, n, m, seed=seed + 1) if noisy else torch.zeros(2, n, m, dtype=f64)
    found = model.loss(W, l1, xi if noisy else 0.0)
    assert found.shape == (2,)
    for b in range(2):
        assert float(found[b]) == pytest.approx(loss_by_loops(W[b], l1, xi[b]), rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "l1", "expected"),
    [
        ([[0.0, 0.0], [0.0, 0.0]], 0.0, 2.0),  # nothing is represented: every feature costs 1
        ([[1.0, 0.0], [0.0, -1.0]], 0.0, 0.0),  # a neuron each
        ([[1.0], [-1.0]], 0.0, 0.0),  # a benign collision costs nothing
        ([[1.0], [1.0]], 0.0, 2.0),  # a malign one costs the two wrong outputs
        ([[1.0, 0.0], [0.0, -1.0]], 0.25, 0.5),  # λ times two weights of size 1
    ],
)
def test_loss_by_hand(rows: list[list[float]], l1: float, expected: float) -> None:
    assert float(model.loss(torch.tensor(rows, dtype=f64), l1)) == expected


def test_loss_has_no_noise_and_no_penalty_by_default() -> None:
    W = normal(3, 4)
    assert torch.equal(model.loss(W), model.loss(W, 0.0, 0.0))
    assert torch.equal(torch.stack(model.forces(W)), torch.stack(model.forces(W, 0.0)))


@given(SIZES, SIZES, SEEDS, st.randoms(use_true_random=False))
def test_loss_and_forces_do_not_see_names_or_signs(n: int, m: int, seed: int, random: Any) -> None:
    """Check that reordering features or neurons, or flipping a neuron, keeps the loss and moves the forces alike."""
    W = normal(n, m, seed=seed)
    rows, columns = random.sample(range(n), n), random.sample(range(m), m)
    signs = torch.tensor([random.choice([-1.0, 1.0]) for _ in range(m)], dtype=f64)
    moved = W[rows][:, columns] * signs
    torch.testing.assert_close(model.loss(moved, 0.2), model.loss(W, 0.2), rtol=1e-12, atol=1e-12)
    for before, after in zip(model.forces(W, 0.2), model.forces(moved, 0.2), strict=True):
        torch.testing.assert_close(after, before[rows][:, columns] * signs, rtol=1e-12, atol=1e-12)


# Reconstruction


@given(SIZES, SIZES, st.integers(1, 4), SEEDS)
def test_reconstruct_against_loops(n: int, m: int, inputs: int, seed: int) -> None:
    W, x = normal(2, n, m, seed=seed), normal(2, inputs, n, seed=seed + 1)
    full = normal(2, inputs, m, seed=seed + 2)
    shared = normal(m, seed=seed + 3)
    by_instance = normal(2, 1, m, seed=seed + 4)
    for xi in (0.0, -0.25, torch.tensor(0.5, dtype=f64), shared, by_instance, full):
        y = model.reconstruct(W, x, xi)
        assert y.shape == (2, inputs, n)
        every = torch.as_tensor(xi, dtype=f64).expand(2, inputs, m)
        for b in range(2):
            for i in range(inputs):
                expected = reconstruct_by_loops(W[b], x[b, i].tolist(), every[b, i].tolist())
                assert y[b, i].tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_one_input_vector_is_one_output_vector() -> None:
    W, x = normal(2, 3, 4, 5), normal(4, seed=1)
    shared, by_instance = normal(5, seed=2), normal(2, 3, 1, 5, seed=3)
    for xi in (0.0, shared, by_instance):
        y = model.reconstruct(W, x, xi)
        assert y.shape == (2, 3, 4)
        torch.testing.assert_close(y, model.reconstruct(W, x.expand(2, 3, 1, 4), xi)[:, :, 0])
    assert model.reconstruct(W[0, 0], x).shape == (4,)
    assert model.reconstruct(W[0, 0], x).tolist() == pytest.approx(
        reconstruct_by_loops(W[0, 0], x.tolist(), [0.0] * 5), rel=1e-12
    )


def test_the_same_inputs_for_every_instance() -> None:
    W, x = normal(2, 3, 4), normal(6, 3, seed=1)
    torch.testing.assert_close(model.reconstruct(W, x), torch.stack([model.reconstruct(w, x) for w in W]))


@given(SIZES, SIZES, SEEDS)
def test_batching_equals_a_loop(n: int, m: int, seed: int) -> None:
    W = normal(2, 3, n, m, seed=seed)
    xi = normal(2, 3, 1, m, seed=seed + 1)
    for a in range(2):
        for b in range(3):
            torch.testing.assert_close(model.loss(W, 0.1, xi)[a, b], model.loss(W[a, b], 0.1, xi[a, b]))
            for many, one in zip(model.forces(W, 0.1), model.forces(W[a, b], 0.1), strict=True):
                torch.testing.assert_close(many[a, b], one)


# Initialization


def test_init_has_the_paper_s_moments() -> None:
    W = model.init(50, 80, instances=60, generator=generator())
    assert W.shape == (60, 50, 80)
    assert W.dtype == f64
    unit = W * 80**0.5
    # 240,000 draws: one standard error of the mean is 0.002, of the variance 0.003.
    assert float(unit.mean()) == pytest.approx(0, abs=0.008)
    assert float(unit.var()) == pytest.approx(1, abs=0.012)
    assert float(unit.pow(4).mean()) == pytest.approx(3, abs=0.1)
    assert float((unit[:, 1:] * unit[:, :-1]).mean()) == pytest.approx(0, abs=0.01)


def test_init_is_the_generator_s_and_advances_it() -> None:
    first, second = model.init(3, 4, generator=generator(7)), model.init(3, 4, generator=generator(7))
    assert first.shape == (1, 3, 4)
    assert torch.equal(first, second)
    assert not torch.equal(first, model.init(3, 4, generator=generator(8)))
    running = generator(7)
    assert torch.equal(first, model.init(3, 4, generator=running))
    assert not torch.equal(first, model.init(3, 4, generator=running))
    drawn = torch.randn(1, 3, 4, generator=generator(7), dtype=f64) / 2
    assert torch.equal(first, drawn)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_init_draws_in_float64_and_then_casts(dtype: torch.dtype) -> None:
    cast = model.init(5, 6, instances=2, generator=generator(), dtype=dtype, device="cpu")
    assert cast.dtype == dtype
    assert torch.equal(cast, model.init(5, 6, instances=2, generator=generator()).to(dtype))


# Bad input


NAN, INF = math.nan, math.inf
GOOD = torch.ones(2, 3, 4, dtype=f64)
BAD_W = [
    (torch.ones(3), r"^W: has shape \(3,\), must be \(\*instances, n, m\)"),
    (torch.ones(0, 3), r"^W: has shape \(0, 3\), every axis must have at least one"),
    (torch.tensor([[1.0, NAN]]), r"^W: holds NaN or infinity"),
    (torch.tensor([[1.0, INF]]), r"^W: holds NaN or infinity"),
    (torch.ones(2, 2, dtype=torch.int64), r"^W: has dtype torch.int64"),
    ([[1.0]], r"^W: must be a torch.Tensor .* not list"),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("W", "message"), BAD_W)
def test_bad_weights(W: Any, message: str) -> None:
    for call in (model.loss, model.forces, lambda W: model.reconstruct(W, torch.ones(2))):
        with pytest.raises(ValueError, match=message):
            call(W)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_overflow_is_no_silent_infinity(dtype: torch.dtype) -> None:
    huge = torch.finfo(dtype).max / 4
    W = torch.eye(2, dtype=dtype).repeat(2, 1, 1)
    W[1, 0, 0] = huge
    for call in (model.loss, model.forces, lambda W: model.reconstruct(W, torch.ones(2, dtype=dtype))):
        call(W[0])
        message = f"W: holds a weight of size {huge:.3g}, must be smaller for the result to fit {dtype}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            call(W)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("l1", [-1e-9, NAN, INF, None, "0", True])
def test_bad_l1(l1: Any) -> None:
    for call in (model.loss, model.forces):
        with pytest.raises(ValueError, match=rf"^l1={l1!r}: must be a finite number ≥ 0$"):
            call(GOOD, l1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(4, dtype=f64), r"^x: has shape \(4,\), its last axis must have W's n = 3 entries"),
        (torch.ones(3, 2, dtype=f64), r"^x: has shape \(3, 2\), its last axis must have W's n = 3 entries"),
        (torch.ones(5, 6, 3, dtype=f64), r"^x: has shape \(5, 6, 3\), its leading axes must broadcast with W's \(2,\)"),
        (torch.ones(3), r"^x: has dtype torch.float32, must be W's torch.float64"),
        (torch.tensor(1.0, dtype=f64), r"^x: has shape \(\), must be \(n,\) or \(\*instances, inputs, n\)"),
        (torch.tensor([1.0, NAN, 0.0], dtype=f64), r"^x: holds NaN or infinity"),
        (torch.tensor([1.0, INF, 0.0], dtype=f64), r"^x: holds NaN or infinity"),
        (torch.ones(0, 3, dtype=f64), r"^x: has shape \(0, 3\), every axis"),
        ([1.0, 1.0, 1.0], r"^x: must be a torch.Tensor of shape \(n,\) or \(\*instances, inputs, n\), not list"),
    ],
)
def test_bad_inputs(x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.reconstruct(GOOD, x)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("xi", "message"),
    [
        (torch.ones(3, dtype=f64), r"^xi: has shape \(3,\), must broadcast to .* = \(2, 3, 4\)$"),
        (torch.ones(7, 3, 4, dtype=f64), r"^xi: has shape \(7, 3, 4\), must broadcast to"),
        (torch.ones(1, 2, 3, 4, dtype=f64), r"^xi: has shape \(1, 2, 3, 4\), must broadcast to"),
        (torch.full((4,), NAN, dtype=f64), r"^xi: holds NaN or infinity"),
        (torch.ones(4), r"^xi: has dtype torch.float32, must be W's torch.float64"),
        (NAN, r"^xi=nan: must be a finite number$"),
        (-INF, r"^xi=-inf: must be a finite number$"),
        ("noise", r"^xi='noise': must be a finite number$"),
        (None, r"^xi=None: must be a finite number$"),
    ],
)
def test_bad_noise(xi: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.loss(GOOD, 0.0, xi)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["n", "m", "instances"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None, NAN])
def test_bad_sizes(name: str, value: Any) -> None:
    sizes: dict[str, Any] = {"n": 2, "m": 3, "instances": 4, name: value}
    with pytest.raises(ValueError, match=rf"^{name}={value!r}: must be a whole number ≥ 1$"):
        model.init(**sizes, generator=generator())


@pytest.mark.skipif(bool(os.environ.get("POLY_MUTATED")), reason="the import hook is off")
def test_types_are_checked_in_these_tests() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        model.loss(torch.ones(3))
    with pytest.raises(jaxtyping.TypeCheckError):
        model.forces(torch.ones(3, 2, dtype=torch.int64))
    with pytest.raises(jaxtyping.TypeCheckError):
        model.reconstruct(torch.ones(3, 2), torch.ones(4))


def test_init_wants_a_generator_and_a_floating_dtype(unchecked: None) -> None:
    with pytest.raises(ValueError, match=r"^generator=None: must be a torch\.Generator$"):
        model.init(2, 3, generator=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^dtype=torch\.int64: must be a floating-point dtype$"):
        model.init(2, 3, generator=torch.Generator(), dtype=torch.int64)
