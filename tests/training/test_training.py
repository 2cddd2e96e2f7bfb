import dataclasses
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from generators import generator
from poly import metrics, model, noise, training
from poly.noise import EXCESS_KURTOSIS
from poly.training import TrainConfig, kernels

f64 = torch.float64
SHARED = ("inputs", "inputs+instances", "none")


def start(n: int = 5, m: int = 7, instances: int = 3, seed: int = 0) -> Tensor:
    return model.init(n, m, instances=instances, generator=generator(seed))


def noises(W: Tensor, config: TrainConfig, source: torch.Generator) -> list[Any]:
    """Return each step's noise, in a shape that broadcasts against W, from generators seeded as in ``training``."""
    *instances, n, m = W.shape
    if config.noise is None:
        return [0.0] * config.steps
    if config.noise_shared == "none":
        own = generator(int(torch.randint(2**63 - 1, (1,), generator=source)))
        return [noise.draw(config.noise, (*instances, n, m), generator=own) for _ in range(config.steps)]
    count = math.prod(instances) if config.noise_shared == "inputs" else 1
    ahead = training._DRAWN // m
    streams = []
    for seed in torch.randint(2**63 - 1, (count,), generator=source).tolist():
        own = generator(seed)
        blocks = [noise.draw(config.noise, (ahead, m), generator=own) for _ in range(config.steps // ahead + 1)]
        streams.append(torch.cat(blocks)[: config.steps])
    xi = torch.stack(streams, 1)  # (steps, count, m)
    return list(xi.reshape(config.steps, *(instances if count > 1 else [1] * len(instances)), 1, m))


def steps_of_torch(W: Tensor, config: TrainConfig, seed: int) -> Iterator[Tensor]:
    """Yield W after each step by autograd and torch's own optimizers, with noise from an equal generator."""
    leaf = W.clone().requires_grad_()
    options: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    if config.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD([leaf], momentum=config.momentum, **options)
    else:
        make = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        optimizer = make([leaf], betas=config.betas, eps=config.eps, **options)
    for step_noise in noises(W, config, generator(seed)):
        xi = config.sigma * step_noise
        optimizer.zero_grad()
        model.loss(leaf, config.l1, xi).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield leaf.detach().clone()


def train_by_torch(W: Tensor, config: TrainConfig, seed: int) -> Tensor:
    """Return W after the last step of ``steps_of_torch``."""
    return list(steps_of_torch(W, config, seed))[-1]


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw", "lr": 3e-3},
        {"optimizer": "adamw", "lr": 3e-3, "betas": (0.5, 0.99), "eps": 1e-2},
        {"optimizer": "adam", "lr": 3e-3},
        {"optimizer": "sgd", "lr": 1e-2},
        {"optimizer": "sgd", "lr": 1e-2, "momentum": 0.9},
    ],
)
@pytest.mark.parametrize("l1", [0.0, 1e-2])
def test_200_steps_are_torch_s(options: Any, weight_decay: float, l1: float) -> None:
    config = TrainConfig(**options, steps=200, l1=l1, weight_decay=weight_decay)
    W = start()
    found = training.train(W, config, generator=generator()).W
    torch.testing.assert_close(found, train_by_torch(W, config, 0), rtol=1e-12, atol=1e-12)
    assert float((found - W).abs().max()) > 0.1


