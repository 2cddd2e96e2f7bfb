"""Follow a network from start to end: the leading and the winning weight of each row, and the forces that decide.

``sweep.sweep(trajectories.trajectory, …)`` and ``sweep.sweep(trajectories.lead_changes, …)`` use the starts of
``final_weights``. If they are paired over all arguments but n and m, the streams are the same.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from poly import checks, flow, metrics, model, training
from poly.experiments import final_weights

Array = NDArray[Any]
# Little happens before this time, under gradient flow at any λ.
_FIRST = 0.01
# Nearly all races are over at this λt.
_LAST = 4.0
# A sum of these powers approximates the largest of many products, and is a matrix product.
_POWER = 8


class Leaders(NamedTuple):
    """Measurements of a network at times t (k,) of the flow, or at steps of AdamW.

    ``neuron`` is the place of each row's largest weight, its favorite. ``positive`` is that weight's sign. ``rank`` is
    that of the final winner's size in its row, 1 for the largest. ``auc`` measures how well the largest product of two
    opposite weights on one neuron predicts the pairs that share a neuron in the end. It is the chance that a pair that
    will share has a larger product than one that will not; NaN if no pair will. Means over rows: ``survivors``, the
    nonzero weights; ``overlap`` and ``negative_overlap``, the sums of the positive and of the negative overlaps W_i·W_j
    with all others, as sizes. ``mean_row_norm`` is n times the squared norm of the mean row, ‖Σ_i W_i‖² / n. It is
    about 1 at the start, and 0 if the weights on each neuron sum to 0.
    """

    t: Float[Array, " k"]
    neuron: Int[Array, "k n"]
    positive: Bool[Array, "k n"]
    rank: Int[Array, "k n"]
    auc: Float[Array, " k"]
    survivors: Float[Array, " k"]
    overlap: Float[Array, " k"]
    negative_overlap: Float[Array, " k"]
    mean_row_norm: Float[Array, " k"]


class LeadChanges(NamedTuple):
    """Features whose largest weight at the start, their favorite, does not win, and how each lost its lead.

    ``t``, in the time of ``flow.flow``, is when the winner is ahead for good. Until then the logarithm of winner over
    favorite grows from −``gap`` to 0. Interference on either weight changes it, and so does regularization, which acts
    against the smaller weight. Benefit multiplies both weights equally. So ``interference + regularization = gap``, but
    for the error between records. ``favorite`` is the part of interference that pushes the favorite down. ``strongest``
    is the share of that force from the one feature that pushes most. ``taken``: whether that feature has the favorite's
    neuron with its sign in the end.
    """

    feature: Int[Array, " changes"]
    t: Float[Array, " changes"]
    gap: Float[Array, " changes"]
    interference: Float[Array, " changes"]
    regularization: Float[Array, " changes"]
    favorite: Float[Array, " changes"]
    strongest: Float[Array, " changes"]
    taken: Bool[Array, " changes"]


def trajectory(*, n: int, m: int, l1: float, method: str, records: int, generator: torch.Generator) -> Leaders:
    """Train one network from the paper's start, and record its leading weights.

    Args:
        n: features, ≥ 2.
        m: hidden neurons, ≥ 1.
        l1: λ > 0, in the units of ``model.loss``.
        method: "flow", or "adamw": as in ``final_weights.train``.
        records: how many times to look, ≥ 3: at the start, and at even ratios of t up to 4/λ, or to the last step.
        generator: source of the start.

    Returns:
        Leaders.

    Raises:
        ValueError: bad input.
    """
    n, l1 = checks.count("n", n, at_least=2), checks.positive("l1", l1)
    checks.one_of("method", method, ("flow", "adamw"))
    records = checks.count("records", records, at_least=3)
    start = model.init(n, m, generator=generator)
    if method == "flow":
        path = flow.flow(start, l1, at=_times(l1, records), progress=False)
    else:
        config = final_weights.released(l1)
        steps = [0, *np.unique(np.geomspace(1, config.steps, records - 1).round().astype(int)).tolist()]
        path = training.train(start.float(), config, at=steps, generator=generator, progress=False)
    return _seen(path.at.double().numpy(), [W[0].double() for W in path.values], path.W[0].double())


def _times(l1: float, records: int) -> list[float]:
    return [0.0, *np.geomspace(_FIRST, _LAST / l1, records - 1).tolist()]


def _seen(t: Array, weights: list[Tensor], end: Tensor) -> Leaders:
    n = len(end)
    winner, every = metrics.winners(end), torch.arange(n, device="cpu")
    slot = 2 * winner + (end[every, winner] > 0)
    first, second = torch.triu_indices(n, n, 1, device="cpu")
    alive = end[every, winner] != 0
    share = (((slot[first] ^ slot[second]) == 1) & alive[first] & alive[second]).numpy()  # one neuron, opposite signs
    favorites = [metrics.winners(W) for W in weights]
    overlaps = [(W @ W.mT).fill_diagonal_(0) for W in weights]
    return Leaders(
        t=t,
        neuron=torch.stack(favorites).numpy(),
        positive=torch.stack([W[every, k] > 0 for W, k in zip(weights, favorites, strict=True)]).numpy(),
        rank=torch.stack([1 + (W.abs() > W.abs()[every, winner, None]).sum(-1) for W in weights]).numpy(),
        auc=np.array([auc(_products(W)[first, second].numpy(), share) for W in weights]),
        survivors=np.array([metrics.survivors(W).double().mean().item() for W in weights]),
        overlap=np.array([each.relu().sum().item() / n for each in overlaps]),
        negative_overlap=np.array([(-each).relu().sum().item() / n for each in overlaps]),
        mean_row_norm=np.array([W.sum(0).square().sum().item() / n for W in weights]),
    )


def _products(W: Float[Tensor, "n m"]) -> Float[Tensor, "n n"]:
    """Sum the eighth powers of the positive −W_ik W_jk of each pair, to order pairs roughly by the largest."""
    # If the rows are short, eighth powers would underflow.
    scaled = W / W.abs().amax().clamp(min=torch.finfo(W.dtype).tiny)
    up, down = scaled.relu() ** _POWER, (-scaled).relu() ** _POWER
    one_way = up @ down.mT
    return one_way + one_way.mT


def auc(score: Float[Array, " pairs"], share: Bool[Array, " pairs"]) -> float:
    """Compute the chance that a pair with ``share`` has a larger score than one without; ties count half.

    ``AUC = (Σ ranks of those with − p (p + 1)/2) / (p q)``, p with, q without; NaN if p or q is 0.

    Args:
        score: (pairs,), numbers.
        share: (pairs,), true or false.

    Raises:
        ValueError: shapes that differ, or are not (pairs,).
    """
    score, share = np.asarray(score), np.asarray(share, dtype=bool)
    if score.shape != share.shape or score.ndim != 1:
        raise ValueError(f"share: has shape {share.shape}, must be (pairs,), as score, which has {score.shape}")
    p, q = int(share.sum()), int((~share).sum())
    if not p or not q:
        return float("nan")
    return float((stats.rankdata(score)[share].sum() - p * (p + 1) / 2) / (p * q))


def lead_changes(*, n: int, m: int, l1: float, records: int, generator: torch.Generator) -> LeadChanges:
    """Run one network by gradient flow, and integrate the forces by which favorites lose.

    Interference adds ``∫ (f_w/|w| − f_v/|v|) dt`` to the logarithm of winner w over favorite v, where f is the outward
    force of interference. Regularization adds ``λ ∫ (1/|v| − 1/|w|) dt``. Both integrands are interpolated linearly
    between records.

    Args:
        n, m, l1, generator: as in ``trajectory``.
        records: how many, ≥ 3; the more, the less is lost between them.

    Returns:
        LeadChanges.

    Raises:
        ValueError: bad input.
    """
    n, l1 = checks.count("n", n, at_least=2), checks.positive("l1", l1)
    records = checks.count("records", records, at_least=3)
    path = flow.flow(model.init(n, m, generator=generator), l1, at=_times(l1, records), progress=False)
    t, weights, end = path.at, path.values[:, 0], path.W[0]
    every, favorite, winner = torch.arange(n, device="cpu"), metrics.winners(weights[0]), metrics.winners(end)
    size = weights.abs()
    behind = size[:, every, favorite] - size[:, every, winner]
    # The first record from which on the winner is ahead; it takes the lead in the interval before.
    over = len(t) - (behind < 0).flip(0).long().cumprod(0).sum(0)
    lost = (favorite != winner) & (over < len(t))
    last = over.clamp(1, len(t) - 1)
    part = behind[last - 1, every] / (behind[last - 1, every] - behind[last, every])
    sums, pushes = (torch.zeros(size, n, dtype=torch.float64, device="cpu") for size in (2, n))
    before = _rates(weights[0], favorite, winner, l1)
    for k in range(1, len(t)):
        now = _rates(weights[k], favorite, winner, l1, before)
        weight = (t[k] - t[k - 1]) / 2 * torch.where(k < last, torch.ones_like(part), part * (k == last))
        sums += weight * (before.ratio + now.ratio)
        pushes += weight[:, None] * (before.on_favorite + now.on_favorite)
        before = now
    strongest, down = pushes.argmin(-1), pushes.clamp(max=0)
    values = {
        "feature": every,
        "t": t[last - 1] + part * (t[last] - t[last - 1]),
        "gap": (size[0, every, favorite] / size[0, every, winner]).log(),
        "interference": sums[0],
        "regularization": sums[1],
        "favorite": -pushes.sum(-1),
        "strongest": down[every, strongest] / down.sum(-1),
        "taken": (winner[strongest] == favorite) & (end[strongest, favorite] * weights[0, every, favorite] > 0),
    }
    return LeadChanges(**{name: value[lost].numpy() for name, value in values.items()})


class _Rates(NamedTuple):
    ratio: Float[Tensor, "2 n"]  # of ln(winner / favorite), by interference and by regularization
    on_favorite: Float[Tensor, "n n"]  # of ln(favorite), by each feature


def _rates(W: Tensor, favorite: Tensor, winner: Tensor, l1: float, before: _Rates | None = None) -> _Rates:
    """Compute logarithmic rates of two weights per unit of t; keep those of ``before`` if one weight is 0."""
    every = torch.arange(len(W), device=W.device)
    overlap = (W @ W.mT).relu().fill_diagonal_(0)
    to, of = W[every, winner], W[every, favorite]
    on_favorite = -4 * overlap * W[:, favorite].mT / of[:, None]
    on_winner = -4 * (overlap * W[:, winner].mT).sum(-1) / to
    ratio = torch.stack([on_winner - on_favorite.sum(-1), l1 / of.abs() - l1 / to.abs()])
    if before is None:
        return _Rates(ratio, on_favorite)
    alive = (to != 0) & (of != 0)
    return _Rates(torch.where(alive, ratio, before.ratio), torch.where(alive[:, None], on_favorite, before.on_favorite))
