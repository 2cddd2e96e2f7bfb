"""Train one network from start to end, and list its large weights and their values at the start.

``sweep.sweep(final_weights.train, …, paired=("method", "l1"))`` trains the same starts in several ways.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, flow, metrics, model, sweep, training
from poly.checks import tensors

Array = NDArray[Any]
# Smaller weights are not listed; the smallest window in use begins at 0.1.
SMALLEST = 0.05
# Sizes 0, 0.01, … 1.29; the last bin holds all larger weights.
BINS = np.append(np.arange(130) / 100, np.inf)
METHODS = ("flow", "adamw")
RELEASED = training.TrainConfig(optimizer="adamw", lr=1e-3, steps=7500, weight_decay=0.01)


class FinalWeights(NamedTuple):
    """A trained network: its large weights, with features and neurons in order, and their starts.

    For each weight with ``|W_ik| ≥ 0.05``: feature i, neuron k, and the weight. ``start`` is the initial weight times
    the final sign, in initial standard deviations 1/√m. ``rank`` is the rank of its initial size in its row, 1 for the
    largest. ``sizes``: how many of all nm weights have a size in each of ``BINS``. ``overlap``: W₀ W_Tᵀ, as in figure
    4, if requested; otherwise (0, 0).
    """

    feature: Int[Array, " large"]
    neuron: Int[Array, " large"]
    weight: Float[Array, " large"]
    start: Float[Array, " large"]
    rank: Int[Array, " large"]
    sizes: Int[Array, " bins"]
    overlap: Float[Array, "kept kept"]


def train(
    *, n: int, m: int, l1: float, method: str, keep_overlap: bool = False, generator: torch.Generator
) -> FinalWeights:
    """Train one network from the paper's start, to the end by gradient flow or by AdamW as released.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ, in the units of ``model.loss``.
        method: "flow", or "adamw": float32, lr 1e-3, weight decay 0.01, 7500 steps.
        keep_overlap: whether to keep that of start and end.
        generator: source of the start.

    Returns:
        FinalWeights.

    Raises:
        ValueError: an unknown method, or what ``model.init``, ``flow.flow`` or ``training.train`` refuse.

    Source: figures 2 to 4 of the paper.
    """
    start = model.init(n, m, generator=generator)
    end = train_from(start, l1, method, generator)
    return summarize(start[0], end[0], keep_overlap=keep_overlap)


def train_from(
    W: Float[Tensor, "networks n m"],
    l1: float,
    method: str,
    generator: torch.Generator,
    *,
    steps: int = RELEASED.steps,
) -> Float[Tensor, "networks n m"]:
    """Train networks from W to the end by gradient flow, or by AdamW as released; return their weights in float64.

    Args:
        W: starts, (networks, n, m).
        l1: λ, in the units of ``model.loss``.
        method: "flow" or "adamw".
        generator: not used; ``training.train`` takes one.
        steps: of AdamW, ≥ 0.

    Raises:
        ValueError: an unknown method, or what ``flow.flow`` or ``training.train`` refuse.
    """
    checks.one_of("method", method, METHODS)
    if method == "flow":
        return flow.flow(W, l1, progress=False).W
    return training.train(W.float(), released(l1, steps=steps), generator=generator, progress=False).W.double()


def released(l1: float, **changes: Any) -> training.TrainConfig:
    """Return the settings of the released AdamW, with the penalty and, if asked for, with changes.

    Args:
        l1: λ ≥ 0, in the units of ``model.loss``.
        changes: other settings of ``training.TrainConfig``, by name.

    Raises:
        ValueError: what ``training.TrainConfig`` refuses.
        TypeError: a change of no setting.

    Example:
        >>> final_weights.released(1e-3, steps=15_000).steps
        15000
    """
    return dataclasses.replace(RELEASED, l1=l1, **changes)


class Counts(NamedTuple):
    """The number of polysemantic neurons of each network of a cell, in the paper's window."""

    shared: Int[Tensor, " networks"]


def count(*, n: int, m: int, l1: float, networks: int, generator: torch.Generator) -> Counts:
    """Train networks from the paper's start to the end of the gradient flow, and only count.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ, in the units of ``model.loss``.
        networks: how many, each with a start of its own.
        generator: source of the starts.

    Raises:
        ValueError: what ``model.init`` and ``flow.flow`` refuse.
    """
    start = model.init(n, m, instances=networks, generator=generator)
    return Counts(metrics.polysemantic_neurons(flow.flow(start, l1, progress=False).W))


