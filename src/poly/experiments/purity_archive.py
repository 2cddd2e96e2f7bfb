"""Compute what purity costs, and store it: ``python -m poly.experiments.purity_archive book/data/purity-runs``.

The pilots come first, on clause draws of their own. They try twelve settings of each arm, and the list of them is
stored, with the mean loss and impurity of each. With the same store, an interrupted run continues where it stopped.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, sweep, tasks
from poly.experiments import portrait, purity
from poly.experiments.arms import MARGIN, SOLVED
from poly.sweep import archive

PILOTS = "pilots.json"
# Probabilities, and the widths that settings are chosen at; draws of the pilots are from 1000 on.
PROBABILITIES = (0.1, 0.5)
TUNED_AT = (16, 64)
PILOT_DRAWS = (1000, 1001, 1002, 1003)
# Draws of the reported networks, with two seeds each, and widths. The first draw is the number that the commit which
# registered the claims begins with.
FIRST_DRAW, DRAWS, WIDTHS = 0x705D63, 24, (8, 16, 32, 64, 128)
SEEDS, STEPS = 2, 5000
# The widths at which two arms are also trained four times as long.
LONG_AT, LONG_FEW = 64, 16
PAIRED = ("arms", "steps")


def pilots(store: Path | str | None) -> list[dict[str, Any]]:
    """Try twelve settings of each arm, and list them: a row for each setting, probability and width.

    Each row has means over the networks where the arm is available, ``networks`` of them: ``loss``, ``impurity``, and
    ``price``, the mean of ``purity.price`` against the best linear model. ``solved`` counts the networks whose loss is
    below a thousandth of that model's.
    """
    arms = tuple(tuple(arm) for name in purity.PILOTED for arm in purity.trials(name))
    grid: dict[str, Sequence[Any]] = {
        "p": list(PROBABILITIES),
        "m": list(TUNED_AT),
        "draw": list(PILOT_DRAWS),
        "arms": [arms],
        "steps": [STEPS],
    }
    table = sweep.sweep(purity.train_arms, grid, seeds=SEEDS, paired=PAIRED, store=store)
    rows = []
    for (p, m), cells in table.groupby(["p", "m"], sort=False):
        linear = tasks.linear_loss(p)
        for k, (name, lr, strength) in enumerate(arms):
            loss, impurity = (np.array([each[k] for each in cells[field]]) for field in ("loss", "impurity"))
            known = ~np.isnan(loss)
            row: dict[str, Any] = {"p": p, "m": int(m), "arm": name, "lr": lr, "strength": strength}
            row |= {"networks": int(known.sum()), "solved": int((loss[known] < SOLVED * linear).sum())}
            for field, values in (
                ("loss", loss),
                ("impurity", impurity),
                ("price", purity.price(loss, np.full_like(loss, linear), p)),
            ):
                row[field] = float(f"{values[known].mean():.4g}") if known.any() else None
            rows.append(row)
    return rows


def choose(rows: Sequence[dict[str, Any]], p: float, m: int) -> dict[str, tuple[float, float]]:
    """Choose a setting of each arm from the list of pilots: its learning rate and strength.

    Of the settings that solve the task in all networks the middle one is chosen, so that a rate also fits other widths.
    If none does, it is the setting of the lowest mean price. An arm that is meant to make units purer gets the purest
    setting whose mean price against the default is at most ln 1.25, if there is one. "rate" is the default at the
    largest rate that solves the task.

    Args:
        rows: as from ``pilots``.
        p, m: of the pilots.
    """
    here = [row for row in rows if (row["p"], row["m"]) == (p, m)]
    enough = 0.75 * max(row["networks"] for row in here)
    found = {}
    for name in purity.PILOTED:
        some = [row for row in here if row["arm"] == name and row["networks"] >= enough]
        solved = [row for row in some if row["solved"] == row["networks"]]
        best = solved[(len(solved) - 1) // 2] if solved else min(some, key=lambda row: row["price"])
        if name == "default":
            default = best
            last = solved[-1] if solved else best
            found["rate"] = last["lr"], last["strength"]
        if name in purity.KNOBS:
            free = [row for row in some if row["price"] - default["price"] <= MARGIN]
            best = min(free, key=lambda row: row["impurity"]) if free else best
        found[name] = best["lr"], best["strength"]
    return found


def sweeps() -> dict[str, dict[str, Any]]:
    """Return every stored sweep by its name: the arguments of ``archive.load_or_run`` and ``archive.save``."""
    draws = list(range(FIRST_DRAW, FIRST_DRAW + DRAWS))
    grid: dict[str, Sequence[Any]] = {"p": list(PROBABILITIES), "m": list(WIDTHS), "draw": draws}
    ends: dict[str, Any] = {"run": purity.train_arms, "seeds": SEEDS, "paired": PAIRED}
    return {
        "purity": ends | {"grid": grid | {"arms": ["tuned"], "steps": [STEPS]}},
        "purity-long": ends | {"grid": grid | {"m": [LONG_AT], "arms": ["long"], "steps": [4 * STEPS]}},
        "purity-long-few": ends | {"grid": grid | {"m": [LONG_FEW], "arms": ["long"], "steps": [4 * STEPS]}},
        "portrait": {
            "run": portrait.follow,
            "grid": {"p": list(PROBABILITIES[1:]), "m": [LONG_AT], "draw": draws, "steps": [STEPS]},
            "seeds": 1,
            "paired": ("steps",),
        },
    }


def values(table: sweep.Table, name: str, field: str, *, p: float, m: int) -> Float[NDArray[Any], "draws seeds"]:
    """Select a measure of one arm from a table of ``purity.train_arms``, in the order of draws and seeds.

    Args:
        table: with one kind of arms, "tuned" or "long".
        name: of the arm.
        field: of ``purity.Measured``.
        p, m: probability and width.

    Raises:
        ValueError: the table does not have the arm, or not this probability and width.
    """
    rows = table[(table.p == p) & (table.m == m)].sort_values(["draw", "seed"])
    if rows.empty:
        raise ValueError(f"table: has no rows with p={p}, m={m}")
    names = [arm.name for arm in purity.chosen_arms(str(rows.arms.iloc[0]), p, m)]
    checks.one_of("name", name, names)
    column = np.array([each[names.index(name)] for each in rows[field]])
    return column.reshape(rows.draw.nunique(), -1)


class Meetings(NamedTuple):
    """Gains of pairs of clauses on common units, and their correlation between two seeds, for each draw.

    ``kin``, ``others``: the mean gain of a pair with a common bit, and of one without, summed over seeds. ``share``: of
    pairs with a common bit. ``kin_again``, ``others_again``: correlations of these gains between two seeds.
    ``apart_again``: that of pairs which have neither a common bit nor one with a common third clause.
    """

    kin: Float[NDArray[Any], " draws"]
    others: Float[NDArray[Any], " draws"]
    share: Float[NDArray[Any], " draws"]
    kin_again: Float[NDArray[Any], " draws"]
    others_again: Float[NDArray[Any], " draws"]
    apart_again: Float[NDArray[Any], " draws"]


def meetings(table: sweep.Table, *, p: float, m: int) -> Meetings:
    """Compare which clauses the units of the first arm serve together.

    Args:
        table: of ``purity.train_arms``, with two seeds of each draw.
        p, m: probability and width.
    """
    upper = np.triu_indices(purity.CLAUSES, 1)
    rows = []
    for draw, cells in table[(table.p == p) & (table.m == m)].groupby("draw"):
        gains = [(pairs + pairs.T)[upper] for pairs in cells.sort_values("seed").pairs]
        bits = purity.clauses(draw).bits
        common = (bits[:, None, :, None] == bits[None, :, None, :]).any((2, 3))
        kin, linked = common[upper], (common @ common)[upper]
        again = [np.corrcoef(*(each[some] for each in gains))[0, 1] for some in (kin, ~kin, ~linked)]
        both = sum(gains)
        rows.append([both[kin].mean(), both[~kin].mean(), kin.mean(), *again])
    return Meetings(*np.array(rows).T)


def main() -> None:
    """Compute the files that do not exist yet."""
    options = archive.parser(__doc__, "book/data/purity-runs").parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    listed = options.folder / PILOTS
    if not listed.exists():
        archive.write_json(listed, archive.made() | {"settings": pilots(options.store)})
    archive.compute_all(options.folder, sweeps(), options.store)


if __name__ == "__main__":
    main()
