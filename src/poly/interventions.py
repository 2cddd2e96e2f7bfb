"""Change the weights of networks, to test what decides which neurons they share.

Every change keeps the length of every row. ``control`` makes a change of the same size at random. The effect of a
change is the difference between its result and that of its control. ``repair`` moves features from shared neurons to
free ones.

All take W of shape (*instances, n, m), float32 or float64, and return a new tensor like it.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from poly import checks, parallel
from poly.checks import tensors

Array = NDArray[Any]


def distinct_favorites(W: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances n m"]:
    """Give every feature a favorite neuron of its own, its largest weight, by the smallest swaps.

    In row i the sizes of the favorite ``a = max_k |W_ik|`` and of the new favorite are swapped; both keep their signs.
    The new favorites are all different and minimize ``Σ_i (a_i − |W_ik|)²``.

    Args:
        W: encodings, (*instances, n, m), m ≥ n.

    Raises:
        ValueError: m < n, or non-finite W.
    """

    def change(w: Array) -> None:
        size = np.abs(w)
        rows, favorite, new = np.arange(len(w)), size.argmax(-1), _own_neurons(size)
        first, second = size[rows, favorite], size[rows, new]
        w[rows, favorite] = np.copysign(second, w[rows, favorite])
        w[rows, new] = np.copysign(first, w[rows, new])

    return _each(_wide(W), change)


def orthogonal_rows(W: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances n m"]:
    """Make all rows orthogonal, so that no feature interferes with another.

    The directions of the rows are replaced by the nearest orthonormal ones, ``U Vᵀ`` of the singular value
    decomposition of the matrix of directions.

    Args:
        W: encodings, (*instances, n, m), m ≥ n.

    Raises:
        ValueError: m < n, or non-finite W.
    """

    def change(w: Array) -> None:
        length = np.linalg.norm(w, axis=-1, keepdims=True)
        left, _, right = np.linalg.svd(w / np.where(length > 0, length, 1), full_matrices=False)
        w[:] = length * (left @ right)

    return _each(_wide(W), change)


def sharing_scores(W: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances pairs"]:
    """Compute for each pair of features how strongly it shares a neuron with opposite signs.

    ``max_k(−W_ik W_jk)`` for all i < j, row by row; negative for a pair whose signs agree on every neuron.

    Args:
        W: encodings, (*instances, n, m).

    Returns:
        (*instances, n (n − 1)/2).

    Raises:
        ValueError: a single feature, or non-finite W.
    """
    n = tensors.weights(W).shape[-2]
    if n < 2:
        raise ValueError(f"W: has shape {tuple(W.shape)}, must have at least two features")
    return torch.cat([(-W[..., i : i + 1, :] * W[..., i + 1 :, :]).amax(-1) for i in range(n - 1)], -1)


def cut_scores(W: Float[Tensor, "*instances n m"], quantile: float) -> Float[Tensor, "*instances n m"]:
    """Flip the signs of some weights, so that no pair of features has a score above a quantile of all scores.

    The scores are those of ``sharing_scores``. The cut c is their quantile, or 0 if that is negative. On a neuron whose
    largest weight has size a, every weight of the other sign is flipped if its size exceeds c/a. All sizes stay.

    Args:
        W: encodings, (*instances, n, m).
        quantile: the part of the pairs, in [0, 1], that lies below the cut. 1 changes nothing; at 0 the cut is the
            smallest score.

    Raises:
        ValueError: a quantile outside [0, 1], a single feature, or non-finite W.
    """
    quantile = checks.share("quantile", quantile)
    scores = sharing_scores(W).detach().cpu().double().numpy()
    cuts = np.quantile(scores, quantile, axis=-1, method="lower").reshape(-1)
    cut = iter(np.maximum(cuts, 0))

    def change(w: Array) -> None:
        size = np.abs(w)
        largest = size.argmax(0)[None]
        sign = np.sign(np.take_along_axis(w, largest, 0))
        over = size * np.take_along_axis(size, largest, 0) > next(cut)
        w[:] = np.where(over & (w * sign < 0), -w, w)

    return _each(W, change)


def same_signs(W: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances n m"]:
    """Make every weight positive: ``|W|``. No pair of features then has opposite signs on any neuron.

    Args:
        W: encodings, (*instances, n, m).

    Raises:
        ValueError: non-finite W.
    """
    return tensors.weights(W).abs()


def near_code(W: Float[Tensor, "*instances n m"], noise: float) -> Float[Tensor, "*instances n m"]:
    """Start near a code with one neuron for each feature, and as few shared neurons as there can be.

    Row i becomes ``‖W_i‖ (√(1 − σ²) s e_k + σ r/‖r‖)``. Here k is the feature's own neuron as in
    ``distinct_favorites``, s the sign of ``W_ik``, and r the row without its weight on k. With more features than
    neurons, n − m neurons get two features each. The second then has the opposite sign of the first.

    Args:
        W: encodings, (*instances, n, m), n ≤ 2m and m ≥ 2.
        noise: σ in [0, 1], the length of the rest of a row relative to the whole. A random row of ``model.init`` with
            32 weights has about 0.9.

    Raises:
        ValueError: noise outside [0, 1], n > 2m, m = 1, a row without a second weight, or non-finite W.
    """
    noise = checks.share("noise", noise)
    _of_several_neurons(W)
    if W.shape[-2] > 2 * W.shape[-1]:
        raise ValueError(f"W: has shape {tuple(W.shape)}, must have at most twice as many features as neurons")

    def change(w: Array) -> None:
        own = (np.arange(len(w)), _own_neurons(np.abs(w)))
        _opposite(w, own[1])
        kept, length = np.copysign(np.sqrt(1 - noise**2), w[own]), np.linalg.norm(w, axis=-1)
        w[own] = 0
        rest = np.linalg.norm(w, axis=-1)
        if not rest.all():
            raise ValueError(f"W: row {rest.argmin()} has no weight beside that on its own neuron, must have another")
        w *= (noise * length / rest)[:, None]
        w[own] = kept * length

    return _each(W, change)


def _opposite(w: Array, neuron: Int[Array, " n"]) -> None:
    """Give the second feature of each neuron the opposite sign of the first, by changing the sign of its weight."""
    first: dict[int, int] = {}
    for i, k in enumerate(neuron.tolist()):
        if k in first:
            w[i, k] = np.copysign(w[i, k], -w[first[k], k])
        first[k] = i


class Planted(NamedTuple):
    """Weights W with planted pairs; ``pairs`` lists the two features and the neuron of each, (*instances, pairs, 3)."""

    W: Float[Tensor, "*instances n m"]
    pairs: Int[Tensor, "*instances pairs 3"]


def plant_pairs(W: Float[Tensor, "*instances n m"], pairs: int, score: float, *, generator: torch.Generator) -> Planted:
    """Give some pairs of features a neuron on which they begin with opposite signs.

    Features are drawn at random among those whose row is longer than ``√(score/m)``, neurons among all. Each is drawn
    at most once. On its neuron the first feature of a pair keeps its sign and the second gets the other one. Both
    weights get the size ``√(score/m)``, so a score of 0 makes them 0. The rest of each row is scaled so that its length
    stays.

    Args:
        W: encodings, (*instances, n, m), m ≥ 2.
        pairs: how many, at most n/2 and at most m.
        score: m times the planted ``−W_ik W_jk``, in squared initial standard deviations, ≥ 0.
        generator: source of the draw.

    Raises:
        ValueError: a number out of its range, m = 1, too few rows that are long enough, a row without a weight on
            another neuron, or non-finite W.
    """
    _of_several_neurons(W)
    n, m = tensors.weights(W).shape[-2:]
    pairs, score = checks.count("pairs", pairs), checks.nonnegative("score", score)
    if pairs > min(n // 2, m):
        raise ValueError(f"pairs={pairs!r}: must be at most n/2 = {n // 2} and m = {m}")
    seeds = _seeds(W, generator)
    drawn = []

    def change(w: Array) -> None:
        random = np.random.default_rng(next(seeds))
        long = np.flatnonzero(m * (w**2).sum(-1) > score)
        if len(long) < 2 * pairs:
            raise ValueError(f"score={score!r}: only {len(long)} rows are long enough for it, {2 * pairs} are needed")
        features, neurons = random.permutation(long)[: 2 * pairs].reshape(2, pairs), random.permutation(m)[:pairs]
        drawn.append(np.stack([*features, neurons], -1))
        sign = np.where(w[features[0], neurons] < 0, -1, 1)
        for each, signs in zip(features, (sign, -sign), strict=True):
            length2 = (w[each] ** 2).sum(-1)
            w[each, neurons] = 0
            rest2 = (w[each] ** 2).sum(-1)
            if not rest2.all():
                raise ValueError(f"W: row {each[rest2.argmin()]} has one weight only, must have another")
            w[each] *= np.sqrt((length2 - score / m) / rest2)[:, None]
            w[each, neurons] = signs * np.sqrt(score / m)

    changed = _each(W, change)
    return Planted(changed, torch.from_numpy(np.array(drawn)).reshape(*W.shape[:-2], pairs, 3))


def control(
    W: Float[Tensor, "*instances n m"], changed: Float[Tensor, "*instances n m"], *, generator: torch.Generator
) -> Float[Tensor, "*instances n m"]:
    """Change W at random by as much as another change did: the control of that change.

    In every row the change has the same length ``‖ΔW_i‖``, and the row keeps its length. As many weights change as in
    the other change, and at least two. They are drawn at random among those that are not 0, and their part of the row
    is turned in a random direction. If the drawn part is too short for the change, its smallest weights are exchanged
    for the row's largest. So the control of a large sign change may reverse some of the same weights, and that of a row
    with one weight is the change itself.

    Args:
        W: encodings before the change, (*instances, n, m), m ≥ 2.
        changed: the same after it; every row must have the length that it has in W, within 1e-4 of it.
        generator: source of the draw.

    Raises:
        ValueError: shapes, dtypes or lengths of rows that differ, a single neuron, or non-finite weights.
    """
    tensors.weights(W)
    if tensors.weights(changed).shape != W.shape:
        raise ValueError(f"changed: has shape {tuple(changed.shape)}, must be that of W, {tuple(W.shape)}")
    if changed.dtype != W.dtype:
        raise ValueError(f"changed: has dtype {changed.dtype}, must be that of W, {W.dtype}")
    _of_several_neurons(W)
    before, after = W.norm(dim=-1), changed.norm(dim=-1)
    if bool(((before - after).abs() > 1e-4 * before).any()):
        raise ValueError("changed: has a row of another length than in W, must keep the length of every row")
    others, seeds = iter(changed.detach().cpu().reshape(-1, *W.shape[-2:]).double().numpy()), _seeds(W, generator)

    def change(w: Array) -> None:
        random = np.random.default_rng(next(seeds))
        for row, other in zip(w, next(others), strict=True):
            _turn(row, int((row != other).sum()), float(np.linalg.norm(row - other)), random)

    return _each(W, change)


def _turn(row: Array, many: int, distance: float, random: np.random.Generator) -> None:
    """Turn a random part of a row, ``many`` weights of it, so that the row moves by ``distance``."""
    if not many or not distance:
        return
    many = max(many, 2)
    order = random.permutation(len(row))
    order = np.concatenate([order[row[order] != 0], order[row[order] == 0]])
    part, rest = order[:many], order[many:]
    part = part[np.argsort(np.abs(row[part]))]
    rest = rest[np.argsort(-np.abs(row[rest]))]
    for k in range(min(many, len(rest))):
        if 4 * (row[part] ** 2).sum() >= distance**2 or abs(row[rest[k]]) <= abs(row[part[k]]):
            break
        part[k] = rest[k]
    old = row[part]
    length = np.linalg.norm(old)
    across = random.standard_normal(many)
    across -= old * (old @ across) / length**2
    # The chord of the angle is the distance. Rounding can make it a little longer than the diameter.
    sine: float = np.clip(distance / (2 * length), 0, 1)
    turned = (1 - 2 * sine**2) * old
    turned += 2 * sine * np.sqrt(1 - sine**2) * length * across / np.linalg.norm(across)
    row[part] = turned


def shuffled(W: Float[Tensor, "*instances n m"], *, generator: torch.Generator) -> Float[Tensor, "*instances n m"]:
    """Permute the weights of every row at random, which leaves the distribution of random starts as it is.

    Args:
        W: encodings, (*instances, n, m).
        generator: source of the permutations.

    Raises:
        ValueError: non-finite W.
    """
    seeds = _seeds(tensors.weights(W), generator)

    def change(w: Array) -> None:
        w[:] = np.random.default_rng(next(seeds)).permuted(w, axis=-1)

    return _each(W, change)


def repair(
    W: Float[Tensor, "*instances n m"], near: tuple[float, float] = checks.WINDOW
) -> Float[Tensor, "*instances n m"]:
    """Move features from shared neurons to free ones.

    A neuron keeps the feature with the largest weight of those in the window. Each other such feature exchanges its
    weight there for its weight on a free neuron, which carries no weight in the window; the free neurons with the
    smallest total of weights are taken first. Without a free neuron a feature stays where it is.

    Args:
        W: encodings, (*instances, n, m).
        near: the window (low, high) of sizes that count as carried, as in ``metrics.polysemantic_neurons``.

    Raises:
        ValueError: non-finite W, or a window that is not 0 ≤ low ≤ high.

    Example:
        >>> interventions.repair(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        tensor([[ 1.,  0.],
                [ 0., -1.]])
    """
    near = checks.window("near", near)

    def change(w: Array) -> None:
        size = np.abs(w)
        carried = checks.in_window(w, near)
        free = [int(k) for k in np.argsort(size.sum(0), kind="stable") if not carried[:, k].any()]
        for k in np.flatnonzero(carried.sum(0) >= 2):
            there = np.flatnonzero(carried[:, k])
            for i in np.delete(there, size[there, k].argmax()):
                if free:
                    to = free.pop(0)
                    w[i, k], w[i, to] = w[i, to], w[i, k]

    return _each(W, change)


def _own_neurons(size: Array) -> Array:
    """Assign a neuron to each feature, so that favorites lose as little as possible.

    No neuron has two features before each has one; none has three.
    """
    n, m = size.shape
    lost = (size.max(-1, keepdims=True) - size) ** 2
    if n > m:  # a second place on each neuron, which costs more than all first places can lose
        lost = np.hstack([lost, lost + n * (1 + lost.max())])
    found: Array = linear_sum_assignment(lost)[1] % m
    return found


def _wide(W: Float[Tensor, "*instances n m"]) -> Float[Tensor, "*instances n m"]:
    if tensors.weights(W).shape[-2] > W.shape[-1]:
        raise ValueError(f"W: has shape {tuple(W.shape)}, must have at least as many neurons as features")
    return W


def _of_several_neurons(W: Float[Tensor, "*instances n m"]) -> None:
    if tensors.weights(W).shape[-1] < 2:
        raise ValueError(f"W: has shape {tuple(W.shape)}, must have at least two neurons")


def _seeds(W: Tensor, generator: torch.Generator) -> Any:
    """Yield a seed for each instance."""
    many = max(1, int(np.prod(W.shape[:-2])))
    return iter(parallel.seeds(generator, many))


def _each(W: Tensor, change: Any) -> Tensor:
    """Change a copy of each instance in place, in float64, and return them in W's type."""
    found = tensors.weights(W).detach().to("cpu", torch.float64, copy=True).contiguous()
    for instance in found.reshape(-1, *W.shape[-2:]).numpy():
        change(instance)
    return found.to(W.device, W.dtype)
