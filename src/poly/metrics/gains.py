"""Compute what a layer's units gain: how much each group's loss rises when a unit is ablated.

Formulas for squared error, and for cross-entropy, of a linear readout. ``audit`` measures gains of any layer.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from poly import checks

Array = NDArray[Any]


def squared_error_gains(
    hidden: ArrayLike,
    readout: ArrayLike,
    errors: ArrayLike,
    *,
    folds: int = 2,
) -> Float[Array, "folds units outputs"]:
    """Compute gains for squared errors of a linear readout by their formula.

    With ``δ_j = mean(h_j) − h_j``, ablating unit j changes the error of output t by ``V_jt δ_j``. The gain is
    ``g_jt = 2 V_jt mean(δ_j e_t) + V_jt² mean(δ_j²)``.

    Args:
        hidden: activations h, (examples, units).
        readout: weights V from units to outputs, (units, outputs).
        errors: e, outputs minus targets, (examples, outputs).
        folds: parts of the examples, neighbors in order, 1 … examples. The mean of h is over all examples.

    Raises:
        ValueError: shapes that do not fit, or NaN or infinity.
    """
    h, V, e = _layer(hidden, readout, errors)
    delta = h.mean(axis=0) - h
    found = []
    for part in parts(len(h), folds):
        d, own = delta[part], e[part]
        found.append(2 * V * (d.T @ own) / len(d) + V**2 * np.square(d).mean(axis=0)[:, None])
    return np.stack(found)


def group_gains(
    hidden: ArrayLike,
    readout: ArrayLike,
    errors: ArrayLike,
    serves: Int[Array, " units"],
    *,
    folds: int = 2,
) -> Float[Array, "folds groups outputs"]:
    """Compute gains of whole groups of units for squared errors: all units that serve an output are ablated at once.

    Units that stand in for each other hide each other's gains, but not their group's.

    Args:
        hidden, readout, errors, folds: as for ``squared_error_gains``.
        serves: the output that each unit serves most.

    Returns:
        (folds, outputs, outputs): entry s, t is the rise of output t's loss without the units that serve s.

    Raises:
        ValueError: shapes that do not fit, or NaN or infinity.
    """
    h, V, e = _layer(hidden, readout, errors)
    owner = np.asarray(serves)
    if owner.shape != (len(V),) or owner.dtype.kind not in "iu" or owner.min() < 0 or owner.max() >= V.shape[1]:
        raise ValueError(f"serves: has shape {owner.shape}, must hold an output below {V.shape[1]} for each unit")
    delta, e = _in_rows(h.mean(axis=0) - h, 2 * e)
    ends = parts(len(h), folds)
    found = np.zeros((len(ends), V.shape[1], V.shape[1]))
    for s in np.unique(owner):
        change = V[owner == s].T @ delta[owner == s]
        found[:, s] = _means(change * (e + change), ends)
    return found


def reading_gains(
    x: ArrayLike,
    W1: ArrayLike,
    b1: ArrayLike,
    readout: ArrayLike,
    errors: ArrayLike,
    *,
    folds: int = 2,
) -> Float[Array, "folds units d"]:
    """Compute what each unit gains from reading each input: the rise of the summed loss if the unit reads its mean.

    Only this unit reads the mean of input i; all other units read the input itself. Then ``h_j`` changes by ``δ_ij``,
    and the gain is ``Σ_t (2 V_jt mean(δ_ij e_t) + V_jt² mean(δ_ij²))``.

    Args:
        x: inputs, (examples, d).
        W1, b1: weights (d, units) and biases (units,) of the ReLU units.
        readout, errors, folds: as for ``squared_error_gains``.

    Raises:
        ValueError: shapes that do not fit, or NaN or infinity.
    """
    inputs, weights, bias = checks.array("x", x), checks.array("W1", W1), checks.array("b1", b1)
    if inputs.ndim != 2 or weights.shape != (inputs.shape[1], *bias.shape) or bias.ndim != 1:
        raise ValueError(f"x, W1, b1: have shapes {inputs.shape}, {weights.shape}, {bias.shape}, must fit each other")
    before, V, e = _layer(inputs @ weights + bias, readout, errors)
    before, toward = _in_rows(before, 2 * (e @ V.T))
    h = np.maximum(before, 0)
    strength = np.square(V).sum(axis=1)[:, None]
    ends = parts(len(inputs), folds)
    found = np.empty((len(ends), len(V), inputs.shape[1]))
    for i, (column, row) in enumerate(zip(inputs.T, weights, strict=True)):
        change = np.maximum(before + row[:, None] * (column.mean() - column), 0) - h
        found[:, :, i] = _means(change * (toward + strength * change), ends)
    return found


def cross_entropy_gains(
    hidden: ArrayLike,
    readout: ArrayLike,
    outputs: ArrayLike,
    labels: Int[Array, " examples"],
    *,
    folds: int = 2,
) -> Float[Array, "folds units classes"]:
    """Compute gains for a classifier with a linear readout, by class.

    With ``p = softmax(outputs)`` the loss of class t is ``−ln p_t`` for an example of class t and ``−ln(1 − p_t)`` for
    any other. Ablating unit j changes the outputs of an example by ``(mean(h_j) − h_j) V_j``. The gain ``g_jt`` is the
    mean rise of the loss of class t.

    Args:
        hidden, readout, folds: as for ``squared_error_gains``.
        outputs: of the readout, (examples, classes).
        labels: the class of each example, 0 … classes − 1.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, or labels that are no classes.
    """
    h, V, y = _layer(hidden, readout, outputs)
    found = np.asarray(labels)
    if V.shape[1] < 2:
        raise ValueError(f"readout: has {V.shape[1]} class, must have at least two")
    if found.shape != h.shape[:1] or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= V.shape[1]:
        raise ValueError(
            f"labels: have shape {found.shape} and type {found.dtype}, must be whole numbers, classes below "
            f"{V.shape[1]} of {len(h)} examples"
        )
    delta, y = _in_rows(h.mean(axis=0) - h, y)
    right, ends = np.arange(V.shape[1])[:, None] == found, parts(len(h), folds)
    base = _class_losses(y, right)
    gains = np.empty((len(ends), *V.shape))
    for j, (change, written) in enumerate(zip(delta, V, strict=True)):
        gains[:, j] = _means(_class_losses(y + written[:, None] * change, right) - base, ends)
    return gains


def _in_rows(*columns: Array) -> list[Array]:
    """Give each column a row of its own: sums over examples are fastest along memory."""
    return [np.ascontiguousarray(each.T) for each in columns]


def _means(rows: Float[Array, "rows examples"], ends: Sequence[slice]) -> Float[Array, "folds rows"]:
    """Average each row over each part of the examples."""
    return np.stack([rows[:, part].mean(axis=1) for part in ends])


def _class_losses(
    outputs: Float[Array, "classes examples"], right: Bool[Array, "classes examples"]
) -> Float[Array, "classes examples"]:
    """Compute −ln p_t where t is right, and −ln(1 − p_t) elsewhere, also where a network is sure."""
    # Only the likeliest class can have a p_t near 1, where 1 − p_t would lose all digits: there the others are summed.
    likeliest, columns = outputs.argmax(axis=0), np.arange(outputs.shape[1])
    # Outputs are measured from the largest, which costs no digits where all are large.
    below = outputs - outputs[likeliest, columns]
    rest = below.copy()
    rest[likeliest, columns] = -np.inf
    second = rest.max(axis=0)
    rest = second + np.log(np.exp(rest - second).sum(axis=0))  # ln Σ exp of all but the likeliest
    whole = np.log1p(np.exp(rest))
    logs = below - whole
    others = np.log1p(-np.exp(np.minimum(logs, np.log(0.5))))
    others[likeliest, columns] = rest - whole
    return -np.where(right, logs, others)  # type: ignore[no-any-return]


def by_group(rise: ArrayLike, groups: Int[Array, " examples"], *, folds: int = 2) -> Float[Array, "folds units groups"]:
    """Average the rise of each example's loss over the examples of each group, by fold.

    Args:
        rise: of the loss when a unit is ablated, (examples, units).
        groups: the group of each example, 0 … groups − 1.
        folds: parts of the examples of each group, in order; at most as many as the smallest group has examples.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, or a group without enough examples.
    """
    values, found = checks.array("rise", rise), np.asarray(groups)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"rise: has shape {values.shape}, must be finite numbers, (examples, units)")
    if found.shape != values.shape[:1] or found.dtype.kind not in "iu" or found.min() < 0:
        raise ValueError(f"groups: have shape {found.shape}, must be a whole number ≥ 0 for each of {len(values)} rows")
    members = [np.flatnonzero(found == t) for t in range(found.max() + 1)]
    number, smallest = checks.count("folds", folds), int(np.argmin([len(member) for member in members]))
    if number > len(members[smallest]):
        few = f"the examples of group {smallest}"
        raise ValueError(f"folds={folds}: must be at most {len(members[smallest])}, {few}")
    cells = [[values[member[part]].mean(axis=0) for part in parts(len(member), number)] for member in members]
    return np.array(cells).transpose(1, 2, 0)


def parts(size: int, folds: int) -> list[slice]:
    """Split a range into neighboring parts of almost equal size."""
    if checks.count("folds", folds) > size:
        raise ValueError(f"folds={folds}: must be at most the {size} examples")
    ends = [size * k // folds for k in range(folds + 1)]
    return [slice(low, high) for low, high in pairwise(ends)]


def _layer(hidden: ArrayLike, readout: ArrayLike, errors: ArrayLike) -> tuple[Array, Array, Array]:
    h, V, e = checks.array("hidden", hidden), checks.array("readout", readout), checks.array("errors", errors)
    if h.ndim != 2 or V.ndim != 2 or e.shape != (len(h), V.shape[1]) or V.shape[0] != h.shape[1] or not h.size:
        shapes = f"{h.shape}, {V.shape}, {e.shape}"
        raise ValueError(f"hidden, readout, errors: have shapes {shapes}, must fit each other")
    if not all(np.isfinite(values).all() for values in (h, V, e)):
        raise ValueError("hidden, readout, errors: hold NaN or infinity, every entry must be finite")
    return h, V, e
