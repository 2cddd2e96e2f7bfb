from typing import Any

import numpy as np
import pytest
import torch

from generators import generator
from poly import mlp, tasks, training
from poly.mlp import Network
from poly.training import FitConfig

BITS = tasks.clauses(generator=torch.Generator().manual_seed(0)).bits


def stream(seed: int = 2, p: float = 0.1, batch: int = 64) -> tasks.AndStream:
    return tasks.AndStream(BITS, p, batch=batch, generator=generator(seed))


def start(m: int = 12, instances: tuple[int, ...] = (), dtype: torch.dtype = torch.float64, seed: int = 1) -> Network:
    return mlp.init(32, m, 16, instances=instances, generator=generator(seed), dtype=dtype)


def by_torch(network: Network, config: FitConfig, source: tasks.AndStream, free: Network | None = None) -> Network:
    """Train by autograd and torch's own Adam."""
    parts = [part.clone().requires_grad_() for part in network]
    optimizer = torch.optim.Adam(parts, lr=config.lr)
    kind = np.float64 if network.W1.dtype == torch.float64 else np.float32
    for step in range(config.steps):
        x, y = (torch.from_numpy(part[0]) for part in source.draw(1, kind))
        rate = optimizer.param_groups[0]["lr"] = config.lr * (1 - step / config.steps)
        optimizer.zero_grad()
        hidden = torch.relu(x @ parts[0] + parts[1])
        output = hidden @ parts[2] + parts[3]
        if config.loss == "squared":
            loss = torch.nn.functional.mse_loss(output, y)
        else:
            loss = torch.nn.functional.cross_entropy(output, y)
        loss = loss + config.l1 * (parts[0].abs().sum() + parts[2].abs().sum())
        loss = loss + config.l1_hidden * hidden.sum(-1).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        held = free is not None and (config.release is None or step < config.release)
        with torch.no_grad():
            parts[1].mul_(1 - rate * config.bias_decay)
            if held and free is not None:
                for part, mask in zip(parts, free, strict=True):
                    part.grad.mul_(mask)  # type: ignore[union-attr]
        optimizer.step()
    return Network(*(part.detach() for part in parts))


def largest_difference(one: Network, other: Network) -> float:
    return max((a - b).abs().max().item() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "added",
    [
        {},
        {"l1": 1e-4, "l1_hidden": 1e-3},
        {"bias_decay": 0.5},
        {"loss": "cross-entropy"},
    ],
)
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-11), (torch.float32, 2e-4)])
def test_two_hundred_steps_equal_those_of_torch(added: dict[str, Any], dtype: torch.dtype, within: float) -> None:
    config = FitConfig(lr=3e-3, steps=200, **added)
    found = training.fit(start(dtype=dtype), stream(), config, generator=generator())
    assert largest_difference(found, by_torch(start(dtype=dtype), config, stream())) < within
    assert largest_difference(found, start(dtype=dtype)) > 0.05


def masks(m: int = 12) -> Network:
    W1 = (torch.arange(32)[:, None] % m == torch.arange(m)).double()
    return Network(W1=W1, b1=torch.ones(m), W2=W1[:16].T.contiguous(), b2=torch.ones(16))


@pytest.mark.parametrize("release", [None, 0, 37, 200])
def test_masks_hold_until_they_are_released(release: int | None) -> None:
    config = FitConfig(lr=3e-3, steps=200, release=release)
    found = training.fit(start(), stream(), config, masks=masks(), generator=generator())
    masked = Network(*(part * mask for part, mask in zip(start(), masks(), strict=True)))
    assert largest_difference(found, by_torch(masked, config, stream(), masks())) < 1e-11
    outside = (found.W1[masks().W1 == 0]).abs().max().item()
    assert outside == 0 if release in (None, 200) else outside > 1e-3


def test_networks_of_one_batch_are_trained_as_if_alone() -> None:
    configs = [FitConfig(lr=lr, steps=50, noise=noise) for lr, noise in ((1e-3, 0.0), (3e-3, 0.1))]
    networks = start(instances=(2, 3))
    found = training.fit(networks, [stream(seed) for seed in range(3)], configs, generator=generator())
    for k in range(3):
        alone = training.fit(Network(*(part[0, k] for part in networks)), stream(k), configs[0], generator=generator())
        assert largest_difference(Network(*(part[0, k] for part in found)), alone) == 0
    assert found.W1.shape == (2, 3, 32, 12)


def test_results_do_not_depend_on_threads() -> None:
    before, found = torch.get_num_threads(), []
    config = FitConfig(lr=3e-3, steps=40, dropout=0.2, noise=0.1)
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            sources = [stream(seed) for seed in range(4)]
            found.append(training.fit(start(instances=(4,)), sources, config, generator=generator()))
    finally:
        torch.set_num_threads(before)
    assert largest_difference(*found) == 0


