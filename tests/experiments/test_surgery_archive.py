import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poly import sweep
from poly.experiments import surgery, surgery_archive
from poly.sweep import archive

DATA = Path(__file__).parents[2] / "book" / "data"


@pytest.fixture(scope="module")
def table() -> sweep.Table:
    grid: dict[str, Any] = {"n": [4], "m": [4], "l1": [1e-2], "method": ["flow"], "draw": [0]}
    grid |= {"changes": ["on the way"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        return sweep.sweep(surgery.compare, grid, seeds=3, paired=("l1", "method", "changes"))


def test_a_change_is_beside_its_control_and_the_default(table: sweep.Table) -> None:
    place = surgery.SETS["on the way"].index("same signs")
    for field in ("shared", "features", "loss"):
        changed = [row[place] for row in table[f"changed_{field}"]]
        control = [row[place] for row in table[f"control_{field}"]]
        assert surgery_archive.pairs(table, "same signs", field).T.tolist() == [changed, control]
        assert surgery_archive.pairs(table, "same signs", field, against="default")[:, 1].tolist() == list(table[field])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"change": "shuffled"}, "change='shuffled': must be"),
        ({"change": "same signs", "field": "weights"}, "field='weights': must be"),
        ({"change": "same signs", "against": "chance"}, "against='chance': must be"),
    ],
)
def test_unknown_names_are_refused(table: sweep.Table, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        surgery_archive.pairs(table, **arguments)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.0, 0.1, "removes"),
        (0.05, 0.11, ""),
        (0.4, 0.6, "halves"),
        (0.39, 0.6, ""),
        (0.4, 0.61, ""),
        (0.9, 1.1, "does not"),
        (0.89, 1.1, ""),
        (0.9, 1.11, ""),
        (0.7, 0.8, ""),
    ],
)
def test_a_word_needs_an_interval_inside_its_bounds(low: float, high: float, word: str) -> None:
    assert surgery_archive.verdict(low, high) == word


def test_reported_starts_are_drawn_from_the_registering_commit() -> None:
    registered = json.loads((DATA / "registered.json").read_text(encoding="utf-8"))
    draws = {name: int(registered[name]["commit"][:6], 16) for name in ("V1", "V14", "V22", "V24", "V26")}
    assert tuple(draws.values()) == (
        surgery_archive.DRAW,
        surgery_archive.LATER,
        surgery_archive.LAST,
        surgery_archive.WIDER,
        surgery_archive.TABLE,
    )
    last = {"back-32", "back-64", "way-64", "way-256", "schedules-64", "schedules-256", "optimizers-64-rates"}
    for name, asked in surgery_archive.sweeps().items():
        claim = "V14" if name.startswith("optimizers") or name == "changes-256" else "V1"
        claim = "V22" if name in ("changes-256-more", "repair-256") else claim
        claim = "V24" if name.startswith("positive") else claim
        claim = "V26" if name in last else claim
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
