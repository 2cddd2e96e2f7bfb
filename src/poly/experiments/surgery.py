"""Change a network at its start or during training, train it to its end, and count shared neurons.

``apply_changes`` trains one start as it is, with each change, and with the control of each change. ``dose`` plants
pairs of several strengths. ``repair_end`` moves features from shared to free neurons at the end, and ``come_back``
counts the separated pairs that share a neuron again.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from poly import checks, flow, interventions, metrics, model
from poly.experiments.final_weights import METHODS, RELEASED, train_from

Array = NDArray[Any]
Change = Callable[[Tensor, torch.Generator], Tensor]
# Shuffled leaves the law of starts as it is: a change that must do nothing.
CHANGES: dict[str, Change] = {
    "shuffled": lambda W, generator: interventions.shuffled(W, generator=generator),
    "distinct favorites": lambda W, _: interventions.distinct_favorites(W),
    "orthogonal rows": lambda W, _: interventions.orthogonal_rows(W),
    "same signs": lambda W, _: interventions.same_signs(W),
    "scores below 0.99": lambda W, _: interventions.cut_scores(W, 0.99),
    "scores below 0.9": lambda W, _: interventions.cut_scores(W, 0.9),
    "scores below 0.5": lambda W, _: interventions.cut_scores(W, 0.5),
    "scores below all": lambda W, _: interventions.cut_scores(W, 0.0),
    "code, noise 0.3": lambda W, _: interventions.near_code(W, 0.3),
    "code, noise 0.6": lambda W, _: interventions.near_code(W, 0.6),
    "code, noise 0.9": lambda W, _: interventions.near_code(W, 0.9),
    "code, noise 0.97": lambda W, _: interventions.near_code(W, 0.97),
}
# Sets of changes by name: those for small networks; for large and for the largest ones, which take long; those that
# make sense on the way. Stored runs list their changes in this order, so a new change gets a set of its own.
SETS: dict[str, tuple[str, ...]] = {
    "every": (
        "shuffled",
        "distinct favorites",
        "orthogonal rows",
        "same signs",
        "scores below 0.99",
        "scores below 0.9",
        "scores below 0.5",
        "scores below all",
        "code, noise 0.3",
        "code, noise 0.6",
        "code, noise 0.9",
        "code, noise 0.97",
    ),
    "some": (
        "shuffled",
        "distinct favorites",
        "orthogonal rows",
        "same signs",
        "scores below 0.9",
        "code, noise 0.6",
        "code, noise 0.9",
    ),
    "few": ("distinct favorites", "same signs", "code, noise 0.6"),
    "on the way": (
        "distinct favorites",
        "orthogonal rows",
        "same signs",
        "scores below 0.99",
        "scores below 0.9",
        "scores below 0.5",
    ),
}
# Planted scores, in squared initial standard deviations.
SCORES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)


class Compared(NamedTuple):
    """Ends of one start: as it is, with each change, and with the control of each.

    ``shared``: polysemantic neurons in the paper's window. ``features``: features with a weight in that window.
    ``loss``: of training, with the penalty. ``weights``, ``distance``: how many weights a change alters, and
    ``‖ΔW‖/‖W‖``, which its control has, too.
    """

    shared: Int[Array, ""]
    changed_shared: Int[Array, " changes"]
    control_shared: Int[Array, " changes"]
    features: Int[Array, ""]
    changed_features: Int[Array, " changes"]
    control_features: Int[Array, " changes"]
    loss: Float[Array, ""]
    changed_loss: Float[Array, " changes"]
    control_loss: Float[Array, " changes"]
    weights: Int[Array, " changes"]
    distance: Float[Array, " changes"]


def apply_changes(
    *,
    n: int,
    m: int,
    l1: float,
    method: str,
    draw: int,
    when: float = 0.0,
    changes: str | Sequence[str] = "every",
    generator: torch.Generator,
) -> Compared:
    """Train one start from the paper's distribution as it is, with each change, and with the control of each.

    Args:
        n: features, ≥ 2.
        m: hidden neurons, ≥ n.
        l1: λ > 0, in the units of ``model.loss``.
        method: "flow", or "adamw": as in ``final_weights.train``.
        draw: a whole number ≥ 0. The function does not use it; a sweep gives each value a stream of its own.
        when: of the change, ≥ 0; 0: at the start. For the flow it is λt. For AdamW it is the part of its steps that
            come before; all its steps follow, and its moments begin at 0 again.
        changes: names of ``CHANGES``, or the name of one of ``SETS``.
        generator: source of the start, and of all draws of changes and controls.

    Returns:
        Compared.

    Raises:
        ValueError: bad input.
    """
    n, m, l1 = _checked(n, m, l1, method, draw)
    when = checks.nonnegative("when", when)
    names = names_of(changes)
    W = model.init(n, m, generator=generator)
    if when and method == "flow":
        W = flow.flow(W, l1, t_end=when / l1, progress=False).W
    elif when:
        W = train_from(W, l1, method, generator, steps=round(when * RELEASED.steps))
    changed = torch.cat([W[:0], *(CHANGES[name](W, generator) for name in names)])
    controls = torch.cat([W[:0], *(interventions.control(W, each[None], generator=generator) for each in changed)])
    ends = train_from(torch.cat([W, changed, controls]), l1, method, generator)
    found: dict[str, Any] = {}
    for name, values in measure(ends, l1).items():
        found[name], parts = values[0], values[1:].reshape(2, -1)
        found["changed_" + name], found["control_" + name] = parts
    return Compared(
        **found,
        weights=(changed != W).sum((-2, -1)).numpy(),
        distance=((changed - W).norm(dim=(-2, -1)) / W.norm()).numpy(),
    )


def names_of(changes: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of changes, as the argument ``changes`` of ``apply_changes`` gives them.

    Args:
        changes: names of ``CHANGES``, or the name of one of ``SETS``.

    Raises:
        ValueError: another name.

    Example:
        >>> surgery.names_of("few")
        ('distinct favorites', 'same signs', 'code, noise 0.6')
    """
    if isinstance(changes, str):
        checks.one_of("changes", changes, tuple(SETS))
        return SETS[changes]
    names = tuple(checks.sequence("changes", changes))
    for name in names:
        checks.one_of("changes", name, tuple(CHANGES))
    return names