def summarize(start: Float[Tensor, "n m"], end: Float[Tensor, "n m"], *, keep_overlap: bool = False) -> FinalWeights:
    """List the weights of one network that end at ``SMALLEST`` or above, and their starts.

    Args:
        start, end: encodings, of one shape (n, m).
        keep_overlap: whether the overlaps ``W_start W_endᵀ`` are kept.

    Raises:
        ValueError: weights that are not finite, or two shapes.
    """
    tensors.weights(start)
    W = tensors.weights(end).double()
    if start.shape != W.shape or W.ndim != 2:
        raise ValueError(f"end: has shape {tuple(W.shape)}, must be {tuple(start.shape)}, that of start, with two axes")
    feature, neuron = (W.abs() >= SMALLEST).nonzero(as_tuple=True)
    weight = W[feature, neuron]
    first = start.double()
    larger = (first.abs()[feature] > first.abs()[feature, neuron, None]).sum(-1)
    return FinalWeights(
        feature=feature.numpy().astype(np.int32),
        neuron=neuron.numpy().astype(np.int32),
        weight=weight.numpy(),
        start=(first[feature, neuron] * weight.sign() * W.shape[-1] ** 0.5).numpy(),
        rank=(1 + larger).numpy().astype(np.int32),
        sizes=np.histogram(W.abs().numpy(), BINS)[0],
        overlap=(first @ W.mT).numpy().astype(np.float32) if keep_overlap else np.empty((0, 0), np.float32),
    )


class Winners(NamedTuple):
    """The neuron, sign and start of each feature's largest final weight, where it has one."""

    feature: Int[Array, " alive"]
    neuron: Int[Array, " alive"]
    positive: Bool[Array, " alive"]
    start: Float[Array, " alive"]
    rank: Int[Array, " alive"]


def winners(row: Mapping[str, Any]) -> Winners:
    """Find the largest final weight of each feature, from a row of a sweep's table.

    Features without a weight of 0.05 are left out.

    Args:
        row: of ``train``.
    """
    order = np.lexsort((-np.abs(row["weight"]), row["feature"]))
    first = order[np.unique(np.asarray(row["feature"])[order], return_index=True)[1]]
    feature, neuron, start, rank = (np.asarray(row[name])[first] for name in ("feature", "neuron", "start", "rank"))
    return Winners(feature.astype(np.int64), neuron.astype(np.int64), row["weight"][first] > 0, start, rank)


def start(row: Mapping[str, Any]) -> Float[Tensor, "n m"]:
    """Draw the start of a row of a sweep's table again, as the sweep drew it.

    Args:
        row: of ``train``, from a sweep with ``paired=("l1", "method")``.
    """
    generator = sweep.stream({"n": row["n"], "m": row["m"]}, row["seed"])
    return model.init(row["n"], row["m"], generator=generator)[0]


class Places(NamedTuple):
    """For each feature a neuron, and whether its weight there is positive; neuron −1 for a feature without one."""

    neuron: Int[Array, " n"]
    positive: Bool[Array, " n"]


def places(row: Mapping[str, Any]) -> tuple[Places, Places]:
    """Find where each feature is at the start, on its favorite neuron, and at the end, on its winner.

    Args:
        row: of ``train``, from a sweep with ``paired=("l1", "method")``.
    """
    first, won = start(row), winners(row)
    favorite = metrics.winners(first)
    began = Places(favorite.numpy(), (first.gather(1, favorite[:, None])[:, 0] > 0).numpy())
    ended = Places(np.full(len(first), -1), np.zeros(len(first), bool))
    ended.neuron[won.feature], ended.positive[won.feature] = won.neuron, won.positive
    return began, ended


def sharing_pairs(ends: Places) -> Bool[Array, " pairs"]:
    """Tell which pairs of features win one neuron with opposite signs, in the order of ``np.triu_indices(n, 1)``.

    Args:
        ends: where each feature is at the end, from ``places``.
    """
    i, j = np.triu_indices(len(ends.neuron), 1)
    together = (ends.neuron[i] == ends.neuron[j]) & (ends.neuron[i] >= 0)
    return np.asarray(together & (ends.positive[i] != ends.positive[j]))


def polysemantic_neurons(row: Mapping[str, Any], near: tuple[float, float] = checks.WINDOW) -> int:
    """Count the neurons that carry at least two features, as in ``metrics``, from a row of a sweep's table.

    Args:
        row: of ``train``.
        near: the window (low, high) of sizes that count, low ≥ 0.05.

    Raises:
        ValueError: a window that begins below what the row lists, or ends before it begins.
    """
    low, high = near
    if not SMALLEST <= low <= high:
        raise ValueError(f"near={near!r}: must be a pair {SMALLEST} ≤ low ≤ high")
    held = np.asarray(row["neuron"], np.int64)[checks.in_window(np.asarray(row["weight"]), near)]
    return int((np.bincount(held) >= 2).sum())
