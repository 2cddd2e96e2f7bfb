import dataclasses
import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from poly import metrics, model, noise, training
from poly.noise import EXCESS_KURTOSIS
from poly.training import TrainConfig

f64 = torch.float64
SHARED: dict[str, Any] = {
    "inputs": lambda b, n, m: (*b, 1, m),
    "inputs+instances": lambda b, n, m: (m,),
    "none": lambda b, n, m: (*b, n, m),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def start(n: int = 5, m: int = 7, instances: int = 3, seed: int = 0) -> Tensor:
    return model.init(n, m, instances=instances, generator=generator(seed))


def train_by_torch(W: Tensor, config: TrainConfig, seed: int) -> Tensor:
    """The same run by autograd and torch's own optimizers, noise drawn from an equal generator."""
    leaf = W.clone().requires_grad_()
    options: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    optimizer = (
        torch.optim.AdamW([leaf], **options) if config.optimizer == "adamw" else torch.optim.SGD([leaf], **options)
    )
    source = generator(seed)
    *instances, n, m = W.shape
    for _ in range(config.steps):
        xi: Tensor | float = 0.0
        if config.noise is not None:
            shape = SHARED[config.noise_shared](instances, n, m)
            xi = config.sigma * noise.draw(config.noise, shape, generator=source, dtype=W.dtype)
        optimizer.zero_grad()
        model.loss(leaf, config.l1, xi).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return leaf.detach()


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 3e-3), ("sgd", 1e-2)])
@pytest.mark.parametrize("l1", [0.0, 1e-2])
def test_200_steps_are_torch_s(optimizer: Any, lr: float, weight_decay: float, l1: float) -> None:
    config = TrainConfig(optimizer=optimizer, lr=lr, steps=200, l1=l1, weight_decay=weight_decay)
    W = start()
    found = training.train(W, config, generator=generator()).W
    torch.testing.assert_close(found, train_by_torch(W, config, 0), rtol=1e-12, atol=1e-12)
    assert float((found - W).abs().max()) > 0.1


@pytest.mark.parametrize("family", get_args(noise.Family))
@pytest.mark.parametrize("shared", list(SHARED))
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_noisy_steps_are_torch_s(family: noise.Family, shared: Any, optimizer: Any) -> None:
    config = TrainConfig(optimizer=optimizer, lr=2e-3, steps=50, noise=family, sigma=0.3, noise_shared=shared)
    for W in (start(instances=2), start()[0]):
        found = training.train(W, config, generator=generator(9)).W
        torch.testing.assert_close(found, train_by_torch(W, config, 9), rtol=1e-12, atol=1e-12)


