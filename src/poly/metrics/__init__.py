"""Measurements on a weight matrix W of shape (*instances, n, m), and on what units gain.

``gains`` computes gains, and ``selectivity`` how far units serve one group each.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poly import checks
from poly.checks import tensors
from poly.metrics.gains import by_group, cross_entropy_gains, group_gains, reading_gains, squared_error_gains
from poly.metrics.selectivity import (
    Impurity,
    class_selectivity,
    impurity,
    impurity_of_squares,
    participation_ratio,
    permuted,
    reading_impurity,
)

__all__ = [
    "Collisions",
    "Impurity",
    "by_group",
    "class_selectivity",
    "collisions",
    "cross_entropy_gains",
    "feature_dimensionality",
    "fourth_norms",
    "group_gains",
    "impurity",
    "impurity_of_squares",
    "participation_ratio",
    "permuted",
    "polysemantic_neurons",
    "reading_gains",
    "reading_impurity",
    "squared_error_gains",
    "survivors",
    "winners",
]


class Collisions(NamedTuple):
    """Numbers of feature pairs on one neuron, (*instances,) each: opposite signs (benign), same sign (malign)."""

    benign: Int[Tensor, "*instances"]
    malign: Int[Tensor, "*instances"]


def _near(W: Float[Tensor, "*instances n m"], near: tuple[float, float]) -> Bool[Tensor, "*instances n m"]:
    return checks.in_window(tensors.weights(W), near)


def polysemantic_neurons(
    W: Float[Tensor, "*instances n m"], near: tuple[float, float] = checks.WINDOW
) -> Int[Tensor, "*instances"]:
    """Count the neurons that carry at least two features.

    ``#{k : #{i : low ≤ |W_ik| ≤ high} ≥ 2}``

    Args:
        W: encodings, (*instances, n, m).
        near: the window (low, high) in which a weight's size counts as 1; the paper's is [0.8, 1.2].

    Returns:
        int64, (*instances,).

    Raises:
        ValueError: non-finite W, or a window that is not 0 ≤ low ≤ high.

    Source: figure 2 of the paper.
    """
    return (_near(W, near).sum(-2) >= 2).sum(-1)


def collisions(W: Float[Tensor, "*instances n m"], near: tuple[float, float] = checks.WINDOW) -> Collisions:
    """Count the pairs of features that share a neuron, by sign (claim C2).

    Let neuron k have p_k positive and q_k negative weights whose size lies in the window. There are ``Σ_k p_k q_k``
    benign pairs and ``Σ_k p_k (p_k − 1)/2 + q_k (q_k − 1)/2`` malign pairs.

    Args:
        W: encodings, (*instances, n, m).
        near: the window (low, high), as in ``polysemantic_neurons``.

    Returns:
        Collisions of two int64 tensors (*instances,).

    Raises:
        ValueError: non-finite W, or a window that is not 0 ≤ low ≤ high.
    """
    counted = _near(W, near)
    p = (counted & (W > 0)).sum(-2)
    q = (counted & (W < 0)).sum(-2)
    malign = (p * (p - 1) + q * (q - 1)).sum(-1) // 2
    return Collisions(benign=(p * q).sum(-1), malign=malign)


def winners(W: Float[Tensor, "*instances n m"]) -> Int[Tensor, "*instances n"]:
    """Return the neuron of each feature's largest weight, ``argmax_k |W_ik|``; the first one of a tie.

    Args:
        W: encodings, (*instances, n, m).

    Returns:
        int64, (*instances, n).

    Raises:
        ValueError: non-finite W.
    """
    return tensors.weights(W).abs().argmax(-1)


def survivors(W: Float[Tensor, "*instances n m"]) -> Int[Tensor, "*instances n"]:
    """Count the nonzero weights in each feature's row, m′ in the paper.

    Args:
        W: encodings, (*instances, n, m).

    Returns:
        int64, (*instances, n).

    Raises:
        ValueError: non-finite W.
    """
    return (tensors.weights(W) != 0).sum(-1)


def fourth_norms(W: Float[Tensor, "*instances n m"], *, relative: bool = False) -> Float[Tensor, "*instances n"]:
    """Compute ``‖W_i‖₄⁴ = Σ_k W_ik⁴`` of each feature's row, or its ratio to ``‖W_i‖₂⁴``, which measures concentration.

    Args:
        W: encodings, (*instances, n, m).
        relative: divide by ``‖W_i‖₂⁴``. The result is then 1 for a row with one weight and 1/m for m equal weights.
            Averaged over all directions it is 3/(m + 2). It does not depend on the length of the row, and is 0 for a
            row that is 0.

    Returns:
        (*instances, n).

    Raises:
        ValueError: non-finite W.

    Source: figure 5 of the paper, which plots the mean over rows.
    """
    fourth = tensors.weights(W).pow(4).sum(-1)
    if not relative:
        return tensors.no_overflow(fourth, W)
    square = W.square().sum(-1).square()
    # Fourth powers overflow or underflow early. Such a row is measured in units of its largest weight.
    poor = (W != 0).any(-1) & ~((fourth > _smallest(W.dtype)) & square.isfinite())
    if bool(poor.any()):
        unit = W / torch.where(poor, W.abs().amax(-1), torch.ones_like(fourth)).unsqueeze(-1)
        fourth = torch.where(poor, unit.pow(4).sum(-1), fourth)
        square = torch.where(poor, unit.square().sum(-1).square(), square)
    return torch.where(square > 0, fourth / square, torch.zeros_like(fourth))


def _smallest(dtype: torch.dtype) -> float:
    """Return the size below which a sum in this type may have lost digits."""
    return torch.finfo(dtype).tiny / torch.finfo(dtype).eps


def feature_dimensionality(W: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances n"]:
    """Compute the share of a hidden dimension that each feature has to itself.

    ``D_i = ‖W_i‖² / Σ_j (Ŵ_i·W_j)²`` with ``Ŵ_i = W_i/‖W_i‖``. It is 1 for a feature with a direction of its own, 1/2
    for each feature of an antipodal pair, and 0 for a feature that is not represented.

    Args:
        W: encodings, (*instances, n, m).

    Returns:
        (*instances, n), each in [0, 1].

    Raises:
        ValueError: non-finite W.

    Source: Elhage et al. 2022, "Toy Models of Superposition".
    """
    tensors.weights(W)
    smallest = torch.finfo(W.dtype).tiny
    # D does not depend on the scale of W; at a scale of 1 no square underflows or overflows.
    scaled = W / W.abs().amax((-2, -1), keepdim=True).clamp(min=smallest)
    unit = torch.nn.functional.normalize(W / W.abs().amax(-1, keepdim=True).clamp(min=smallest), dim=-1)
    overlap_sum = (unit @ scaled.mT).square().sum(-1)
    found = torch.where(overlap_sum > 0, scaled.square().sum(-1) / overlap_sum, torch.zeros_like(overlap_sum))
    poor = (W != 0).any(-1) & (scaled.square().sum(-1) < _smallest(W.dtype))
    if bool(poor.any()):  # the squares of a row much shorter than others underflow, but those of the ratios do not
        every = W.double() / W.abs().amax((-2, -1), keepdim=True)
        size = every.abs().amax(-1, keepdim=True)
        row = every / size.clamp(min=torch.finfo(torch.float64).tiny)
        length = row.norm(dim=-1, keepdim=True)
        ratios = (row / length) @ every.mT / (size * length)
        found = torch.where(poor, ratios.square().sum(-1).reciprocal().nan_to_num(0.0).to(W.dtype), found)
    return found
