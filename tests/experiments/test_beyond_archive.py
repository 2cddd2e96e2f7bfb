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
    assert int(registered["Y1"]["commit"][:6], 16) == beyond_archive.DRAW
    for name, asked in beyond_archive.sweeps().items():
        assert asked["grid"]["draw"] == [beyond_archive.DRAW], name


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
