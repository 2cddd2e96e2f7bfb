from typing import Any

import numpy as np
import pytest
import torch

from poly import (
    cooccurrence,
    expected_loss,
    flow,
    mlp,
    model,
    perturb,
    sparsify,
    superposition,
    sweep,
    tasks,
    training,
    untied,
)
from poly.experiments import noise_runs, transformers


@pytest.fixture
def perturbed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv(perturb.VARIABLE, "3")
    return monkeypatch


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_nothing_changes_where_the_variable_is_unset() -> None:
    W = model.init(3, 4, generator=generator())
    assert perturb.start(W) is W
    assert perturb.order(4).relabel(W) is W
    assert perturb.key() == {}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_weight_moves_by_one_unit_in_the_last_place(perturbed: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    W = torch.randn(200, 3, generator=generator(), dtype=torch.float64).to(dtype)
    W[0, 0] = 0.0
    moved = perturb.start(W)
    up, down = (torch.nextafter(W, W.new_full((), end)) for end in (np.inf, -np.inf))
    assert ((moved == up) | (moved == down) | (W == 0)).all()
    assert 0.4 < (moved == up).double().mean() < 0.6
    assert moved[0, 0] == 0
    assert torch.equal(moved, perturb.start(W))
    perturbed.setenv(perturb.VARIABLE, "4")
    assert not torch.equal(moved, perturb.start(W))


def test_what_has_no_last_place_to_move_stays(perturbed: pytest.MonkeyPatch) -> None:
    W = torch.ones(2, 2, dtype=torch.bfloat16)
    assert perturb.start(W) is W


@pytest.mark.parametrize("text", ["-1", "1.5", "yes", "²"])
def test_a_seed_is_a_whole_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(perturb.VARIABLE, text)
    with pytest.raises(ValueError, match=f"^POLY_PERTURB='{text}': must be a whole number ≥ 0, or unset$"):
        perturb.start(torch.ones(1))


def trained(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    config = training.TrainConfig(optimizer="adamw", lr=0.01, steps=30)
    return training.train(torch.eye(3, 5, dtype=dtype) + 0.1, config, generator=generator()).W


def superposed() -> torch.Tensor:
    W = torch.linspace(0.1, 0.5, 20, dtype=torch.float64).reshape(4, 5)
    network = superposition.Network(W, torch.zeros(4, dtype=torch.float64))
    config = superposition.SuperpositionConfig(steps=20, batch=8, lr=0.1)
    return superposition.train(network, 0.5, torch.ones(4), config, generator=generator()).W


def untied_encoder() -> torch.Tensor:
    encoder = torch.linspace(0.1, 0.5, 20).reshape(4, 5)
    network = untied.Network(encoder, encoder.mT / 2, torch.zeros(4))
    config = untied.UntiedConfig(steps=20, batch=8, active=1, groups=1)
    return untied.train(network, config, generator=generator()).encoder


def fitted() -> torch.Tensor:
    bits = tasks.clauses(generator=generator()).bits
    stream = tasks.AndStream(bits, 0.1, batch=8, generator=generator())
    start = mlp.init(32, 4, 16, generator=generator(), dtype=torch.float64)
    return training.fit(start, stream, training.FitConfig(lr=1e-3, steps=20), generator=generator()).W1


def noisy() -> torch.Tensor:
    config = training.TrainConfig(optimizer="sgd", lr=0.02, steps=30, noise="bipolar", sigma=0.1)
    return training.train(torch.eye(3, 5, dtype=torch.float64) + 0.1, config, generator=generator()).W


# Every way from a start to an end; rows that a chapter makes itself go through one of these.
RUNS: dict[str, Any] = {
    "flow": lambda: flow.flow(torch.eye(3, 5, dtype=torch.float64) + 0.1, 0.01, t_end=0.5).W,
    "train": trained,
    "train in float32": lambda: trained(torch.float32),
    "train with noise": noisy,
    "superposition.train": superposed,
    "untied.train": untied_encoder,
    "expected.flow": lambda: (
        expected_loss.flow(torch.eye(3, 5, dtype=torch.float64) + 0.1, "gaussian", 0.1, t_end=0.5).W
    ),
    "sparsify": lambda: torch.tensor(sparsify.sparsify(np.linspace(0.1, 0.4, 7), 0.01, t_end=9).l1_norm),
    "weights_at": lambda: torch.tensor(sparsify.weights_at(np.linspace(0.1, 0.4, 7), 0.01, 5)),
    "fit": fitted,
    "cooccurrence.train": lambda: cooccurrence.train(
        torch.eye(3, 5) + 0.1, cooccurrence.Config(p=0.1, steps=20), generator=generator()
    ),
    "transformers.train": lambda: next(iter(transformers.train(2, generator=generator())[0].parameters())).detach(),
    "descend": lambda: torch.tensor(noise_runs.descend(n=3, m=3, noise="bipolar", sigma=0.1, generator=generator()).W),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_start_is_perturbed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    plain = RUNS[name]()
    monkeypatch.setenv(perturb.VARIABLE, "3")
    moved = RUNS[name]()
    assert plain.dtype == moved.dtype
    assert not torch.equal(plain, moved)
    tolerance = 1e-3 if plain.dtype == torch.float32 or name == "descend" else 1e-9
    torch.testing.assert_close(moved, plain, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["flow", "train"])
def test_neurons_are_relabeled_during_the_run_and_not_after(perturbed: pytest.MonkeyPatch, name: str) -> None:
    seen: list[torch.Tensor] = []
    order = perturb.order(6)
    assert sorted(order.new.tolist()) == list(range(6))
    W = model.init(3, 6, generator=generator())
    torch.testing.assert_close(order.restore(order.relabel(W)), W)

    def observe(now: torch.Tensor) -> torch.Tensor:
        seen.append(now)
        return now

    if name == "flow":
        path = flow.flow(W, 0.01, at=[0.0, 0.1], observe=observe)
    else:
        config = training.TrainConfig(optimizer="sgd", lr=0.01, steps=2)
        path = training.train(W, config, generator=generator(), at=[0, 2], observe=observe)
    for values in (seen[0], path.values[0]):
        torch.testing.assert_close(values, W, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", ["superposition.train", "untied.train", "cooccurrence.train"])
def test_relabeling_alone_changes_last_digits(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    plain = RUNS[name]()
    monkeypatch.setenv(perturb.VARIABLE, "3")
    monkeypatch.setattr(perturb, "start", lambda W: W)
    moved = RUNS[name]()
    assert not torch.equal(plain, moved)
    torch.testing.assert_close(moved, plain, rtol=1e-3, atol=1e-3 if plain.dtype == torch.float32 else 1e-12)


def drawn(*, m: int, generator: torch.Generator) -> float:
    return float(perturb.start(model.init(1, m, generator=generator)).sum())


def test_stored_cells_know_the_perturbation(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(sweep, "_processes", lambda _: None)  # in this process, whose functions check types
    found = []
    for seed in ("", "1", "2", ""):
        monkeypatch.setenv(perturb.VARIABLE, seed)
        found.append(float(sweep.sweep(drawn, {"m": [50]}, seeds=1, store=tmp_path).value[0]))
    assert found[0] == found[3]
    assert len(list(tmp_path.glob("*.npz"))) == 3
