"""Train networks by AdamW as released, with one change at a time: isolated features, finer steps, other widths or λ."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from poly import checks, metrics, model, sweep, training
from poly.experiments import final_weights

# A row with a smaller squared length is dead. One with a larger ‖w‖₄⁴/‖w‖₂⁴ has nearly all weight on one neuron.
DEAD = 0.25
ONE_HOT = 0.9


class Phases(NamedTuple):
    """Shares of a network's features, which sum to 1."""

    dense: float
    one_hot: float
    dead: float


@sweep.drawn_as(isolated="apart", step_refinement="finer")
def variant(
    *, n: int, m: int, l1: float, isolated: bool, step_refinement: int = 1, generator: torch.Generator
) -> final_weights.FinalWeights:
    """Train one network from the paper's start, with interference or without.

    An isolated feature has its own network and starts with the same row. Only benefit and regularization act on it. At
    the end the rows are joined again and summarized as one network.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ ≥ 0, in the units of ``model.loss``.
        isolated: whether each feature is trained by itself.
        step_refinement: at 1 as released; at k with a kth of the learning rate and k times as many steps.
        generator: source of the start.

    Raises:
        ValueError: step_refinement below 1, or what ``model.init`` and ``training.TrainConfig`` refuse.
    """
    start = model.init(n, m, generator=generator)
    steps = checks.count("step_refinement", step_refinement)
    end = _train(start.transpose(0, 1) if isolated else start, l1, steps, generator)
    return final_weights.summarize(start[0], end.reshape(n, m))


def phases(*, n: int, m: int, l1: float, generator: torch.Generator) -> Phases:
    """Measure the shares of features that AdamW as released leaves dense, on one neuron, or dead.

    Dead: ``‖W_i‖₂² < 0.25``. One-hot: ``‖W_i‖₄⁴/‖W_i‖₂⁴ > 0.9``. Dense: the others.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ ≥ 0, in the units of ``model.loss``.
        generator: source of the start.

    Raises:
        ValueError: what ``model.init`` and ``training.TrainConfig`` refuse.
    """
    W = _train(model.init(n, m, generator=generator), l1, 1, generator)[0].double()
    dead = W.square().sum(-1) < DEAD
    one_hot = ~dead & (metrics.fourth_norms(W, relative=True) > ONE_HOT)
    return Phases(*(float(share.double().mean()) for share in (~(dead | one_hot), one_hot, dead)))


def _train(
    start: Float[Tensor, "instances n m"], l1: float, finer: int, generator: torch.Generator
) -> Float[Tensor, "instances n m"]:
    released = final_weights.RELEASED
    config = final_weights.released(l1, lr=released.lr / finer, steps=released.steps * finer)
    return training.train(start.float(), config, generator=generator, progress=False).W
