"""Compute what purity costs on other tasks, and store it: ``python -m poly.experiments.tasks_archive FOLDER``.

The tasks are digits and parity; small transformers that predict characters are audited. The pilots come first, on
splits and draws of their own; on digits they measure on validation sets. They try twelve
settings of each arm, and the list of them is stored. The networks that are reported come with ``--report``, after the
settings have been chosen. With the same store, an interrupted run continues where it stopped.
"""

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, sweep
from poly.experiments import characters, digits, parity, purity
from poly.sweep import archive

PILOTS = "pilots.json"
LABELS = ("all", "few")
PILOT_DRAWS = (1000, 1001, 1002, 1003)
# Reported networks: splits of digits and draws of parity, with two seeds each. The first one is the number that the
# commit which registered the claims begins with.
FIRST, DRAWS, SEEDS = 0x2D6044, 24, 2
# Arms whose strength is chosen for pure units at little cost; all others are set for the least loss.
KNOBS = ("l1-weights", "l1-hidden", "bias", "dropout", "noise")
# A loss of parity below this counts as none: it is a thousandth of the best linear model's.
SOLVED = 1e-3
# The share of right answers on digits below which a setting is no choice, if another one reaches it.
LEAST_ACCURACY = 0.97
# Arms whose units are shown.
SHOWN = ("default", "l1-hidden")
# Arms whose loss is stored for each image.
COMPARED = ("default", "l1-weights", "l1-hidden", "dropout")
# Transformers that are trained on text, and for how many batches.
TRANSFORMERS, CHARACTER_STEPS = 6, 1500
_PAIRED = {"digits": ("held", "arms", "steps"), "parity": ("arms", "steps")}


def price(name: str, loss: Float[NDArray[Any], "..."]) -> Float[NDArray[Any], "..."]:
    """Compute ln of a loss; losses of parity below ``SOLVED`` count as that.

    Args:
        name: "digits" or "parity".
        loss: of networks.

    Raises:
        ValueError: another name.
    """
    checks.one_of("name", name, ("digits", "parity"))
    return np.asarray(np.log(np.maximum(loss, SOLVED) if name == "parity" else loss))


def pilots(name: str, store: Path | str | None) -> list[dict[str, Any]]:
    """Try twelve settings of each arm, and list them: a row for each setting, and on digits for each number of labels.

    Each row has means over networks: ``loss``, ``impurity`` and ``price``, and on digits ``accuracy``.
    """
    checks.one_of("name", name, tuple(_RUNS))
    run = _RUNS[name]
    arms = tuple(tuple(arm) for each in run.ARMS for arm in run.trials(each))
    grid = _grid(name, PILOT_DRAWS) | {"arms": [arms]} | ({"held": ["validation"]} if name == "digits" else {})
    table = sweep.sweep(run.compare, grid, seeds=SEEDS, paired=_PAIRED[name], store=store)
    rows = []
    for labels in LABELS if name == "digits" else ("all",):
        cells = table[table.labels == labels] if name == "digits" else table
        for k, (arm, lr, strength) in enumerate(arms):
            fields = ("loss", "impurity", *(("accuracy",) if name == "digits" else ()))
            found = {field: np.array([each[k] for each in cells[field]]) for field in fields}
            row = {"task": name, "labels": labels, "arm": arm, "lr": lr, "strength": strength}
            for field, values in (found | {"price": price(name, found["loss"])}).items():
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
    for arm in _RUNS[name].ARMS:
        some = [row for row in here if row["arm"] == arm]
        if name == "digits" and labels == "all":
            some = [row for row in some if row["accuracy"] >= LEAST_ACCURACY] or some
        lowest = min(row["price"] for row in some)
        equal = [row for row in some if row["price"] == lowest]
        best = equal[(len(equal) - 1) // 2]
        if arm == "default":
            least = best["price"]
        free = [row for row in some if row["price"] - least <= purity.MARGIN]
        if arm in KNOBS and free:
            best = min(free, key=lambda row: row["impurity"])
        found[arm] = best["lr"], best["strength"]
    return found


def sweeps() -> dict[str, dict[str, Any]]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    draws = range(FIRST, FIRST + DRAWS)
    found = {}
    for name, run in _RUNS.items():
        grid = _grid(name, draws) | {"arms": ["tuned"]} | ({"held": ["test"]} if name == "digits" else {})
        found[name] = {"run": run.compare, "grid": grid, "seeds": SEEDS, "paired": _PAIRED[name]}
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
        "run": characters.audited,
        "grid": {"steps": [CHARACTER_STEPS], "count": [characters.EXAMPLES]},
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
    checks.one_of("name", name, tuple(_RUNS))
    arms, draw = _RUNS[name].ARMS, "split" if name == "digits" else "draw"
    checks.one_of("arm", arm, arms)
    checks.one_of("labels", labels, LABELS if name == "digits" else ("all",))
    rows = table[table.labels == labels] if name == "digits" else table
    column = np.array([each[arms.index(arm)] for each in rows.sort_values([draw, "seed"])[field]])
    return column.reshape(rows[draw].nunique(), -1)


def _grid(name: str, draws: Sequence[int]) -> dict[str, Sequence[Any]]:
    grid: dict[str, Sequence[Any]] = {"split" if name == "digits" else "draw": list(draws)}
    if name == "digits":
        grid["labels"] = list(LABELS)
    return grid | {"steps": [_RUNS[name].STEPS]}


_RUNS: dict[str, Any] = {"digits": digits, "parity": parity}


def main() -> None:
    """Compute the files that do not exist yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files are kept, such as book/data/tasks-runs")
    parser.add_argument("--store", type=Path, help="where single cells are kept until a sweep is whole")
    parser.add_argument("--report", action="store_true", help="compute the reported networks, too")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    listed = options.folder / PILOTS
    if not listed.exists():
        made = {"date": time.strftime("%Y-%m-%d", time.gmtime()), **archive.machine()}
        rows = [row for name in _RUNS for row in pilots(name, options.store)]
        archive.write_json(listed, made | {"settings": rows})
    if options.report:
        for name, asked in sweeps().items():
            archive.compute_missing(options.folder, name, **asked, store=options.store)


if __name__ == "__main__":
    main()
