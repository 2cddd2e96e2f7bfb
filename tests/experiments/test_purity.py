from typing import Any

import numpy as np
import pytest
import torch

from generators import generator
from poly import mlp, sweep, tasks
from poly.experiments import purity
from poly.experiments.arms import Arm
from poly.experiments.purity import Measured

STEPS = 400


@pytest.fixture(scope="module")
def every() -> Measured:
    """Return the measures of all arms at m = 24, trained for a short time."""
    strengths = {"l1-hidden": 1e-3, "l1-weights": 1e-5, "bias": 0.1, "dropout": 0.1, "noise": 0.05}
    arms = tuple((name, 1e-2, strengths.get(name, 0.0)) for name in purity.ARMS)
    return purity.train_arms(p=0.5, m=24, draw=0, arms=arms, steps=STEPS, generator=generator())


def of(measured: Measured, name: str, field: str) -> float:
    return float(getattr(measured, field)[purity.ARMS.index(name)])


def test_the_oracle_is_pure_and_alive(every: Measured) -> None:
    assert of(every, "oracle", "impurity") == pytest.approx(0, abs=1e-9)
    assert of(every, "oracle", "reading") == pytest.approx(0, abs=1e-9)
    assert of(every, "oracle", "grouped") == pytest.approx(0, abs=1e-9)
    assert of(every, "oracle", "live") == 24
    assert of(every, "oracle", "weights") == 3 * 24
    assert of(every, "oracle", "rotated") > 0.5


def test_arms_have_the_weights_that_they_are_said_to_have(every: Measured) -> None:
    assert of(every, "pruned", "weights") == 3 * 24
    assert of(every, "default", "weights") == of(every, "wide", "weights") == 24 * 48
    assert of(every, "oracle-released", "weights") > 3 * 24
    assert of(every, "pruned-released", "weights") > 3 * 24


def test_an_untrained_layer_is_the_least_pure(every: Measured) -> None:
    assert of(every, "untrained", "impurity") > max(of(every, name, "impurity") for name in ("default", "oracle"))
    assert of(every, "untrained", "loss") > of(every, "default", "loss")


def test_losses_are_below_that_of_the_best_linear_model(every: Measured) -> None:
    for name in ("oracle", "oracle-released"):
        assert of(every, name, "loss") < tasks.linear_loss(0.5)


def test_an_arm_is_the_same_whatever_others_are_asked_for(every: Measured) -> None:
    alone = purity.train_arms(p=0.5, m=24, draw=0, arms=(("noise", 1e-2, 0.05),), steps=STEPS, generator=generator())
    assert alone.loss[0] == of(every, "noise", "loss")
    assert alone.permuted[0] == of(every, "noise", "permuted")


def test_the_loss_of_a_narrow_oracle_is_the_known_floor() -> None:
    found = purity.train_arms(p=0.5, m=8, draw=1, arms=(("oracle", 1e-2, 0.0),), steps=3000, generator=generator(1))
    assert found.loss[0] == pytest.approx(tasks.pure_loss(0.5, 8), rel=0.02)


def test_numbers_are_those_of_the_measures_by_hand() -> None:
    task = purity.clauses(3)
    network = mlp.init(32, 6, 16, generator=generator(2))
    row, together = purity.measure(network, task, p=0.5, seed=4)
    found = Measured(*[*np.array([row]).T, together])
    stream = tasks.AndStream(task.bits, 0.5, batch=purity.EXAMPLES, generator=generator(4))
    x, y = (torch.from_numpy(part[0]) for part in stream.draw(1, np.float64))
    base = (mlp.output(network, x) - y).square().mean(0)
    assert found.loss[0] == pytest.approx(base.mean().item())
    gains = []
    for j in range(6):
        h = mlp.hidden(network, x)
        h[:, j] = h[:, j].mean()
        gains.append((h @ network.W2 + network.b2 - y).square().mean(0) - base)
    g = torch.stack(gains)
    # The measure chooses on halves, which agree here with the whole up to noise.
    assert found.impurity[0] == pytest.approx(1 - (g.amax(1).sum() / g.sum()).item(), abs=0.01)
    assert found.live[0] == 6
    shares = np.zeros((16, 16))
    for j in range(6):
        shares[g[j].argmax()] += (g[j] / g.sum()).numpy()
    assert found.pairs == pytest.approx(shares, abs=1e-9)


def test_a_network_without_a_live_unit_has_a_loss_and_no_impurity() -> None:
    network = mlp.init(32, 6, 16, generator=generator(2))
    network.b1[:] = -1e3
    found = dict(zip(Measured._fields, purity.measure(network, purity.clauses(3), p=0.5, seed=4)[0], strict=False))
    assert found["loss"] > 0
    assert found["live"] == 0
    assert found["withheld"] == 1
    assert np.isnan([found["impurity"], found["rotated"], found["permuted"]]).all()


def test_repair_leaves_the_function_as_it_is_but_for_pruned_inputs() -> None:
    task = purity.clauses(0)
    stream = tasks.AndStream(task.bits, 0.5, generator=generator(1))
    network = mlp.init(32, 10, 16, generator=generator(2), dtype=torch.float32)
    network.b1[7:] = -1e3  # dead
    found = purity.repair(network, stream)
    assert found is not None
    divided, masks = found
    x = torch.from_numpy(stream.draw(1)[0][0])
    assert torch.allclose(mlp.output(divided, x), mlp.output(network, x), rtol=0, atol=1e-5)
    changed = masks.W1.sum(0) < 32
    assert changed.sum() == 4  # two impure units and two of the three dead ones
    assert changed[7:].sum() == 2
    assert (masks.W1[:, changed].sum(0) == 2).all()
    assert (mlp.hidden(divided, x).amax(0) > 0).sum() == 9  # one dead unit is left


def test_repair_needs_a_dead_unit() -> None:
    stream = tasks.AndStream(purity.clauses(0).bits, 0.5, generator=generator(1))
    network = mlp.init(32, 4, 16, generator=generator(2), dtype=torch.float32)
    network.b1[:] = 1
    assert purity.repair(network, stream) is None
    found = purity.train_arms(p=0.5, m=4, draw=0, arms=(("repaired", 1e-4, 0.0),), steps=20, generator=generator())
    assert np.isnan(found.loss[0])


def test_every_arm_gets_twelve_trials_in_the_pilots() -> None:
    for name in purity.PILOTED:
        found = purity.trials(name)
        assert len(set(found)) == 12
        assert {arm.name for arm in found} == {name}


def test_a_sweep_runs_it() -> None:
    grid: dict[str, Any] = {"p": [0.5], "m": [4], "draw": [0], "arms": [(("default", 1e-2, 0.0),)], "steps": [10]}
    table = sweep.sweep(purity.train_arms, grid, seeds=2, paired=("arms", "steps"), progress=False)
    assert len(table) == 2
    assert table.loss.map(len).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arm", "said"), [(("defautl", 1e-2, 0.0), "arm='defautl': must be one of"), (("default", 0.0, 0.0), "lr=0.0")]
)
def test_bad_arms_are_refused(arm: tuple[str, float, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        purity.train(Arm(*arm), purity.clauses(0), p=0.5, m=4, steps=5, seeds=[0, 1, 2])
