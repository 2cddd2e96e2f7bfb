from typing import Any

import numpy as np
import pytest
import torch

from generators import generator
from poly import flow, metrics, model
from poly.experiments import schedules

SMALL: dict[str, Any] = {"n": 6, "m": 8, "l1": 1e-2, "draw": 0}


def early(name: str) -> torch.Tensor:
    return schedules._flow(model.init(6, 8, generator=generator()), 1e-2, name, generator())


def test_each_schedule_ends_with_one_neuron_for_each_feature() -> None:
    found = schedules.train_by_schedule(**SMALL, generator=generator())
    assert found.features.tolist() == [6] * len(schedules.SCHEDULES)
    np.testing.assert_allclose(found.loss, found.loss[0], rtol=1e-6)


def test_adamw_trains_in_twenty_parts_and_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    used: dict[str, list[tuple[float, int]]] = {}

    def note(W: torch.Tensor, l1: float, method: str, generator: torch.Generator, *, steps: int = 7500) -> torch.Tensor:
        assert method == "adamw"
        used[name].append((round(l1, 6), steps))
        return W

    monkeypatch.setattr(schedules, "train_from", note)
    for name in schedules.SCHEDULES:
        used[name] = []
        schedules.train_by_schedule(**SMALL, method="adamw", schedules=(name,), generator=generator())
        assert [steps for _, steps in used[name]] == [375] * 20 + [7500]
        assert used[name][-1] == (0.01, 7500)
    parts = {name: [l1 for l1, _ in each[:-1]] for name, each in used.items()}
    assert parts["constant"] == parts["noise first"] == [0.01] * 20
    assert parts["late"] == [0.0] * 20
    assert parts["up"][:2] == [0.00025, 0.00075]
    assert parts["down"][:2] == [0.09775, 0.09325]


def test_under_adamw_each_schedule_ends_with_one_neuron_for_each_feature() -> None:
    found = schedules.train_by_schedule(**SMALL, method="adamw", generator=generator())
    assert found.features.tolist() == [6] * len(schedules.SCHEDULES)
    np.testing.assert_allclose(found.loss, found.loss[0], rtol=0.02)


def test_a_constant_penalty_is_the_flow() -> None:
    end = flow.flow(model.init(6, 8, generator=generator()), 1e-2).W
    found = schedules.train_by_schedule(**SMALL, schedules=("constant",), generator=generator())
    assert found.shared.tolist() == metrics.polysemantic_neurons(end).tolist()
    assert torch.equal(early("constant"), model.init(6, 8, generator=generator()))


def test_without_a_penalty_no_weight_is_lost_and_the_loss_goes_to_zero() -> None:
    for name in ("late", "noise first"):
        W = early(name)
        assert metrics.survivors(W).sum() == 48
        assert model.loss(W).item() < (1e-8 if name == "late" else 0.1)


def test_a_rising_penalty_is_weaker_and_a_falling_one_stronger_at_first() -> None:
    after = flow.flow(model.init(6, 8, generator=generator()), 1e-2, t_end=100.0).W
    left = {
        name: metrics.survivors(W).sum().item()
        for name, W in (("constant", after), *((each, early(each)) for each in ("up", "down")))
    }
    assert left["down"] < left["constant"] < left["up"]


@pytest.mark.parametrize("name", ["up", "down"])
def test_the_penalty_goes_in_equal_parts_to_its_last_value(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[float, float]] = []

    def note(W: torch.Tensor, l1: float, *, t_end: float, **_: Any) -> model.Trajectory:
        used.append((l1, t_end))
        return model.Trajectory(W, torch.empty(0), torch.empty(0))

    monkeypatch.setattr(flow, "flow", note)
    early(name)
    strengths, times = np.array(used).T
    np.testing.assert_allclose(times.sum(), 100)
    steps = np.diff(strengths)
    np.testing.assert_allclose(steps, steps[0])
    assert strengths.mean() == pytest.approx(1e-2 * {"up": 0.5, "down": 5.5}[name])
    assert abs(strengths[-1] - 1e-2) == pytest.approx(abs(steps[0]) / 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"l1": 0.0}, "l1=0.0: must be"),
        ({"draw": -1}, "draw=-1: must be"),
        ({"method": "adam"}, "method='adam': must be"),
        ({"schedules": ("never",)}, "schedules='never': must be"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedules.train_by_schedule(**SMALL | changed, generator=generator())
