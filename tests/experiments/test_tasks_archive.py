"""The price of purity on digits and on parity: the pilots and the stored networks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poly import sweep
from poly.experiments import digits, parity, tasks_archive
from poly.sweep import archive

FOLDER = Path(__file__).parents[2] / "book" / "data" / "tasks-runs"
RUNS: dict[str, Any] = {"digits": digits, "parity": parity}


def row(arm: str, price: float, impurity: float, **changes: Any) -> dict[str, Any]:
    return {
        "task": "digits",
        "labels": "all",
        "arm": arm,
        "lr": price,
        "strength": impurity,
        "accuracy": 0.98,
        "price": price,
        "impurity": impurity,
    } | changes


def test_an_arm_that_makes_units_purer_takes_the_purest_setting_without_a_price() -> None:
    rows = [row(arm, -2.0, 0.5) for arm in digits.ARMS]
    rows += [row("default", -2.1, 0.6), row("default", -3.0, 0.7, accuracy=0.96)]
    rows += [row("dropout", -2.0, 0.3), row("dropout", -1.9, 0.2), row("dropout", -1.8, 0.1)]
    found = tasks_archive.choose(rows, "digits")
    assert found["default"] == (-2.1, 0.6)  # the least price of those with enough right answers
    assert found["dropout"] == (-1.9, 0.2)  # at most ln 1.25 above
    assert found["pruned"] == (-2.0, 0.5)


def test_losses_of_solved_tasks_count_the_same() -> None:
    assert tasks_archive.price("parity", np.array([1e-9, 1e-3, 1.0]), 1.0).tolist() == [np.log(1e-3), np.log(1e-3), 0]
    assert tasks_archive.price("digits", np.array([1e-9]), 1.0)[0] == pytest.approx(np.log(1e-9))


def test_an_unknown_task_is_refused() -> None:
    for call in (lambda: tasks_archive.price("text", np.ones(1), 1.0), lambda: tasks_archive.pilots("text", None)):
        with pytest.raises(ValueError, match="name='text'"):
            call()


def test_a_measure_is_selected_by_arm_and_labels() -> None:
    table = sweep.sweep(
        digits.train_arms,
        {
            "split": [5, 4],
            "labels": ["all", "few"],
            "held": ["test"],
            "arms": [(("default", 3e-3, 0.0),)],
            "steps": [5],
        },
        seeds=2,
        paired=("held", "arms", "steps"),
        progress=False,
    )
    found = tasks_archive.values(table, "digits", "default", "loss", "few")
    assert found.shape == (2, 2)
    one = table[(table.split == 4) & (table.labels == "few") & (table.seed == 1)]
    assert found[0, 1] == one.loss.iloc[0][0]
    with pytest.raises(ValueError, match="labels='all, few'"):
        tasks_archive.values(table, "digits", "default", "loss", "all, few")
    with pytest.raises(ValueError, match="arm='oracle'"):
        tasks_archive.values(table, "digits", "oracle", "loss")


def test_no_draw_of_the_pilots_is_reported() -> None:
    for name in RUNS:
        asked = tasks_archive.sweeps()[name]
        draws = asked["grid"]["split" if name == "digits" else "draw"]
        assert not set(draws) & set(tasks_archive.PILOT_DRAWS)
        assert len(draws) * asked["seeds"] == 48


@pytest.fixture(scope="module")
def settings() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / tasks_archive.PILOTS).read_text(encoding="utf-8"))["settings"]
    return found


@pytest.mark.parametrize(("name", "labels"), [("digits", "all"), ("digits", "few"), ("parity", "all")])
def test_settings_are_those_that_the_rule_chooses(settings: list[dict[str, Any]], name: str, labels: str) -> None:
    tried = [each["arm"] for each in settings if (each["task"], each["labels"]) == (name, labels)]
    assert tried == [arm for arm in RUNS[name].ARMS for _ in range(12)]
    tuned = digits.TUNED[labels] if name == "digits" else parity.TUNED
    assert tasks_archive.choose(settings, name, labels) == tuned


@pytest.mark.parametrize("name", ["digits", "parity"])
def test_stored_networks_come_again(name: str) -> None:
    asked = tasks_archive.sweeps()[name]
    table = archive.load_or_run(FOLDER, **asked)
    row = table.sample(1, random_state=np.random.default_rng()).iloc[0]
    points = ("split", "labels") if name == "digits" else ("draw",)
    point = {key: (row[key].item() if hasattr(row[key], "item") else row[key]) for key in points}
    arms = RUNS[name].chosen_arms("tuned", *([row.labels] if name == "digits" else []))
    k = int(np.random.default_rng().integers(len(arms)))
    rest = {"held": row.held} if name == "digits" else {}
    again = asked["run"](
        **point, **rest, arms=(arms[k],), steps=int(row.steps), generator=sweep.stream(point, int(row.seed))
    )
    made = json.loads((FOLDER / archive.PROVENANCE).read_text(encoding="utf-8"))[f"kept-{name}.npz"]
    same = archive.machine()["capability"] == made["capability"]
    # On another instruction set a network ends elsewhere.
    rel, least = (1e-6, 1e-12) if same else (1.0, 0.1)
    assert again.loss[0] == pytest.approx(row.loss[k], rel=rel, abs=least)
    assert again.impurity[0] == pytest.approx(row.impurity[k], abs=1e-6 if same else 0.25)


def test_draws_are_numbered_from_the_commit_that_registered_the_claims() -> None:
    registered = json.loads((FOLDER.parents[1] / "data" / "registered.json").read_text(encoding="utf-8"))
    assert int(registered["Q20"]["commit"][:6], 16) == tasks_archive.FIRST


def test_losses_are_averaged_by_image() -> None:
    rows = [("default", [0, 3], [1.0, 2.0]), ("default", [3, 5], [4.0, 8.0]), ("dropout", [0, 5], [9.0, 9.0])]
    table = pd.DataFrame([{"name": n, "image": np.array(i), "clean": np.array(c)} for n, i, c in rows])
    none = np.zeros(0, int)
    assert tasks_archive.by_image([table], "default", "clean", without=none).tolist() == [1, 3, 8]
    assert tasks_archive.by_image([table, table], "default", "clean", without=np.array([3])).tolist() == [1, 8]