class Dose(NamedTuple):
    """For each planted score: the part of its pairs that share a neuron at the end, also in the control.

    Two features are together if any neuron carries both with opposite signs, in the paper's window. ``on_neuron``: the
    share that is together on the neuron where they were planted.
    """

    together: Float[Array, " scores"]
    on_neuron: Float[Array, " scores"]
    control_together: Float[Array, " scores"]


def dose(
    *,
    n: int,
    m: int,
    l1: float,
    method: str,
    draw: int,
    pairs: int,
    scores: Sequence[float] = SCORES,
    generator: torch.Generator,
) -> Dose:
    """Plant pairs of several scores in one start, train, and count the pairs that share a neuron at the end.

    Args:
        n, m, l1, method, draw, generator: as in ``apply_changes``.
        pairs: how many are planted, at most n/2.
        scores: as in ``interventions.plant_pairs``; each has a network and a control.

    Returns:
        Dose.

    Raises:
        ValueError: bad input.
    """
    n, m, l1 = _checked(n, m, l1, method, draw)
    if not checks.sequence("scores", scores):
        raise ValueError(f"scores={scores!r}: must have at least one")
    W = model.init(n, m, generator=generator)
    planted = [interventions.plant_pairs(W, pairs, score, generator=generator) for score in scores]
    controls = [interventions.control(W, each.W, generator=generator) for each in planted]
    ends = train_from(torch.cat([*(each.W for each in planted), *controls]), l1, method, generator)
    first, second, neuron = torch.cat([each.pairs for each in planted]).repeat(2, 1, 1).unbind(-1)
    held = _signs(ends)
    network = torch.arange(len(held))[:, None]
    opposite = held[network, first] * held[network, second] < 0
    together = opposite.any(-1).double().mean(-1).numpy()
    there = opposite.gather(-1, neuron[..., None])[..., 0].double().mean(-1).numpy()
    return Dose(
        together=together[: len(planted)],
        on_neuron=there[: len(planted)],
        control_together=together[len(planted) :],
    )


