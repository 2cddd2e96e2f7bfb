from typing import Any

import numpy as np
import pytest
import torch

from generators import generator
from poly import expected_loss, metrics, model, sweep, training
from poly.expected_loss import kurtosis
from poly.experiments import noise_runs

POINT: dict[str, Any] = {"n": 4, "m": 6, "noise": "bipolar", "sigma": 0.2, "at": (0, 100, 2000)}


def test_it_is_the_released_training() -> None:
    found = noise_runs.noise_run(**POINT, generator=generator())
    source = generator()
    start = model.init(4, 6, generator=source)
    config = training.TrainConfig(optimizer="sgd", lr=0.02, steps=2000, noise="bipolar", sigma=0.2)
    path = training.train(start, config, generator=source, at=(0, 100, 2000))
    np.testing.assert_array_equal(found.W, path.W[0])
    np.testing.assert_allclose(found.fourth, (path.values[:, 0] ** 4).sum(-1).mean(-1), rtol=1e-12)
    relative = metrics.fourth_norms(path.values[:, 0], relative=True).mean(-1)
    np.testing.assert_allclose(found.relative, relative, rtol=1e-12)
    np.testing.assert_allclose(found.turning, kurtosis.predicted_rate(path.values[:, 0], 0.2), rtol=1e-12)


def test_flow_goes_through_the_same_start_and_time() -> None:
    table = sweep.sweep(
        noise_runs.noise_run,
        {name: [value] for name, value in POINT.items()} | {"method": ["sgd", "flow"]},
        seeds=2,
        paired=("method",),
    )
    sgd, flow = (table[table.method == method].sort_values("seed") for method in ("sgd", "flow"))
    for a, b in zip(sgd.fourth, flow.fourth, strict=True):
        assert a[0] == pytest.approx(b[0])
        assert a[1:] == pytest.approx(b[1:], rel=0.1)
    start = model.init(4, 6, generator=generator())
    end = expected_loss.flow(start, "bipolar", 0.2, t_end=40.0).W
    np.testing.assert_allclose(noise_runs.noise_run(**POINT, method="flow", generator=generator()).W, end[0], atol=1e-4)


def test_settling_keeps_no_direction_and_finds_the_simplex() -> None:
    found = noise_runs.noise_run(**POINT | {"at": (0,)}, settle=300.0, generator=generator())
    overlap = found.W @ found.W.T
    between = overlap[~np.eye(4, dtype=bool)]
    assert np.ptp(between) < 1e-3
    assert between.mean() == pytest.approx(-overlap.diagonal().mean() / 3, rel=1e-3)
    assert found.relative[0] < 0.6


def test_a_descent_ends_where_no_force_is_left_and_below_the_start() -> None:
    point: dict[str, Any] = {"n": 4, "m": 6, "noise": "gaussian", "sigma": 0.2}
    found = noise_runs.descend(**point, generator=generator())
    W = torch.from_numpy(found.W)
    assert found.loss == pytest.approx(expected_loss.loss(W, "gaussian", 0.2).item())
    assert expected_loss.forces(W, "gaussian", 0.2).abs().max() < 1e-4
    assert found.loss < expected_loss.loss(model.init(4, 6, generator=generator())[0], "gaussian", 0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "adamw"}, "^method='adamw': must be one of 'sgd', 'flow'$"),
        ({"sigma": 0.0}, r"^sigma=0\.0: must be a finite number > 0$"),
        ({"settle": -1.0}, r"^settle=-1\.0: must be a finite number ≥ 0$"),
        ({"at": ()}, r"^at=\(\): must hold at least one step$"),
        ({"at": (0.5,)}, r"^at=0\.5: must be a whole number ≥ 0$"),
        ({"noise": "pink"}, "^noise='pink': must be one of"),
    ],
)
def test_bad_input_is_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        noise_runs.noise_run(**POINT | change, generator=generator())
