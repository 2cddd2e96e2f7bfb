"""Measure how polysemantic a layer of any network is, and how much of that chance would give.

Each unit is ablated: its activation is set to its mean. Its gain for a group is the rise of the group's mean loss. The
impurity Π is the share of all gains that goes to other groups than the one that each unit serves most
(``metrics.impurity``). ``layer`` ablates within a module of torch, ``activations`` within an array, and
``python -m poly.audit FILE`` within a file.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor, nn

from poly import checks
from poly.audit.ablation import Activations, Layer
from poly.audit.gains import accumulate, random_directions, stratified_folds
from poly.audit.report import Report, build_report

__all__ = ["Report", "activations", "class_losses", "layer"]

# Random directions that are ablated: enough, because they are all alike.
_DIRECTIONS = 64
# The logarithm of about the largest probability that doubles can tell from 1.
_SURE = -1e-15


def layer(
    model: nn.Module,
    name: str,
    inputs: Tensor,
    targets: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    groups: ArrayLike | None = None,
    *,
    axis: int | None = None,
    half_width: float | None = None,
    rotated: bool = True,
    seed: int = 0,
    rows: int = 4096,
    progress: bool | None = None,
) -> Report:
    """Audit a layer of a network, by ablating each of its units.

    A unit is ablated at all places at once, to its mean over examples and places. Name the module behind the
    nonlinearity if you mean activations.

    Args:
        model: in evaluation mode, with deterministic outputs; float32 or float64. It is left as it is.
        name: of the layer, as in ``model.named_modules()``. It must run once in a forward pass, and return one tensor.
        inputs: (examples, …), what ``model`` takes.
        targets: (examples, …), what ``loss`` takes.
        loss: of outputs and targets, with a loss for each example: (examples, groups), one for each output; or
            (examples,), together with ``groups``.
        groups: the class of each example, 0 … groups − 1, each with at least four examples. A group's loss is the mean
            over its examples. The smallest group decides how many folds there are, at most 20.
        axis: of the units in the layer's output. None: 1 for outputs with four or five axes, such as images (examples,
            channels, height, width); else the last one. Give 1 for (examples, channels, length).
        half_width: use only as many examples as an interval of Π needs that reaches this far to either side; None: use
            all. Means of activations are over all examples.
        rotated: whether to measure Π for 64 random directions, too.
        seed: of the order of examples and of the nulls.
        rows: examples times units that pass through the model at once. It bounds the memory: lower it for large inputs.
        progress: whether to show a progress bar, after 2 seconds; None: on a terminal.

    Returns:
        Report.

    Raises:
        ValueError: bad input: an unknown layer, one that does not run or runs twice, a model in training mode or in
            half precision, a compiled model, outputs that change from call to call, an example whose loss depends on
            others in its batch, targets or groups that do not fit.

    Example:
        >>> loss = torch.nn.CrossEntropyLoss(reduction="none")
        >>> report = audit.layer(model, "hidden", x, y, loss, groups=y)
        >>> print(report.summary)
    """
    checks.function("loss", loss)
    ablated = Layer(model, name, inputs, targets, loss, axis=axis, rows=checks.count("rows", rows))
    return _audit(name, ablated, groups, half_width, rotated, seed, progress)


def activations(
    H: ArrayLike,
    loss: Callable[[Any], Any],
    groups: ArrayLike | None = None,
    *,
    rotated: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> Report:
    """Audit activations in an array, by ablating each unit.

    Args:
        H: activations, (examples, units).
        loss: of changed activations H′, a float64 array (examples, units), with a loss for each example in the order
            of H: (examples, groups), or (examples,) together with ``groups``.
        groups, rotated, seed, progress: as for ``layer``.

    Returns:
        Report.

    Raises:
        ValueError: bad input: activations that are no finite numbers, losses or groups that do not fit.

    Example:
        >>> report = audit.activations(H, lambda H: (H @ V + c - y) ** 2)
    """
    checks.function("loss", loss)
    return _audit("activations", Activations(H, loss), groups, None, rotated, seed, progress)


def class_losses(
    outputs: Float[Tensor, "examples classes"], targets: Int[Tensor, " examples"]
) -> Float[Tensor, "examples classes"]:
    """Compute a loss for each example and class, for audits of a classifier without ``groups``.

    It is ``−ln p_t`` for the example's class t, and ``−ln(1 − p_t)`` for every other, where p is the softmax of the
    outputs. Under cross-entropy alone, ablating a unit often helps other classes, and such gains are negative.

    Args:
        outputs: the logits.
        targets: the class of each example, from 0.

    Returns:
        Losses in float64, at most about 35.

    Example:
        >>> report = audit.layer(model, "hidden", images, labels, audit.class_losses)
    """
    logs = outputs.double().log_softmax(-1)
    others = (-torch.expm1(logs.clamp(max=_SURE))).log()
    return -torch.where(nn.functional.one_hot(targets, outputs.shape[-1]).bool(), logs, others)


def _audit(
    name: str,
    ablated: Layer | Activations,
    groups: ArrayLike | None,
    half_width: float | None,
    rotated: bool,
    seed: int,
    progress: bool | None,
) -> Report:
    checks.progress(progress)
    checks.one_of("rotated", rotated, (False, True))
    wanted = None if half_width is None else checks.positive("half_width", half_width)
    cells = stratified_folds(ablated.base, groups, seed=checks.count("seed", seed, at_least=0))
    live = np.flatnonzero(ablated.live)
    gains, mean, cells = accumulate(ablated, live, cells, half_width=wanted, progress=progress)
    other = None
    if rotated and len(live) > 1:
        directions = np.zeros((_DIRECTIONS, len(ablated.live)))
        directions[:, live] = random_directions(len(live), _DIRECTIONS, np.random.default_rng([seed, 1]))
        other, _, _ = accumulate(ablated, directions, cells, progress=progress)
    whole = np.zeros((len(ablated.live), cells.groups))
    whole[live] = mean
    axis = ablated.axis if isinstance(ablated, Layer) else -1
    return build_report(
        name, axis, gains, other, whole, live=ablated.live, examples=sum(map(len, cells.members)), seed=seed
    )