@pytest.mark.parametrize("family", get_args(noise.Family))
@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("large", [2**13, 0])
def test_noisy_steps_are_torch_s(
    family: noise.Family, shared: Any, optimizer: Any, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_DRAWN", 16 * 7)
    monkeypatch.setattr(kernels, "_LARGE", large)
    config = TrainConfig(
        optimizer=optimizer, lr=2e-3, steps=50, noise=family, sigma=0.3, noise_shared=shared, weight_decay=0.1, l1=1e-3
    )
    for W in (start(instances=2), start()[0]):
        found = training.train(W, config, generator=generator(9), at=[5, 16, 17])
        steps = list(steps_of_torch(W, config, 9))
        torch.testing.assert_close(found.W, steps[49], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found.values[2], steps[16], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("family", [None, "gaussian"])
def test_a_list_of_settings_is_a_run_of_each(shared: Any, family: Any) -> None:
    """Compare with runs one after another from one generator, whatever optimizer each has."""
    W = start(instances=6).reshape(3, 2, 5, 7)
    sigma = 0.0 if family is None else 0.2
    settings: list[Any] = [("sgd", 1e-2, 0.0), ("adamw", 3e-3, 1e-2), ("sgd", 2e-2, 1e-1)]
    configs = [
        TrainConfig(optimizer=optimizer, lr=lr, steps=30, l1=l1, noise=family, sigma=sigma, noise_shared=shared)
        for optimizer, lr, l1 in settings
    ]
    together = training.train(W, configs, generator=generator(4), at=[10, 30])
    assert together.values.shape == (2, 3, 2, 5, 7)
    source = generator(4)
    for part, config, found in zip(W, configs, together.W, strict=True):
        assert torch.equal(training.train(part, config, generator=source).W, found)


@pytest.mark.usefixtures("unchecked")
def test_settings_that_cannot_be_batched() -> None:
    W, one = start(instances=2), TrainConfig(lr=1e-3, steps=3)
    for configs, message in (
        ([one], "config: has 1 settings, must have one for each entry of W's first axis"),
        ([], r"config=\[\]: must hold at least one TrainConfig"),
        ([one, dataclasses.replace(one, steps=4)], r"config: has steps \[3, 4\], must be equal"),
        ([one, 3], "config=3: must be a TrainConfig, or a list of them"),
    ):
        with pytest.raises(ValueError, match=message):
            training.train(W, configs, generator=generator())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one for each entry of W's first axis"):
        training.train(W[0], [one] * 5, generator=generator())


@given(
    st.integers(1, 4), st.integers(1, 4), st.sampled_from([(), (1,), (2, 2)]), st.integers(0, 2**32),
    st.sampled_from(SHARED), st.sampled_from([0.0, 0.5]),
)  # fmt: skip
def test_one_sgd_step_is_the_gradient_of_the_noisy_loss(
    n: int, m: int, instances: tuple[int, ...], seed: int, shared: Any, l1: float
) -> None:
    W = torch.randn(*instances, n, m, generator=generator(seed), dtype=f64)
    W[..., 0, :] = 0
    config = TrainConfig(optimizer="sgd", lr=1.0, steps=1, l1=l1, noise="gaussian", sigma=0.7, noise_shared=shared)
    step = W - training.train(W, config, generator=generator(seed)).W
    xi = 0.7 * noises(W, config, generator(seed))[0]
    leaf = W.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.loss(leaf, l1, xi).sum(), leaf)
    torch.testing.assert_close(step, gradient, rtol=1e-10, atol=1e-10)


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
        "momentum": 0.0, "betas": (0.9, 0.999), "eps": 1e-8, "second_moments": "weights",
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
        *[("momentum", v, "a number ≥ 0 and < 1") for v in (-1e-9, 1.0, NAN, INF, None)],
        ("betas", (0.9,), "two numbers"),
        ("eps", 0, "a finite number > 0"),
        ("second_moments", "columns", "one of 'weights', 'rows'"),
        *[("optimizer", value, "one of 'adamw', 'adam', 'sgd', 'sign'") for value in ("Adam", "SGD", None, 0)],
        *[("noise", v, f"one of None, {', '.join(map(repr, EXCESS_KURTOSIS))}") for v in ("pink", 0, "")],
        *[("noise_shared", v, "one of 'inputs', 'inputs\\+instances', 'none'") for v in ("instances", None)],
    ],
)
def test_bad_settings(field: str, value: Any, allowed: str) -> None:
    settings: dict[str, Any] = {"lr": 1e-3, "steps": 10, field: value}
    with pytest.raises(ValueError, match=rf"^{field}={re.escape(repr(value))}: must be {allowed}$"):
        TrainConfig(**settings)


@pytest.mark.parametrize(("optimizer", "field", "value"), [
    ("adamw", "momentum", 0.9), ("sgd", "betas", (0.9, 0.99)), ("sign", "eps", 1e-3), ("sgd", "second_moments", "rows"),
])  # fmt: skip
def test_a_setting_that_an_optimizer_does_not_have(optimizer: Any, field: str, value: Any) -> None:
    settings: dict[str, Any] = {"lr": 1e-3, "steps": 10, "optimizer": optimizer, field: value}
    message = rf"^{field}={re.escape(repr(value))}: optimizer='{optimizer}' has none, must be "
    with pytest.raises(ValueError, match=message):
        TrainConfig(**settings)
    with pytest.raises(ValueError, match=r"^betas=1: must be a number ≥ 0 and < 1$"):
        TrainConfig(lr=1e-3, steps=10, betas=(0.9, 1))