class Repaired(NamedTuple):
    """A network at the end of training, after a repair, after training goes on from there, and without a repair.

    Each field but the last has these four values: ``shared``, ``features`` and ``loss`` as in ``Compared``. The last
    value is that of the network that is trained on without a repair. ``moved``: features that the repair moves.
    """

    shared: Int[Array, "4"]
    features: Int[Array, "4"]
    loss: Float[Array, "4"]
    moved: int


def repair_end(
    *, n: int, m: int, l1: float, method: str, draw: int, rounds: int = 1, generator: torch.Generator
) -> Repaired:
    """Train one network, move features from its shared neurons to free ones, and train it again.

    Args:
        n, m, l1, method, draw, generator: as in ``apply_changes``.
        rounds: how often the network is trained before the repair, ≥ 1; the moments of AdamW begin at 0 each time.

    Returns:
        Repaired.

    Raises:
        ValueError: bad input.
    """
    end, repaired = _repaired(n, m, l1, method, draw, rounds, generator)
    on = train_from(torch.cat([repaired, end]), l1, method, generator)
    moved = int((repaired != end).any(-1).sum())
    return Repaired(**measure(torch.cat([end, repaired, on]), l1), moved=moved)


class Returned(NamedTuple):
    """Pairs that share a neuron at the end of training and not after a repair, and those that share one again later."""

    separated: int
    together: int


def come_back(
    *, n: int, m: int, l1: float, method: str, draw: int, rounds: int = 1, generator: torch.Generator
) -> Returned:
    """Train, repair and train again, as ``repair_end`` does, and follow the pairs that the repair separates.

    Args:
        n, m, l1, method, draw, rounds, generator: as in ``repair_end``.

    Returns:
        Returned.

    Raises:
        ValueError: bad input.
    """
    end, repaired = _repaired(n, m, l1, method, draw, rounds, generator)
    after = train_from(repaired, l1, method, generator)
    before, between, later = _pairs_together(torch.cat([end, repaired, after]))
    separated = before & ~between
    return Returned(int(separated.sum()), int((separated & later).sum()))


def _repaired(
    n: int, m: int, l1: float, method: str, draw: int, rounds: int, generator: torch.Generator
) -> tuple[Float[Tensor, "1 n m"], Float[Tensor, "1 n m"]]:
    """Train one network from the paper's start; return its end, and the same after a repair."""
    n, m, l1 = _checked(n, m, l1, method, draw)
    end = model.init(n, m, generator=generator)
    for _ in range(checks.count("rounds", rounds)):
        end = train_from(end, l1, method, generator)
    return end, interventions.repair(end)


def _checked(n: int, m: int, l1: float, method: str, draw: int) -> tuple[int, int, float]:
    n = checks.count("n", n, at_least=2)
    checks.count("draw", draw, at_least=0)
    checks.one_of("method", method, METHODS)
    return n, checks.count("m", m, at_least=n), checks.positive("l1", l1)


def _signs(W: Float[Tensor, "networks n m"]) -> Float[Tensor, "networks n m"]:
    """Return the signs of the weights in the paper's window, and 0 elsewhere."""
    return torch.where(checks.in_window(W), W.sign(), 0.0)


def _pairs_together(W: Float[Tensor, "networks n m"]) -> Bool[Tensor, "networks n n"]:
    """Tell which pairs share any neuron, with opposite signs in the paper's window; each pair once, ``i < j``."""
    held = _signs(W)
    opposite = held.clamp(min=0) @ (-held).clamp(min=0).mT
    return (opposite + opposite.mT > 0).triu(1)


def measure(W: Float[Tensor, "networks n m"], l1: float) -> dict[str, Array]:
    """Measure the ends of networks: ``shared``, ``features`` and ``loss``, as in ``Compared``."""
    held = _signs(W) != 0
    return {
        "shared": metrics.polysemantic_neurons(W).numpy(),
        "features": held.any(-1).sum(-1).numpy(),
        "loss": model.loss(W, l1).numpy(),
    }
