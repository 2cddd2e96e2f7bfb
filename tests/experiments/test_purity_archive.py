"""The price of purity: pilots and settings follow the rule, and stored networks come out the same again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poly import sweep, tasks
from poly.experiments import purity, purity_archive
from poly.sweep import archive

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "book" / "data" / "purity-runs"


@pytest.fixture(scope="module")
def settings() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / purity_archive.PILOTS).read_text(encoding="utf-8"))["settings"]
    return found


def test_every_arm_was_tried_with_the_same_number_of_settings(settings: list[dict[str, Any]]) -> None:
    for p in purity_archive.PROBABILITIES:
        for m in purity_archive.TUNED_AT:
            names = [row["arm"] for row in settings if (row["p"], row["m"]) == (p, m)]
            assert names == [name for name in purity.PILOTED for _ in range(12)]


def test_the_arms_are_set_as_the_rule_chooses(settings: list[dict[str, Any]]) -> None:
    for p, chosen in purity.TUNED.items():
        for m, each in zip(purity_archive.TUNED_AT, chosen, strict=True):
            assert purity_archive.choose(settings, p, m) == each


def test_the_default_is_the_middle_of_the_rates_that_solve_the_task() -> None:
    rates = (0.001, 0.003, 0.01, 0.03, 0.1)
    solved = (0, 8, 8, 8, 2)
    rows = [
        {
            "p": 0.1,
            "m": 64,
            "arm": name,
            "lr": lr,
            "strength": 0.0,
            "networks": 8,
            "solved": s,
            "price": -3.0 * (s == 8),
        }
        | {"impurity": lr}
        for name in purity.PILOTED
        for lr, s in zip(rates, solved, strict=True)
    ]
    found = purity_archive.choose(rows, 0.1, 64)
    assert found["default"] == (0.01, 0.0)
    assert found["rate"] == (0.03, 0.0)
    assert found["dropout"] == (0.003, 0.0)  # the purest that is no worse than the default


def test_no_draw_of_the_pilots_is_reported() -> None:
    for name, each in purity_archive.sweeps().items():
        assert not set(each["grid"]["draw"]) & set(purity_archive.PILOT_DRAWS)
        assert len(each["grid"]["draw"]) * each["seeds"] == (24 if name == "portrait" else 48)


def test_draws_are_numbered_from_the_commit_that_registered_the_claims() -> None:
    registered = json.loads((ROOT / "book" / "data" / "registered.json").read_text(encoding="utf-8"))
    assert int(registered["Q1"]["commit"][:6], 16) == purity_archive.FIRST_DRAW


def test_a_setting_of_the_pilots_comes_again(settings: list[dict[str, Any]]) -> None:
    rng = np.random.default_rng()
    row = settings[int(rng.choice([k for k, each in enumerate(settings) if each["m"] == 16]))]
    grid: dict[str, Any] = {"p": [row["p"]], "m": [16], "draw": list(purity_archive.PILOT_DRAWS)}
    grid |= {"arms": [((row["arm"], row["lr"], row["strength"]),)], "steps": [purity_archive.STEPS]}
    again = sweep.sweep(
        purity.train_arms, grid, seeds=purity_archive.SEEDS, paired=purity_archive.PAIRED, progress=False
    )
    loss = np.concatenate(again.loss.tolist())
    known = ~np.isnan(loss)
    assert known.sum() == row["networks"]
    if known.any() and row["solved"] < row["networks"]:
        # On other processors single networks end elsewhere.
        assert np.log(loss[known].mean()) == pytest.approx(np.log(row["loss"]), abs=1.0), row
    # The mean is NaN if the impurity of a network is withheld.
    if known.any() and not np.isnan(row["impurity"]):
        assert np.nanmean(np.concatenate(again.impurity.tolist())) == pytest.approx(row["impurity"], abs=0.1), row


def test_values_are_sorted_by_draw_and_seed() -> None:
    grid: dict[str, Any] = {"p": [0.5], "m": [4], "draw": [3, 1], "arms": ["long"], "steps": [5]}
    table = sweep.sweep(purity.train_arms, grid, seeds=2, paired=purity_archive.PAIRED, progress=False)
    found = purity_archive.values(table, "oracle-released", "loss", p=0.5, m=4)
    assert found.shape == (2, 2)
    for row in table.to_dict("records"):
        assert found[(1, 3).index(row["draw"]), row["seed"]] == row["loss"][1]
    with pytest.raises(ValueError, match="name='dropout': must be one of 'default', 'oracle-released'"):
        purity_archive.values(table, "dropout", "loss", p=0.5, m=4)
    with pytest.raises(ValueError, match=r"table: has no rows with p=0\.1, m=4"):
        purity_archive.values(table, "default", "loss", p=0.1, m=4)


def test_missing_files_are_computed_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    small = purity_archive.sweeps()["purity-long"]
    small["grid"] = {"p": [0.5], "m": [4], "draw": [1], "arms": ["long"], "steps": [5]}
    monkeypatch.setattr(purity_archive, "sweeps", lambda: {"purity-long": small})
    monkeypatch.setattr(purity_archive, "pilots", lambda store: [{"store": str(store)}])
    monkeypatch.setattr("sys.argv", ["purity_archive", str(tmp_path / "runs"), "--store", str(tmp_path / "store")])
    purity_archive.main()
    listed = json.loads((tmp_path / "runs" / purity_archive.PILOTS).read_text(encoding="utf-8"))
    assert listed["settings"] == [{"store": str(tmp_path / "store")}]
    kept = tmp_path / "runs" / "kept-purity-long.npz"
    before = kept.stat().st_mtime_ns
    monkeypatch.setattr(purity_archive, "pilots", lambda store: pytest.fail("was run"))
    purity_archive.main()
    assert kept.stat().st_mtime_ns == before


def test_stored_networks_come_again() -> None:
    asked = purity_archive.sweeps()["purity"]
    table = archive.load_or_run(FOLDER, **asked)
    assert len(table) == 2 * 5 * 24 * 2
    rng = np.random.default_rng()
    row = table[table.m <= 32].sample(1, random_state=rng).iloc[0]
    stream = sweep.stream({"p": float(row.p), "m": int(row.m), "draw": int(row.draw)}, int(row.seed))
    arms = purity.chosen_arms("tuned", float(row.p), int(row.m))
    k = int(rng.integers(len(arms)))
    again = purity.train_arms(
        p=float(row.p), m=int(row.m), draw=int(row.draw), arms=(arms[k],), steps=int(row.steps), generator=stream
    )
    made = json.loads((FOLDER / archive.PROVENANCE).read_text(encoding="utf-8"))["kept-purity.npz"]
    same = archive.machine()["capability"] == made["capability"]
    # On another instruction set a network ends elsewhere: its loss is of the same size.
    within = {"rel": 1e-6, "abs": 1e-12} if same else {"abs": 0.5 * tasks.linear_loss(float(row.p))}
    assert again.loss[0] == pytest.approx(row.loss[k], nan_ok=True, **within), (row.p, row.m, arms[k])
    if same:
        assert again.impurity[0] == pytest.approx(row.impurity[k], rel=1e-6, abs=1e-9, nan_ok=True)


def test_a_measure_is_selected_by_arm() -> None:
    table = archive.load_or_run(FOLDER, **purity_archive.sweeps()["purity-long"])
    found = purity_archive.values(table, "oracle-released", "impurity", p=0.1, m=64)
    assert found.shape == (24, 2)
    one = table[(table.p == 0.1) & (table.draw == purity_archive.FIRST_DRAW + 3) & (table.seed == 1)].iloc[0]
    assert found[3, 1] == one.impurity[1]
    with pytest.raises(ValueError, match=r"has no rows with p=0\.1, m=8"):
        purity_archive.values(table, "default", "loss", p=0.1, m=8)
    with pytest.raises(ValueError, match="name='oracle'"):
        purity_archive.values(table, "oracle", "loss", p=0.1, m=64)


def test_meetings_count_what_pairs_of_clauses_gain_on_common_units() -> None:
    draw = purity_archive.FIRST_DRAW
    bits = purity.clauses(draw).bits.tolist()
    pairs = [(s, t) for s in range(16) for t in range(s)]
    kin = [(s, t) for s, t in pairs if set(bits[s]) & set(bits[t])]
    rng = np.random.default_rng(0)
    noise = {pair: rng.random() for pair in pairs}
    tables = []
    for seed in range(2):
        gains = np.zeros((16, 16))
        for s, t in pairs:
            gains[s, t] = 2.0 + rng.random() if (s, t) in kin else noise[s, t]  # others come again
        tables.append({"p": 0.1, "m": 64, "draw": draw, "seed": seed, "pairs": gains})
    found = purity_archive.meetings(pd.DataFrame(tables), p=0.1, m=64)
    assert found.share == pytest.approx([len(kin) / 120])
    assert found.kin[0] == pytest.approx(5, abs=0.5)  # of both seeds
    assert found.others[0] == pytest.approx(2 * np.mean([noise[pair] for pair in pairs if pair not in kin]))
    assert found.others_again == pytest.approx([1])
    assert found.apart_again == pytest.approx([1])
    assert abs(found.kin_again[0]) < 0.9