@pytest.mark.parametrize("added", [{"dropout": 0.3}, {"noise": 0.05}])
def test_dropout_and_noise_change_activations_as_said(added: dict[str, Any]) -> None:
    # One step of Adam goes against the sign of the gradient; with many examples that is the sign without noise.
    config, plain = (FitConfig(lr=1e-3, steps=1, **kind) for kind in (added, {}))
    found, without = (
        training.fit(start(), stream(batch=20_000, p=0.5), each, generator=generator(5)) for each in (config, plain)
    )
    same = torch.sign(found.W2 - start().W2) == torch.sign(without.W2 - start().W2)
    assert 0.9 < same.double().mean().item() <= 1
    assert largest_difference(found, without) > 0


def test_training_solves_the_task() -> None:
    config = FitConfig(lr=1e-2, steps=3000)
    found = training.fit(start(48, dtype=torch.float32), stream(p=0.5, batch=128), config, generator=generator())
    x, y = (torch.from_numpy(part[0]) for part in stream(9, p=0.5, batch=5000).draw(1))
    assert (mlp.output(found, x) - y).square().mean().item() < 0.01 * tasks.linear_loss(0.5)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: FitConfig(lr=0, steps=1), "lr=0"),
        (lambda: FitConfig(lr=1, steps=1, dropout=1), "dropout=1: must be a number ≥ 0 and < 1"),
        (lambda: FitConfig(lr=1, steps=1, loss="hinge"), "loss='hinge'"),  # type: ignore[arg-type]
        (lambda: FitConfig(lr=1, steps=1, release=-1), "release=-1"),
        (lambda: training.fit(start(), stream(), "adam", generator=generator()), "config='adam'"),  # type: ignore[arg-type]
        (lambda: training.fit(start(), 3, FitConfig(lr=1, steps=1), generator=generator()), "streams: hold 3, must be"),  # type: ignore[arg-type]
        (lambda: training.fit(start(), [stream()], FitConfig(lr=1, steps=1), generator=generator()), "instances"),
        (lambda: training.fit(start().W1, stream(), FitConfig(lr=1, steps=1), generator=generator()), "network: must"),  # type: ignore[arg-type]
        (
            lambda: training.fit(
                mlp.init(31, 4, 16, generator=generator()), stream(), FitConfig(lr=1, steps=1), generator=generator()
            ),
            "streams: have 32 inputs and 16 outputs, must have 31 and 16",
        ),
        (
            lambda: training.fit(start(), stream(), FitConfig(lr=1, steps=1), masks=start(), generator=generator()),
            "masks: W1 must hold zeros and ones",
        ),
        (
            lambda: training.fit(start(), stream(), FitConfig(lr=1e300, steps=9), generator=generator()),
            r"stopped being finite in setting 0, stream 0 by step \d+, must be smaller",
        ),
        (
            lambda: training.fit(start(dtype=torch.float16), stream(), FitConfig(lr=1, steps=1), generator=generator()),
            "must be float32 or float64",
        ),
    ],
)
def test_bad_input_is_refused(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


class Odd(tasks.AndStream):
    """A stream whose batches differ from what it declares."""

    change: Any = staticmethod(lambda x, y: (x, y))

    def draw(self, batches: int, dtype: Any = np.float32) -> tuple[Any, Any]:
        x, y = super().draw(batches, dtype)
        return type(self).change(x, y)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y: (x, y[..., :1]), "streams: draw gives shapes"),
        (lambda x, y: (x[:1], y[:1]), "must give"),
        (lambda x, y: (x, y[:, :-1]), "must give"),
        (lambda x, y: (x, y * np.nan), "streams: draw gives NaN"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_a_stream_gives_is_checked(change: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, "change", staticmethod(change))
    odd = Odd(BITS, 0.1, batch=64, generator=generator())
    with pytest.raises(ValueError, match=said):
        training.fit(start(), odd, FitConfig(lr=1e-3, steps=60), generator=generator())


def test_a_stream_may_give_another_type(monkeypatch: pytest.MonkeyPatch) -> None:
    config = FitConfig(lr=1e-3, steps=20)
    expected = training.fit(start(), stream(), config, generator=generator())
    monkeypatch.setattr(Odd, "change", staticmethod(lambda x, y: (x.astype(np.float32), y.astype(int))))
    odd = Odd(BITS, 0.1, batch=64, generator=generator(2))
    assert largest_difference(training.fit(start(), odd, config, generator=generator()), expected) == 0


def test_the_start_is_left_untouched() -> None:
    network = start()
    before = [part.clone() for part in network]
    training.fit(network, stream(), FitConfig(lr=1e-2, steps=5), generator=generator())
    assert all(torch.equal(one, other) for one, other in zip(before, network, strict=True))
