"""Select the effect of every intervention from stored runs: networks with it, beside their controls.

An intervention changes a start, changes the weights on the way, repairs the end, changes the course of the penalty, or
replaces the optimizer. Each function takes a table of one kind of run. Networks beside each other begin at one start.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from poly import checks, inference, sweep
from poly.experiments import schedules, surgery

Array = NDArray[Any]

# What the names of changes and repairs mean.
CHANGES = {
    "shuffled": "rows permuted",
    "distinct favorites": "no common favorite",
    "orthogonal rows": "orthogonal rows",
    "scores below 0.99": "top 1 % of scores cut",
    "scores below 0.9": "top 10 % cut",
    "scores below 0.5": "top half cut",
    "scores below all": "all scores cut",
    "same signs": "positive weights only",
    "code, noise 0.97": "own neuron, noise 0.97",
    "code, noise 0.9": "own neuron, noise 0.9",
    "code, noise 0.6": "own neuron, noise 0.6",
    "code, noise 0.3": "own neuron, noise 0.3",
    "repair": "repair after training",
    "late repair": "repair after twice as long",
}
SCHEDULES = {
    "up": "rising penalty",
    "down": "penalty falling from 10 λ",
    "late": "late penalty",
    "noise first": "noise before the penalty",
}
OPTIMIZERS = {
    "flow": "gradient flow",
    "SGD": "SGD",
    "momentum": "SGD, momentum 0.9",
    "row moments": "AdamW, one second moment a row",
    "eps 1": "ε = 1",
    "eps 1e-2": "ε = 0.01",
    "eps 1e-4": "ε = 0.0001",
    "beta2 0.9": "β₂ = 0.9",
    "beta2 0.99": "β₂ = 0.99",
    "AdamW": "AdamW (β₂ = 0.999, ε = 10⁻⁸)",
    "beta2 0.9999": "β₂ = 0.9999",
    "beta1 0": "β₁ = 0",
    "rate / 16": "rate / 16",
    "rate / 4": "rate / 4",
    "4 rate": "4 × rate",
    "16 rate": "16 × rate",
    "decay 0": "no weight decay",
    "Adam": "Adam",
    "decay 0.1": "weight decay 0.1",
    "decay 1": "weight decay 1",
    "sign": "signs only",
}
_FIELDS = ("shared", "loss", "features")
# Networks without which there is no word on an intervention, and the ratio of losses from which on it is costly.
_LEAST, _COSTLY = 16, 1.1
# The share of features that have a neuron in a network that is finished.
_PLACED = 0.99
# The largest chance of a resample in which no network shares a neuron without the intervention.
_RARE = 1e-8


class Effect(NamedTuple):
    """One intervention on networks of one size.

    Attributes:
        change: the name of the intervention, a key of ``CHANGES``, ``SCHEDULES`` or ``OPTIMIZERS``.
        method: how the networks are trained: "flow" or "adamw", or the name of an optimizer.
        n, m: features and neurons.
        when: of the change, as in ``surgery.apply_changes``; 0: at the start, or no such time.
        shared: shared neurons with the intervention, and of what it is compared with, (networks, 2): the control of a
            change, otherwise the same network without the intervention.
        loss: the loss at the end with the intervention and without it, (networks, 2).
        features: how many have a weight in the paper's window at the end of each network.
    """

    change: str
    method: str
    n: int
    m: int
    when: float
    shared: Float[Array, "networks 2"]
    loss: Float[Array, "networks 2"]
    features: Float[Array, " networks"]

    def has_ratio(self) -> bool:
        """Tell whether the ratio exists in practically every bootstrap resample."""
        return bool(np.mean(self.shared[:, 1] == 0) ** len(self.shared) < _RARE)

    def ratio(self, *, seed: int) -> inference.Estimate:
        """Estimate shared neurons with the intervention, over those without it: ``inference.ratio_of_counts``.

        Raises:
            ValueError: ``has_ratio`` does not hold, and a resample has nothing to compare with.
        """
        return inference.ratio_of_counts(self.shared, seed=seed)

    def word(self, found: inference.Estimate) -> str:
        """Say in a word what its ``ratio`` found: ``in_a_word``; "" with fewer than 16 networks.

        A network in which features have no neuron yet shares few neurons: that removes nothing, and is "unfinished".
        """
        if len(self.shared) < _LEAST:
            return ""
        word = in_a_word(found.low, found.high)
        return "unfinished" if word == "removes" and not self.is_finished() else word

    def is_finished(self) -> bool:
        """Tell whether at least 99 of a hundred features have a neuron at the end."""
        return bool(self.features.mean() >= _PLACED * self.n)

    def cost(self) -> float:
        """Compute the mean loss with the intervention, over that without it."""
        with_it, without = self.loss.mean(0)
        return float(with_it / without)

    def is_costly(self) -> bool:
        """Tell whether the intervention raises the loss by more than a tenth; not with fewer than 16 networks."""
        return len(self.loss) >= _LEAST and self.cost() > _COSTLY


def of_changes(table: sweep.Table, *, against: str = "control") -> list[Effect]:
    """Select the effect of each change, by method and time.

    Args:
        table: of ``surgery.apply_changes``, with one set of changes.
        against: what shared neurons are compared with: "control", a random change of the same size at the same time, or
            "default", the same network without a change. Losses are always compared with the latter.

    Raises:
        ValueError: another name.
    """
    names = surgery.names_of(table.changes.iloc[0])
    found = []
    for (method, when), rows in table.groupby(["method", "when"], sort=False):
        for name in names:
            shared = pairs(rows, name, against=against)
            loss = pairs(rows, name, "loss", against="default")
            features = pairs(rows, name, "features")[:, 0]
            found.append(Effect(name, str(method), *_size(table), float(when), shared, loss, features))
    return found


def of_repairs(table: sweep.Table) -> list[Effect]:
    """Select the effect of repairs, by method, early ("repair") and after more training ("late repair").

    Args:
        table: of ``surgery.repair_end``.
    """
    found = []
    for (method, rounds), rows in table.groupby(["method", "rounds"], sort=False):
        name = "repair" if rounds == 1 else "late repair"
        shared, loss, features = (np.stack(rows[field].tolist()).astype(float)[:, [2, 3]] for field in _FIELDS)
        found.append(Effect(name, str(method), *_size(table), 0.0, shared, loss, features[:, 0]))
    return found


def of_schedules(table: sweep.Table) -> list[Effect]:
    """Select the effect of each course of the penalty, against a constant one.

    Args:
        table: of ``schedules.train_by_schedule``, with "constant" among its schedules.
    """
    shared, loss, features = (np.stack(table[field].tolist()).astype(float) for field in _FIELDS)
    names = tuple(table.schedules.iloc[0]) if "schedules" in table else schedules.SCHEDULES
    constant = names.index("constant")
    method = str(table.method.iloc[0]) if "method" in table else "flow"
    return [
        Effect(name, method, *_size(table), 0.0, shared[:, [k, constant]], loss[:, [k, constant]], features[:, k])
        for k, name in enumerate(names)
        if k != constant
    ]


def of_optimizers(table: sweep.Table) -> list[Effect]:
    """Select the effect of each optimizer, against gradient flow.

    Args:
        table: of ``optimizers.train_by_optimizer``, with "flow" among its optimizers.

    Raises:
        ValueError: it has no gradient flow.
    """
    rows = dict(list(table.groupby("optimizer", sort=False)))
    if "flow" not in rows:
        raise ValueError(f"table: has optimizers {', '.join(map(str, rows))}, must have flow to compare with")
    flow = rows.pop("flow")
    return [
        Effect(
            str(name),
            str(name),
            *_size(table),
            0.0,
            _beside(some, flow, "shared"),
            _beside(some, flow, "loss"),
            np.stack(some.features.tolist())[:, 0].astype(float),  # of the crowd
        )
        for name, some in rows.items()
    ]


def pairs(
    table: sweep.Table, change: str, field: str = "shared", *, against: str = "control"
) -> Float[Array, "networks 2"]:
    """Select a number of each network after a change, and beside it that of its control or of the unchanged network.

    Args:
        table: of ``surgery.apply_changes``, with one set of changes.
        change: one of the set.
        field: "shared", "features" or "loss".
        against: "control" or "default".

    Raises:
        ValueError: an unknown name, or a change that is not in the table.
    """
    checks.one_of("field", field, ("shared", "features", "loss"))
    checks.one_of("against", against, ("control", "default"))
    names = surgery.names_of(table.changes.iloc[0])
    checks.one_of("change", change, names)
    place = names.index(change)
    changed = [row[place] for row in table["changed_" + field]]
    other = table[field] if against == "default" else [row[place] for row in table["control_" + field]]
    return np.array([changed, list(other)], float).T


def control_pairs(table: sweep.Table, change: str, field: str = "shared") -> Float[Array, "networks 2"]:
    """Select a number of each network after the control of a change, and beside it that of the unchanged network.

    Args:
        table, change, field: as for ``pairs``.

    Raises:
        ValueError: as ``pairs``.
    """
    sides = [pairs(table, change, field, against=against)[:, 1] for against in ("control", "default")]
    return np.stack(sides, axis=1)


def in_a_word(low: float, high: float) -> str:
    """Say in a word what a change does, by the interval of the ratio of shared neurons; "" if no word fits.

    Removes: at most 0.1. Halves: within 0.4 and 0.6. Does not: within 0.9 and 1.1.
    """
    if high <= 0.1:
        return "removes"
    if low >= 0.4 and high <= 0.6:
        return "halves"
    return "does not" if low >= 0.9 and high <= 1.1 else ""


def _beside(some: sweep.Table, other: sweep.Table, field: str) -> Float[Array, "networks 2"]:
    return np.stack([some[field].to_numpy(float), other[field].to_numpy(float)], axis=1)


def _size(table: sweep.Table) -> tuple[int, int]:
    return int(table.n.iloc[0]), int(table.m.iloc[0])
