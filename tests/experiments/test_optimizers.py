from typing import Any

import numpy as np
import pytest
import torch

from generators import generator
from poly import flow, metrics, model, training
from poly.experiments import optimizers, surgery
from poly.experiments.final_weights import RELEASED

SMALL: dict[str, Any] = {"n": 6, "m": 8, "l1": 1e-2, "draw": 0}


def start() -> torch.Tensor:
    return model.init(6, 8, generator=generator())


@pytest.mark.parametrize("name", ["flow", "SGD", "momentum", "AdamW", "row moments"])
def test_the_crowd_is_trained_from_the_start_and_measured(name: str) -> None:
    found = optimizers.train_by_optimizer(**SMALL, optimizer=name, generator=generator())
    if name == "flow":
        end = flow.flow(start(), 1e-2).W
    else:
        dtype = torch.float64 if name in ("SGD", "momentum") else torch.float32
        config = optimizers.settings(name, 1e-2)
        end = training.train(start().to(dtype), config, generator=generator()).W.double()
    assert found.shared == metrics.polysemantic_neurons(end)
    assert found.loss == pytest.approx(float(model.loss(end, 1e-2)))
    size = end[0].abs()
    held = ((size >= 0.8) & (size <= 1.2)).any(-1)
    assert found.features[0] == held.sum() > 0
    assert found.kept[0] == (held & (size.argmax(-1) == start()[0].abs().argmax(-1))).sum()


def test_apart_each_feature_keeps_its_favorite_under_gradient_flow() -> None:
    found = optimizers.train_by_optimizer(**SMALL, optimizer="flow", apart=6, generator=generator())
    assert found.features[1] == found.kept[1] == 6
    assert found.kept[0] < 6  # not so in the crowd of this start
    assert found.moved.tolist() == [0, 0]


def test_winners_that_move_in_the_second_half_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    W = start()
    swapped = W.clone()
    swapped[0, :2] = W[0, :2].flip(-1)
    moved = int((metrics.winners(W) != metrics.winners(swapped)).sum())
    monkeypatch.setattr(optimizers, "_train", lambda V, *_: (swapped, W) if V.shape[1] > 1 else (V, V))
    found = optimizers.train_by_optimizer(**SMALL, optimizer="SGD", apart=1, generator=generator())
    assert found.moved.tolist() == [moved, 0]
    assert moved > 0


def test_one_setting_at_a_time_is_changed_around_the_released_one() -> None:
    released = vars(optimizers.settings("AdamW", 1e-3))
    assert released == vars(RELEASED) | {"l1": 1e-3, "steps": 4 * RELEASED.steps}
    for name in optimizers._CHANGES:
        now = vars(optimizers.settings(name, 1e-3))
        changed = {field for field in now if now[field] != released[field]} - {"steps"}
        assert len(changed) == (name != "AdamW"), name
        assert now["steps"] % 2 == 0


def test_sgd_follows_the_flow_for_as_long_with_every_penalty() -> None:
    for name in ("SGD", "momentum", "eps 1"):
        for l1 in (1e-2, 1e-3):
            config = optimizers.settings(name, l1)
            reach = config.lr * config.steps / (1 - config.momentum)
            assert reach * l1 == pytest.approx(10, rel=1e-3)


def test_sgd_ends_where_the_flow_ends() -> None:
    ends = [optimizers.train_by_optimizer(**SMALL, optimizer=name, generator=generator()) for name in ("flow", "SGD")]
    assert [each.tolist() for each in ends[0][:3]] == [each.tolist() for each in ends[1][:3]]
    assert ends[0].shared == ends[1].shared
    np.testing.assert_allclose(ends[1].loss, ends[0].loss, rtol=3e-3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"l1": 0.0}, "l1=0.0: must be"),
        ({"draw": -1}, "draw=-1: must be"),
        ({"optimizer": "Newton"}, "optimizer='Newton': must be"),
        ({"apart": 7}, r"apart=7: must be at most the n = 6 features"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        optimizers.train_by_optimizer(**SMALL | {"optimizer": "flow"} | changed, generator=generator())


def test_the_flow_has_no_settings() -> None:
    with pytest.raises(ValueError, match="optimizer='flow': must be one of 'SGD'"):
        optimizers.settings("flow", 1e-3)


def test_changes_are_trained_to_their_end_beside_their_controls() -> None:
    settings: dict[str, Any] = {"n": 6, "m": 40, "l1": 0.01, "draw": 3, "changes": ("same signs", "code, noise 0.3")}
    found = optimizers.apply_changes_to_end(**settings, generator=generator())
    assert found.shared.shape == found.moved.shape == ()
    assert found.changed_shared.shape == found.control_loss.shape == (2,)
    assert found.features == 6
    assert found.changed_features.tolist() == [6, 6]
    assert found.changed_shared[1] == 0
    # The same start, change and control as in the released number of steps.
    other = surgery.apply_changes(**settings, method="adamw", generator=generator())
    assert other.changed_shared[1] == 0
    np.testing.assert_allclose(found.changed_loss, other.changed_loss, rtol=0.02)
    # From the same start unchanged, AdamW is the one among the optimizers.
    alone = optimizers.train_by_optimizer(n=6, m=40, l1=0.01, draw=3, optimizer="AdamW", generator=generator())
    assert [int(found.shared), int(found.features)] == [alone.shared, alone.features[0]]
    assert found.loss == pytest.approx(alone.loss)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"m": 5}, "m=5: must be"),
        ({"l1": 0.0}, "l1=0.0: must be"),
        ({"draw": -1}, "draw=-1: must be"),
        ({"changes": "none"}, "changes='none': must be one of"),
    ],
)
def test_bad_changes_to_the_end_are_refused(changed: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"n": 6, "m": 8, "l1": 0.01, "draw": 3, "changes": "few"}
    with pytest.raises(ValueError, match=message):
        optimizers.apply_changes_to_end(**settings | changed, generator=generator())
