import json
from pathlib import Path

import numpy as np
import pytest

from poly import sweep
from poly.experiments import beyond_archive, beyond_toy
from poly.sweep import archive

DATA = Path(__file__).parents[2] / "book" / "data"


def test_reported_starts_are_drawn_from_the_registering_commit() -> None:
    registered = json.loads((DATA / "registered.json").read_text(encoding="utf-8"))
    draws = {beyond_archive.DRAW_Y1: "Y1", beyond_archive.DRAW_Y11: "Y11"}
    for draw, claim in draws.items():
        assert int(registered[claim]["commit"][:6], 16) == draw
    for name, asked in beyond_archive.sweeps().items():
        later = name.startswith(("related", "changed", "rectified-meeting", "scarce-adamw"))
        assert asked["grid"]["draw"] == [beyond_archive.DRAW_Y11 if later else beyond_archive.DRAW_Y1], name


@pytest.mark.parametrize("name", beyond_archive.sweeps())
def test_a_sweep_is_kept(name: str) -> None:
    known = archive.spec(DATA / "beyond-runs" / f"kept-{name}.npz")
    assert known["seeds"] == beyond_archive.sweeps()[name]["seeds"]


def test_a_kept_network_is_what_is_computed_today() -> None:
    asked = beyond_archive.sweeps()["scarce"]
    grid = asked["grid"] | {"m": [24]}
    kept = archive.load_or_run(DATA / "beyond-runs", **asked | {"grid": grid, "seeds": 4})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        found = sweep.sweep(beyond_toy.scarce, grid, seeds=4, paired=asked["paired"])
    assert [row.tolist() for row in found.shared] == [row.tolist() for row in kept.shared]
    np.testing.assert_allclose(np.stack(found.impurity.tolist()), np.stack(kept.impurity.tolist()), atol=1e-9)


def test_a_split_takes_the_best_change_of_equal_loss_on_other_networks() -> None:
    sharing = np.array([[5.0, 1.0, 2.0, 3.0]] * 4 + [[6.0, 1.0, 4.0, 3.0], [8.0, 1.0, 2.0, 3.0]] * 2)
    loss = np.array([[1.0, 2.0, 1.05, 1.0]] * 8)
    found = beyond_archive.split(sharing, loss, ("costly", "best", "other"), seed=0)
    assert found.change == "best"
    assert found.need.measured == pytest.approx(3)
    assert found.usual.measured == pytest.approx(7)
    assert found.left.measured == pytest.approx(3 / 7)
    assert found.loss.measured == pytest.approx(1.05)
    worse = np.column_stack([sharing[:, 0], sharing[:, 0] + 1])
    alone = beyond_archive.split(worse, loss[:, :2] * 0 + 1, ("worse",), seed=0)
    assert alone.change == "none"
    assert alone.left == (1, 1, 1)
    with pytest.raises(ValueError, match=r"sharing: has shape \(8, 4\) and loss \(8, 4\), both must have at least 4"):
        beyond_archive.split(sharing, loss, ("one",), seed=0)
    with pytest.raises(ValueError, match=r"sharing: has shape \(4,\) and loss \(4,\), both must"):
        beyond_archive.split(loss[0], loss[0], ("one",), seed=0)
    loss[0, 0] = np.nan
    with pytest.raises(ValueError, match="loss: holds NaN or infinity"):
        beyond_archive.split(sharing, loss, ("costly", "best", "other"), seed=0)
