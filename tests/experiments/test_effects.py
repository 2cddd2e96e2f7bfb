from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poly import inference, sweep
from poly.experiments import effects, optimizers, schedules, surgery, surgery_archive
from poly.sweep import archive

DATA = Path(__file__).parents[2] / "book" / "data" / "surgery-runs"


def stored(name: str) -> sweep.Table:
    return archive.load_or_run(DATA, **surgery_archive.sweeps()[name])


@pytest.fixture(scope="module")
def table() -> sweep.Table:
    grid: dict[str, Any] = {"n": [4], "m": [4], "l1": [1e-2], "method": ["flow"], "draw": [0]}
    grid |= {"changes": ["on the way"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        return sweep.sweep(surgery.apply_changes, grid, seeds=3, paired=("l1", "method", "changes"))


def test_a_change_is_beside_its_control_and_the_default(table: sweep.Table) -> None:
    place = surgery.SETS["on the way"].index("same signs")
    for field in ("shared", "features", "loss"):
        changed = [row[place] for row in table[f"changed_{field}"]]
        control = [row[place] for row in table[f"control_{field}"]]
        assert effects.pairs(table, "same signs", field).T.tolist() == [changed, control]
        assert effects.pairs(table, "same signs", field, against="default")[:, 1].tolist() == list(table[field])
        assert effects.control_pairs(table, "same signs", field).T.tolist() == [control, list(table[field])]


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
        effects.pairs(table, **arguments)


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
    assert effects.in_a_word(low, high) == word


def test_a_change_of_the_start_stands_beside_its_control_and_its_loss_beside_the_usual_one() -> None:
    table = stored("changes-256-more")
    found = effects.of_changes(table)
    assert [(one.change, one.method) for one in found] == [
        (name, method) for method in ("flow", "adamw") for name in surgery_archive.CHANGES_256_MORE
    ]
    one = found[0]
    rows = table[table.method == "flow"]
    assert (one.n, one.m, one.when) == (256, 256, 0.0)
    assert one.shared.T.tolist() == [[row[0] for row in rows[f"{who}_shared"]] for who in ("changed", "control")]
    assert one.loss[:, 1].tolist() == rows.loss.tolist()


def test_a_change_on_the_way_stands_beside_its_control_or_the_usual_network() -> None:
    table = stored("way-32")
    found = effects.of_changes(table, against="default")
    names = surgery.SETS["on the way"]
    assert [(one.when, one.change) for one in found] == [
        (t, name) for t in surgery_archive.CHANGE_TIMES for name in names
    ]
    last = found[-1]
    rows = table[table.when == 1.0]
    assert last.shared[:, 1].tolist() == rows.shared.tolist()
    beside_control = effects.of_changes(table)[-1]
    assert beside_control.shared[:, 1].tolist() == [row[-1] for row in rows.control_shared]
    np.testing.assert_array_equal(beside_control.loss, last.loss)


def test_repairs_are_early_and_late_and_stand_beside_longer_training() -> None:
    table = stored("repair-64")
    found = effects.of_repairs(table)
    kinds = [(method, name) for method in ("flow", "adamw") for name in ("repair", "late repair")]
    assert sorted((one.method, one.change) for one in found) == sorted(kinds)
    late = next(one for one in found if (one.method, one.change) == ("adamw", "late repair"))
    rows = table[(table.method == "adamw") & (table.rounds == 2)]
    assert late.shared.tolist() == [list(row[2:]) for row in rows.shared]
    assert late.loss.tolist() == [list(row[2:]) for row in rows.loss]


def test_schedules_stand_beside_a_constant_penalty() -> None:
    table = stored("schedules-32")
    found = effects.of_schedules(table)
    assert [(one.change, one.method) for one in found] == [(name, "flow") for name in schedules.SCHEDULES[1:]]
    assert {one.method for one in effects.of_schedules(table.assign(method="adamw"))} == {"adamw"}
    assert found[1].shared.tolist() == [[row[2], row[0]] for row in table.shared]
    some = effects.of_schedules(
        table.assign(schedules=[("late", "constant", "up", "down", "noise first")] * len(table))
    )
    assert [one.change for one in some] == ["late", "up", "down", "noise first"]
    assert some[0].shared.tolist() == [[row[0], row[1]] for row in table.shared]


def test_optimizers_stand_beside_gradient_flow() -> None:
    table = stored("optimizers-64")
    found = effects.of_optimizers(table)
    assert [one.change for one in found] == list(surgery_archive.OPTIMIZERS_LARGE[1:])
    flow = table[table.optimizer == "flow"]
    adamw = table[table.optimizer == "AdamW"]
    assert found[0].shared.tolist() == [list(pair) for pair in zip(adamw.shared, flow.shared, strict=True)]
    with pytest.raises(ValueError, match="table: has optimizers AdamW, must have flow"):
        effects.of_optimizers(adamw)


def effect(shared: list[list[float]], loss: list[list[float]]) -> effects.Effect:
    return effects.Effect("repair", "flow", 4, 4, 0.0, np.array(shared), np.array(loss), np.full(len(shared), 4.0))


def test_an_effect_is_a_ratio_with_an_interval_and_a_cost() -> None:
    one = effect([[1.0, 2.0], [3.0, 2.0], [2.0, 2.0]], [[2.0, 1.0]] * 3)
    assert one.ratio(seed=1).measured == 1.0
    assert one.cost() == 2.0


@pytest.mark.parametrize(("without", "networks", "has"), [(0, 4, True), (1, 4, False), (1, 40, True), (36, 40, False)])
def test_a_ratio_needs_networks_that_share_without_the_intervention(without: int, networks: int, has: bool) -> None:
    shared = [[1.0, 0.0]] * without + [[1.0, 1.0]] * (networks - without)
    one = effect(shared, [[1.0, 1.0]] * networks)
    assert one.has_ratio() is has
    if has:
        assert np.isfinite(one.ratio(seed=0)).all()


@pytest.mark.parametrize(("networks", "word", "costly"), [(15, "", False), (16, "halves", True)])
def test_a_word_needs_sixteen_networks(networks: int, word: str, costly: bool) -> None:
    one = effect([[1.0, 2.0]] * networks, [[1.2, 1.0]] * networks)
    assert one.word(one.ratio(seed=1)) == word
    assert one.is_costly() is costly
    assert not effect([[1.0, 2.0]] * networks, [[1.09, 1.0]] * networks).is_costly()


def test_every_name_has_a_label() -> None:
    assert effects.CHANGES.keys() == {*surgery.CHANGES, "repair", "late repair"}
    assert effects.SCHEDULES.keys() == {*schedules.SCHEDULES} - {"constant"}
    assert effects.OPTIMIZERS.keys() == {*optimizers.OPTIMIZERS} - {"beta2 0"}  # it diverges


def test_a_network_without_neurons_is_unfinished_and_removes_nothing() -> None:
    one = effect([[0.0, 2.0]] * 16, [[1.0, 1.0]] * 16)
    none = inference.Estimate(0.0, 0.0, 0.05)
    assert one.word(none) == "removes"
    assert one._replace(features=np.full(16, 3.9)).word(none) == "unfinished"
    assert one._replace(features=np.full(16, 3.9)).word(inference.Estimate(1.0, 0.95, 1.05)) == "does not"


def test_the_features_of_each_effect_are_those_with_the_intervention() -> None:
    table = stored("changes-32")
    rows = table[table.method == "adamw"]
    found = next(one for one in effects.of_changes(table) if (one.change, one.method) == ("same signs", "adamw"))
    place = surgery.names_of("every").index("same signs")
    assert found.features.tolist() == [row[place] for row in rows.changed_features]
    assert not found.is_finished()
    assert all(one.is_finished() for one in effects.of_schedules(stored("schedules-32")))
    assert all(one.is_finished() for one in effects.of_optimizers(stored("optimizers-64")))