def test_signs_are_the_same_on_both_ways_to_compute_them() -> None:
    """Compare the steps by torch, as ``none`` takes them, with the compiled steps of ``inputs``, at σ = 0."""
    settings: dict[str, Any] = {"optimizer": "sign", "lr": 1e-2, "steps": 50, "l1": 1e-2, "weight_decay": 0.1}
    W = start()
    found = [training.train(W, TrainConfig(**settings, noise_shared=shared), generator=generator()).W
             for shared in ("inputs", "none")]  # fmt: skip
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)
    assert float((found[0] - W).abs().max()) > 0.1


def test_rows_share_their_second_moments_only_in_compiled_steps() -> None:
    settings: dict[str, Any] = {"lr": 1e-3, "steps": 5, "second_moments": "rows"}
    one = start(instances=1)[:, :1] / 2
    shared = training.train(one, TrainConfig(**settings, eps=1e-12), generator=generator()).W - one
    # The first step of every row has length lr √m, along the gradient.
    first = training.train(one, TrainConfig(**(settings | {"steps": 1})), generator=generator()).W - one
    assert float(first.norm()) == pytest.approx(1e-3 * one.shape[-1] ** 0.5, rel=1e-4)
    assert torch.nn.functional.cosine_similarity(first.flatten(), one.flatten(), dim=0) > 1 - 1e-12
    assert float(shared.norm()) > float(first.norm())
    with pytest.raises(ValueError, match=r"^second_moments='rows': must be 'weights' on another device"):
        training.train(one, TrainConfig(**settings, noise_shared="none"), generator=generator())


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
    said = rf"^lr=10\.0: the weights stopped being finite in instance 0 by step {(*at, 50)[0]}, must be smaller$"
    with pytest.raises(ValueError, match=said):
        training.train(start(), config, generator=generator(), at=at, observe=metrics.survivors)


@pytest.mark.usefixtures("unchecked")
def test_a_config_of_another_kind_and_an_observation_that_is_no_tensor() -> None:
    with pytest.raises(ValueError, match=r"^config=\{'lr': 0\.1\}: must be a TrainConfig, or a list of them$"):
        training.train(start(), {"lr": 0.1}, generator=generator())  # type: ignore[arg-type]
    config = TrainConfig(lr=1e-3, steps=5)
    with pytest.raises(ValueError, match=r"^observe: returned int, must return a torch\.Tensor$"):
        training.train(start(), config, generator=generator(), at=[0], observe=lambda _: 1)  # type: ignore[arg-type,return-value]


def test_steps_are_whole_numbers_even_where_none_is_recorded() -> None:
    assert training.train(start(), TrainConfig(lr=1e-3, steps=1), generator=generator()).at.dtype == torch.int64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("shared", SHARED)
def test_on_a_cuda_device_the_steps_are_the_same(shared: Any) -> None:
    W = start(instances=4)
    quiet = TrainConfig(lr=3e-3, steps=200, l1=1e-2, weight_decay=0.01, noise_shared=shared)
    there = training.train(W.cuda(), quiet, generator=generator()).W
    torch.testing.assert_close(there.cpu(), training.train(W, quiet, generator=generator()).W, rtol=1e-9, atol=1e-9)
    noisy = dataclasses.replace(quiet, noise="laplace", sigma=0.1)
    found = training.train(W.cuda(), noisy, generator=torch.Generator("cuda").manual_seed(0)).W
    again = training.train(W.cuda(), noisy, generator=torch.Generator("cuda").manual_seed(0)).W
    assert torch.equal(found, again)
    assert not torch.equal(found, there)


def test_the_instance_that_diverges_is_named() -> None:
    W = start(instances=6).reshape(2, 3, 5, 7)
    W[1, 2] *= 100
    with pytest.raises(ValueError, match=r"^lr=0\.02: the weights stopped being finite in instance 1, 2 by step 50"):
        training.train(W, TrainConfig(optimizer="sgd", lr=0.02, steps=50), generator=generator())
    configs = [TrainConfig(optimizer="sgd", lr=lr, steps=50) for lr in (0.01, 0.03)]
    with pytest.raises(ValueError, match=r"^lr=0\.03: the weights stopped being finite in instance 1, 2 by step 50"):
        training.train(W, configs, generator=generator())


@pytest.mark.usefixtures("unchecked")
def test_any_kind_of_number_becomes_a_plain_one() -> None:
    config = TrainConfig(optimizer="sgd", lr=torch.tensor(0.5), steps=2, l1=1, noise="bipolar", sigma=Fraction(1, 4))  # type: ignore[arg-type]
    assert config == TrainConfig(optimizer="sgd", lr=0.5, steps=2, l1=1.0, noise="bipolar", sigma=0.25)
    assert [type(value) for value in (config.lr, config.l1, config.sigma)] == [float] * 3
