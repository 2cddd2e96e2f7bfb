"""Compute what purity costs on other tasks, and store it: ``python -m poly.experiments.tasks_archive FOLDER``.

The tasks are digits and parity; small transformers that predict characters are audited. The pilots come first, on
splits and draws of their own; on digits they measure on validation sets. They try twelve settings of each arm, and the
list of them is stored. The networks that are reported come with ``--report``, after the settings have been chosen. With
the same store, an interrupted run continues where it stopped.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from poly import checks, sweep, tasks
from poly.experiments import digits, parity, transformers
from poly.experiments.arms import MARGIN, SETTING, SOLVED
from poly.experiments.arms import price as price_above
from poly.sweep import archive

PILOTS = "pilots.json"
PILOT_DRAWS = (1000, 1001, 1002, 1003)
# Reported networks: splits of digits and draws of parity, with two seeds each. The first one is the number that the
# commit which registered the claims begins with.
FIRST, DRAWS, SEEDS = 0x2D6044, 24, 2
# The share of right answers on digits below which a setting is no choice, if another one reaches it.
LEAST_ACCURACY = 0.97
# Arms whose units are shown.
SHOWN = ("default", "l1-hidden")
# Arms whose loss is stored for each image.
COMPARED = ("default", "l1-weights", "l1-hidden", "dropout")
# Transformers that are trained on text, and for how many batches.
TRANSFORMERS, CHARACTER_STEPS = 6, 1500


class _Task(NamedTuple):
    """A task: its module, what a draw is called, how many labels there may be, and below what a loss counts as none.

    ``held``: whether there are sets to measure with. Fresh inputs are drawn otherwise.
    """

    run: Any
    draw: str
    labels: tuple[str, ...]
    solved: float
    held: bool


_TASKS = {
    "digits": _Task(digits, "split", ("all", "few"), 0.0, True),
    "parity": _Task(parity, "draw", ("all",), SOLVED, False),  # the best linear model's loss is 1
}


def price(
    name: str, loss: Float[NDArray[Any], "..."], other: Float[NDArray[Any], "..."] | float
) -> Float[NDArray[Any], "..."]:
    """Compute how much more one network costs than another, as ``arms.price`` does.

    Args:
        name: "digits" or "parity".
        loss, other: of the networks.

    Raises:
        ValueError: another name.
    """
    return price_above(loss, np.asarray(other), _task(name).solved)


def pilots(name: str, store: Path | str | None) -> list[dict[str, Any]]:
    """Try twelve settings of each arm, and list them: a row for each setting, and on digits for each number of labels.

    Each row has means over networks: ``loss``, ``impurity`` and ``price`` (against a loss of 1), and on digits
    ``accuracy``.

    Raises:
        ValueError: the name is neither "digits" nor "parity".
    """
    task = _task(name)
    arms = tuple(tuple(arm) for each in task.run.ARMS for arm in task.run.trials(each))
    asked = _asked(name, PILOT_DRAWS, "validation", arms)
    table = sweep.sweep(**asked, store=store)
    fields = [field for field in ("loss", "impurity", "accuracy") if field in table]
    rows = []
    for labels in task.labels:
        cells = _rows(table, labels)
        for k, (arm, lr, strength) in enumerate(arms):
            found = {field: np.array([each[k] for each in cells[field]]) for field in fields}
            row = {"task": name, "labels": labels, "arm": arm, "lr": lr, "strength": strength}
            for field, values in (found | {"price": price(name, found["loss"], 1.0)}).items():
                row[field] = float(f"{values.mean():.4g}")
            rows.append(row)
    return rows


def choose(rows: Sequence[Mapping[str, Any]], name: str, labels: str = "all") -> dict[str, tuple[float, float]]:
    """Choose a setting of each arm from the list of pilots: its learning rate and strength.

    It is the one of the lowest mean price, of equal ones the middle; on digits with all labels among those with enough
    right answers, if there are any. An arm that is meant to make units purer gets the purest setting whose mean price
    against the default is at most ln 1.25, if there is one.

    Args:
        rows: as from ``pilots``.
        name: "digits" or "parity".
        labels: "all" or "few".
    """
    here = [row for row in rows if (row["task"], row["labels"]) == (name, labels)]
    found: dict[str, tuple[float, float]] = {}
    least = math.inf
    for arm in _TASKS[name].run.ARMS:
        some = [row for row in here if row["arm"] == arm]
        if name == "digits" and labels == "all":
            some = [row for row in some if row["accuracy"] >= LEAST_ACCURACY] or some
        lowest = min(row["price"] for row in some)
        equal = [row for row in some if row["price"] == lowest]
        best = equal[(len(equal) - 1) // 2]
        if arm == "default":
            least = best["price"]
        free = [row for row in some if row["price"] - least <= MARGIN]
        if arm in SETTING and free:
            best = min(free, key=lambda row: row["impurity"])
        found[arm] = best["lr"], best["strength"]
    return found


def sweeps() -> dict[str, dict[str, Any]]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    draws = range(FIRST, FIRST + DRAWS)
    found = {name: _asked(name, draws, "test", "tuned") for name in _TASKS}
    # The same networks of digits, on the validation set of their split.
    held = found["digits"]["grid"] | {"labels": ["all"], "held": ["validation"]}
    found["digits-validation"] = found["digits"] | {"grid": held}
    one: dict[str, Sequence[Any]] = {"split": list(draws[:1]), "name": list(SHOWN), "steps": [digits.STEPS]}
    found["units"] = {"run": digits.units, "grid": one, "seeds": SEEDS, "paired": ("name", "steps")}
    every: dict[str, Sequence[Any]] = {"split": list(draws), "name": list(COMPARED), "steps": [digits.STEPS]}
    for name, held_set in (("images", "test"), ("images-validation", "validation")):
        grid = every | {"held": [held_set]}
        found[name] = {"run": digits.losses, "grid": grid, "seeds": SEEDS, "paired": ("name", "held", "steps")}
    found["characters"] = {
        "run": transformers.audited,
        "grid": {"steps": [CHARACTER_STEPS], "count": [transformers.EXAMPLES]},
        "seeds": TRANSFORMERS,
        "paired": ("count",),
    }
    return found


def values(
    table: sweep.Table, name: str, arm: str, field: str, labels: str = "all"
) -> Float[NDArray[Any], "draws seeds"]:
    """Select a measure of one arm, in the order of splits or draws, and of seeds.

    Args:
        table: of ``sweeps()[name]``.
        name: "digits" or "parity".
        arm: its name.
        field: of ``digits.Measured`` or ``parity.Measured``.
        labels: "all" or "few".

    Raises:
        ValueError: the table does not have the arm, or not these labels.
    """
    task = _task(name)
    checks.one_of("arm", arm, task.run.ARMS)
    checks.one_of("labels", labels, task.labels)
    rows = _rows(table, labels).sort_values([task.draw, "seed"])
    column = np.array([each[task.run.ARMS.index(arm)] for each in rows[field]])
    return column.reshape(rows[task.draw].nunique(), -1)


def by_image(
    tables: Sequence[sweep.Table], arm: str, field: str, *, without: Int[NDArray[Any], " some"]
) -> Float[NDArray[Any], " images"]:
    """Compute each image's mean loss over the networks that were not trained on it, in the order of the images.

    Args:
        tables: of ``digits.losses``.
        arm: its name.
        field: of ``digits.Losses``.
        without: numbers of images to leave out.
    """
    total, number = np.zeros((2, len(tasks.digits().X)))
    for row in (row for table in tables for row in table[table["name"] == arm].itertuples()):
        total[row.image] += getattr(row, field)
        number[row.image] += 1
    number[without] = 0
    return total[number > 0] / number[number > 0]


def _task(name: str) -> _Task:
    checks.one_of("name", name, tuple(_TASKS))
    return _TASKS[name]


def _rows(table: sweep.Table, labels: str) -> sweep.Table:
    return table[table.labels == labels] if "labels" in table else table


def _asked(name: str, draws: Sequence[int], held: str, arms: Any) -> dict[str, Any]:
    """Return the arguments of a sweep of ``train_arms``."""
    task = _TASKS[name]
    grid: dict[str, Sequence[Any]] = {task.draw: list(draws)}
    if len(task.labels) > 1:
        grid["labels"] = list(task.labels)
    grid |= {"steps": [task.run.STEPS], "arms": [arms]} | ({"held": [held]} if task.held else {})
    paired = (*(("held",) if task.held else ()), "arms", "steps")
    return {"run": task.run.train_arms, "grid": grid, "seeds": SEEDS, "paired": paired}


def main() -> None:
    """Compute the files that do not exist yet."""
    parser = archive.parser(__doc__, "book/data/tasks-runs")
    parser.add_argument("--report", action="store_true", help="compute the reported networks, too")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    listed = options.folder / PILOTS
    if not listed.exists():
        rows = [row for name in _TASKS for row in pilots(name, options.store)]
        archive.write_json(listed, archive.made() | {"settings": rows})
    if options.report:
        archive.compute_all(options.folder, sweeps(), options.store)


if __name__ == "__main__":
    main()