@given(
    st.integers(1, 4), st.integers(1, 4), st.sampled_from([(), (1,), (2, 2)]), st.integers(0, 2**32),
    st.sampled_from(list(SHARED)), st.sampled_from([0.0, 0.5]),
)  # fmt: skip
def test_one_sgd_step_is_the_gradient_of_the_noisy_loss(
    n: int, m: int, instances: tuple[int, ...], seed: int, shared: Any, l1: float
) -> None:
    W = torch.randn(*instances, n, m, generator=generator(seed), dtype=f64)
    W[..., 0, :] = 0
    config = TrainConfig(optimizer="sgd", lr=1.0, steps=1, l1=l1, noise="gaussian", sigma=0.7, noise_shared=shared)
    step = W - training.train(W, config, generator=generator(seed)).W
    xi = 0.7 * noise.draw("gaussian", SHARED[shared](instances, n, m), generator=generator(seed))
    leaf = W.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.loss(leaf, l1, xi).sum(), leaf)
    torch.testing.assert_close(step, gradient, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shared", list(SHARED))
def test_who_shares_the_noise(shared: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = []
    draw = noise.draw

    def spy(family: noise.Family, shape: tuple[int, ...], **options: Any) -> Tensor:
        shapes.append(shape)
        return draw(family, shape, **options)

    monkeypatch.setattr(noise, "draw", spy)
    config = TrainConfig(lr=1e-3, steps=2, noise="bipolar", sigma=0.1, noise_shared=shared)
    training.train(start(5, 7, 3), config, generator=generator())
    assert shapes == 2 * [{"inputs": (3, 1, 7), "inputs+instances": (7,), "none": (3, 5, 7)}[shared]]


def test_equal_instances_stay_equal_only_where_they_share_noise() -> None:
    W = start(4, 6, 1).expand(2, 4, 6).clone()
    for shared, equal in (("inputs+instances", True), ("inputs", False), ("none", False)):
        config = TrainConfig(lr=1e-3, steps=3, noise="gaussian", sigma=0.1, noise_shared=shared)  # type: ignore[arg-type]
        after = training.train(W, config, generator=generator()).W
        assert torch.equal(after[0], after[1]) == equal


def test_without_noise_nothing_is_drawn_and_batching_equals_a_loop() -> None:
    W, config = start(), TrainConfig(lr=1e-3, steps=20, l1=1e-3)
    source = generator(3)
    state = source.get_state()
    many = training.train(W, config, generator=source).W
    assert torch.equal(source.get_state(), state)
    for before, after in zip(W, many, strict=True):
        torch.testing.assert_close(training.train(before, config, generator=source).W, after, rtol=1e-12, atol=1e-12)


def test_sigma_0_is_no_noise() -> None:
    W = start()
    quiet = training.train(W, TrainConfig(lr=1e-3, steps=5), generator=generator()).W
    zero = training.train(W, TrainConfig(lr=1e-3, steps=5, noise="gaussian"), generator=generator()).W
    assert torch.equal(quiet, zero)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_input_is_untouched_and_its_dtype_kept(dtype: torch.dtype) -> None:
    W = start().to(dtype)
    before = W.clone()
    found = training.train(W, TrainConfig(lr=1e-2, steps=3), generator=generator(), at=[0, 3])
    assert torch.equal(W, before)
    assert found.W.dtype == found.values.dtype == dtype
    assert torch.equal(found.values[0], before)
    assert torch.equal(found.values[1], found.W)
    assert found.values[1].data_ptr() != found.W.data_ptr()


def test_recorded_steps_are_those_of_shorter_runs() -> None:
    W, at = start(), [0, 1, 4, 10]
    run = training.train(W, TrainConfig(lr=1e-2, steps=10), generator=generator(), at=at)
    assert run.at.tolist() == at
    assert run.values.shape == (4, *W.shape)
    for step, seen in zip(at, run.values, strict=True):
        short = training.train(W, TrainConfig(lr=1e-2, steps=step), generator=generator()).W
        assert torch.equal(seen, short)


def test_observe_gets_a_copy_and_its_values_are_stacked() -> None:
    def spoil(W: Tensor) -> Tensor:
        count = metrics.survivors(W).sum(-1)
        W.zero_()
        return count

    W, config = start(), TrainConfig(lr=1e-2, steps=4)
    run = training.train(W, config, generator=generator(), at=(0, 2, 4), observe=spoil)
    assert run.values.tolist() == [[35, 35, 35]] * 3
    assert torch.equal(run.W, training.train(W, config, generator=generator()).W)


def test_nothing_recorded() -> None:
    run = training.train(start(), TrainConfig(lr=1e-2, steps=2), generator=generator())
    assert run.at.tolist() == []
    assert run.values.numel() == 0


def test_training_solves_the_task() -> None:
    run = training.train(start(6, 20, 4), TrainConfig(lr=3e-2, steps=300), generator=generator())
    assert float(model.loss(run.W).max()) < 1e-3


# The settings


def test_defaults_are_those_of_the_paper_s_code() -> None:
    config = TrainConfig(lr=1e-3, steps=10)
    assert dataclasses.asdict(config) == {
        "optimizer": "adamw", "lr": 1e-3, "steps": 10, "l1": 0.0, "weight_decay": 0.0,
        "noise": None, "sigma": 0.0, "noise_shared": "inputs",
    }  # fmt: skip


def test_config_is_frozen_and_keyword_only() -> None:
    config = TrainConfig(lr=1e-3, steps=10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.lr = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        TrainConfig("sgd", 1e-3, 10)  # type: ignore[call-arg]
    assert config == TrainConfig(lr=1e-3, steps=10)
    assert hash(config) == hash(TrainConfig(lr=1e-3, steps=10))


NAN, INF = math.nan, math.inf


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        *[("lr", value, "a finite number > 0") for value in (0, -1e-3, NAN, INF, None, "1")],
        *[("steps", value, "a whole number ≥ 0") for value in (-1, 2.5, NAN, None, True)],
        *[
            (name, v, "a finite number ≥ 0")
            for name in ("l1", "weight_decay", "sigma")
            for v in (-1e-9, NAN, INF, None)
        ],
        *[("optimizer", value, "one of 'adamw', 'sgd'") for value in ("adam", "SGD", None, 0)],
        *[("noise", v, f"one of None, {', '.join(map(repr, EXCESS_KURTOSIS))}") for v in ("pink", 0, "")],
        *[("noise_shared", v, "one of 'inputs', 'inputs\\+instances', 'none'") for v in ("instances", None)],
    ],
)
def test_bad_settings(field: str, value: Any, allowed: str) -> None:
    settings: dict[str, Any] = {"lr": 1e-3, "steps": 10, field: value}
    with pytest.raises(ValueError, match=rf"^{field}={value!r}: must be {allowed}$"):
        TrainConfig(**settings)


def test_sigma_without_a_family() -> None:
    with pytest.raises(ValueError, match=r"^sigma=0\.1: must be 0 where noise=None; name a noise family$"):
        TrainConfig(lr=1e-3, steps=10, sigma=0.1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("at", "message"),
    [
        ([-1], r"^at=-1: must be a whole number ≥ 0"),
        ([0.5], r"^at=0\.5: must be a whole number ≥ 0"),
        ([2, 1], r"^at: must increase, but 1 follows 2"),
        ([3, 3], r"^at: must increase, but 3 follows 3"),
        ([0, 6], r"^at: 6 lies beyond the end of the run at 5"),
    ],
)
def test_bad_recording_steps(at: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training.train(start(), TrainConfig(lr=1e-3, steps=5), generator=generator(), at=at)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("W", "message"),
    [
        (torch.ones(3), r"^W: has shape \(3,\), must be \(\*instances, n, m\)"),
        (torch.tensor([[NAN]]), r"^W: holds NaN or infinity"),
        (torch.tensor([[INF]]), r"^W: holds NaN or infinity"),
        (torch.ones(2, 0), r"^W: has shape \(2, 0\), every axis"),
        ([[1.0]], r"^W: must be a torch.Tensor"),
    ],
)
def test_bad_weights(W: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training.train(W, TrainConfig(lr=1e-3, steps=5), generator=generator())


@pytest.mark.parametrize("at", [(), (40,)])
def test_a_diverging_run_is_an_error_before_anybody_looks_at_it(at: tuple[int, ...]) -> None:
    config = TrainConfig(optimizer="sgd", lr=10.0, steps=50)
    with pytest.raises(ValueError, match=r"^lr=10\.0: the weights stopped being finite, must be smaller$"):
        training.train(start(), config, generator=generator(), at=at, observe=metrics.survivors)


@pytest.mark.usefixtures("unchecked")
def test_a_config_of_another_kind_and_an_observation_that_is_no_tensor() -> None:
    with pytest.raises(ValueError, match=r"^config=\{'lr': 0\.1\}: must be a TrainConfig$"):
        training.train(start(), {"lr": 0.1}, generator=generator())  # type: ignore[arg-type]
    config = TrainConfig(lr=1e-3, steps=5)
    with pytest.raises(ValueError, match=r"^observe: returned int, must return a torch\.Tensor$"):
        training.train(start(), config, generator=generator(), at=[0], observe=lambda _: 1)  # type: ignore[arg-type,return-value]


def test_steps_are_whole_numbers_even_where_none_is_recorded() -> None:
    assert training.train(start(), TrainConfig(lr=1e-3, steps=1), generator=generator()).at.dtype == torch.int64
