import json
from pathlib import Path

import numpy as np
import pytest

from poly import sweep
from poly.experiments import surgery, surgery_archive
from poly.sweep import archive

DATA = Path(__file__).parents[2] / "book" / "data"


def test_reported_starts_are_drawn_from_the_registering_commit() -> None:
    registered = json.loads((DATA / "registered.json").read_text(encoding="utf-8"))
    draws = {name: int(registered[name]["commit"][:6], 16) for name in ("V1", "V14", "V22", "V24", "V26", "V34", "V39")}
    assert tuple(draws.values()) == (
        surgery_archive.DRAW_V1,
        surgery_archive.DRAW_V14,
        surgery_archive.DRAW_V22,
        surgery_archive.DRAW_V24,
        surgery_archive.DRAW_V26,
        surgery_archive.DRAW_V34,
        surgery_archive.DRAW_V39,
    )
    last = {"back-32", "back-64", "way-64", "way-256", "schedules-64", "schedules-256", "optimizers-64-rates"}
    for name, asked in surgery_archive.sweeps().items():
        claim = "V14" if name.startswith("optimizers") or name == "changes-256" else "V1"
        claim = "V22" if name in ("changes-256-more", "repair-256") else claim
        claim = "V24" if name.startswith("positive") else claim
        claim = "V26" if name in last else claim
        claim = "V34" if name.endswith("adamw") else claim
        claim = "V39" if name.startswith("end-") else claim
        assert asked["grid"]["draw"] == [draws[claim]], name


@pytest.mark.parametrize("name", surgery_archive.sweeps())
def test_a_sweep_is_kept(name: str) -> None:
    asked = surgery_archive.sweeps()[name]
    known = archive.spec(DATA / "surgery-runs" / f"kept-{name}.npz")
    assert known["seeds"] == asked["seeds"]


def test_a_kept_network_is_what_is_computed_today() -> None:
    asked = surgery_archive.sweeps()["repair-32"]
    grid = asked["grid"] | {"method": ["flow"]}
    kept = archive.load_or_run(DATA / "surgery-runs", **asked | {"grid": grid, "seeds": 4})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        found = sweep.sweep(surgery.repair_end, grid, seeds=4, paired=asked["paired"])
    assert [row.tolist() for row in found.shared] == [row.tolist() for row in kept.shared]
    np.testing.assert_allclose(np.stack(found.loss.tolist()), np.stack(kept.loss.tolist()), rtol=1e-9)
