"""Ablate units: in a module of torch, or in an array of activations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from poly import checks

Array = NDArray[Any]
# Two passes over the same examples may differ by this share of the mean loss: other batches, other order of sums.
_ROUNDING = 1e-3
# At least as many directions pass through the model at once, if memory allows.
_AT_ONCE = 16


class Activations:
    """Activations in an array, and the losses as a function of them."""

    def __init__(self, H: ArrayLike, loss: Callable[[Any], Any]) -> None:
        """Check activations and losses, and find the means.

        Raises:
            ValueError: bad input.
        """
        self.H = checks.array("H", H)
        if self.H.ndim != 2 or not self.H.size or not np.isfinite(self.H).all():
            raise ValueError(f"H: has shape {self.H.shape}, must be finite numbers, (examples, units)")
        self._loss = loss
        self.mean: Float[Array, " units"] = self.H.mean(axis=0)
        self.scale: Float[Array, " units"] = self.H.std(axis=0)
        self.live: Bool[Array, " units"] = np.ptp(self.H, axis=0) > 0
        self.base: Float[Array, "examples ..."] = self._losses(self.H.copy())

    def losses(self, directions: Array, index: Array) -> Float[Array, "directions chosen ..."]:
        """Return the losses of chosen examples with each direction ablated."""
        found = []
        for each in directions:
            changed = self.H.copy()
            if directions.ndim == 1:
                changed[:, each] = self.mean[each]
            else:
                read, written = directions_of(each, self.scale)
                changed -= np.outer((self.H - self.mean) @ read, written)
            found.append(self._losses(changed)[index])
        return np.stack(found)

    def _losses(self, H: Array) -> Float[Array, "examples ..."]:
        return _checked(self._loss(H), len(self.H))


def directions_of(direction: Float[Array, " units"], scale: Float[Array, " units"]) -> tuple[Array, Array]:
    """Return the vectors that project on a direction and subtract it, in standard deviations of each unit.

    So the direction stays the same if units are rescaled. Units that do not vary take no part.
    """
    lives = scale > 0
    return np.where(lives, direction / np.where(lives, scale, 1), 0), direction * scale


class Layer:
    """A layer of a network, whose outputs a hook changes during a forward pass."""

    def __init__(
        self,
        model: nn.Module,
        name: str,
        inputs: Tensor,
        targets: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
        *,
        axis: int | None,
        rows: int,
    ) -> None:
        """Check model, layer and data, and pass all examples through the model once.

        Raises:
            ValueError: bad input.
        """
        if not isinstance(model, nn.Module):
            raise ValueError(f"model: must be a torch.nn.Module, not {type(model).__name__}")
        if hasattr(model, "_orig_mod"):
            raise ValueError("model: is compiled, must be the module from before torch.compile")
        known = dict(model.named_modules(remove_duplicate=False))
        if not isinstance(name, str) or name not in known or not name:
            raise ValueError(f"name={name!r}: must be a layer of the model: {', '.join(filter(None, known))}")
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int) or axis == 0):
            raise ValueError(f"axis={axis!r}: must be the axis of the units, a whole number but 0, or None")
        training = [part or "the model" for part, module in known.items() if module.training]
        if training:
            raise ValueError(f"model: {training[0]} is in training mode, call model.eval() first")
        for argument, value in (("inputs", inputs), ("targets", targets)):
            if not isinstance(value, Tensor) or not value.ndim or not len(value):
                raise ValueError(f"{argument}: must be a torch.Tensor with an axis of examples")
        if len(inputs) != len(targets):
            raise ValueError(f"targets: hold {len(targets)} examples, must hold {len(inputs)} as inputs do")
        self._model, self._name, self._module = model, name, known[name]
        self._inputs, self._targets, self._loss, self._rows = inputs, targets, loss, rows
        self._asked, self.axis = axis, -1
        self.base: Float[Array, "examples ..."]
        self.mean, self.scale, self.live, self.base = self._look()
        self._examples_stand_alone()
        self._early = self._can_repeat_early()

    def losses(self, directions: Array, index: Array) -> Float[Array, "directions chosen ..."]:
        """Return the losses of chosen examples with each direction ablated."""
        found = np.empty((len(directions), len(index), *self.base.shape[1:]))
        # What is before the layer runs once for each batch and for many directions.
        batch = min(len(index), max(1, self._rows // _AT_ONCE))
        at_once = max(1, self._rows // batch)
        for first in range(0, len(index), batch):
            chosen = torch.from_numpy(index[first : first + batch])
            for start in range(0, len(directions), at_once):
                some = directions[start : start + at_once]
                place = slice(start, start + len(some)), slice(first, first + len(chosen))
                found[place] = self._ablated(some, chosen, early=self._early)
        return found

    def _look(self) -> tuple[Array, Array, Array, Array]:
        """Pass all examples through the model.

        Returns:
            Mean and standard deviation of the activations, which units are live, and the losses.
        """
        total: Any = 0.0
        squares: Any = 0.0
        shift: Any = 0.0
        places, low, high, base = 0, [], [], []
        calls: list[Any] = []

        def see(output: Any) -> None:  # later modules may overwrite it
            calls.append(output.clone() if isinstance(output, Tensor) else output)

        for first in range(0, len(self._inputs), self._rows):
            calls.clear()
            index = torch.arange(first, min(first + self._rows, len(self._inputs)))
            with self._hook(see):
                base.append(self._losses(self._inputs[index], self._targets[index]))
            seen = self._units_last(calls, len(index)).flatten(0, -2)
            shift = seen[0].double() if not places else shift  # for digits of the variance
            total = total + (seen.double() - shift).sum(0)
            squares = squares + (seen.double() - shift).square().sum(0)
            places += len(seen)
            low.append(seen.amin(0))
            high.append(seen.amax(0))
        live = torch.stack(low).amin(0) < torch.stack(high).amax(0)
        mean, variance = total / places, squares / places - (total / places).square()
        scale = torch.where(live, variance.clamp(min=0).sqrt(), torch.zeros_like(mean))
        return (mean + shift).cpu().numpy(), scale.cpu().numpy(), live.cpu().numpy(), np.concatenate(base)

    def _units_last(self, calls: list[Any], examples: int) -> Tensor:
        """Check what the layer has given in one forward pass, and return it with its units as the last axis."""
        if not calls:
            raise ValueError(f"name={self._name!r}: this layer does not run in a forward pass, must run once")
        if len(calls) > 1:
            raise ValueError(
                f"name={self._name!r}: this layer runs {len(calls)} times in a forward pass, must run once"
            )
        output = calls[0]
        if not isinstance(output, Tensor):
            raise ValueError(f"name={self._name!r}: this layer gives {type(output).__name__}, must give one tensor")
        if output.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"name={self._name!r}: this layer gives {output.dtype}, call model.float() first")
        if output.ndim < 2 or len(output) != examples:
            raise ValueError(
                f"name={self._name!r}: this layer gives shape {tuple(output.shape)}, must be ({examples} examples, …)"
            )
        self.axis = (1 if output.ndim in (4, 5) else -1) if self._asked is None else self._asked
        if not -output.ndim < self.axis < output.ndim:
            raise ValueError(f"axis={self.axis}: must be an axis of the layer's output {tuple(output.shape)}, but 0")
        return output.movedim(self.axis, -1)

    @contextmanager
    def _hook(self, see: Callable[[Any], Any]) -> Iterator[None]:
        handle = self._module.register_forward_hook(lambda module, args, output: see(output))
        try:
            with torch.no_grad():
                yield
        finally:
            handle.remove()

    def _ablated(self, directions: Array, index: Tensor, *, early: bool) -> Array:
        """Return the losses (directions, chosen, …) of one pass for all these directions.

        Args:
            directions: units, or vectors.
            index: the examples.
            early: repeat the layer's output for each direction, so that what is before the layer runs once. Else repeat
                the inputs.
        """
        times = len(directions)

        ran = []

        def change(output: Tensor) -> Tensor:
            ran.append(True)
            h = output.movedim(self.axis, -1)
            mean = torch.from_numpy(self.mean).to(h)
            big = h.repeat(times, *[1] * (h.ndim - 1)) if early else h.clone()
            for part, each in zip(big.chunk(times), directions, strict=True):
                if directions.ndim == 1:
                    part[..., int(each)] = mean[int(each)]
                else:
                    read, written = (torch.from_numpy(side).to(h) for side in directions_of(each, self.scale))
                    part.sub_((part @ read - mean @ read).unsqueeze(-1) * written)
            return big.movedim(-1, self.axis)

        inputs, targets = self._inputs[index], self._targets[index]
        if not early:
            inputs = inputs.repeat(times, *[1] * (inputs.ndim - 1))
        with self._hook(change):
            found = self._losses(inputs, targets.repeat(times, *[1] * (targets.ndim - 1)))
        if len(ran) != 1:
            raise ValueError(f"name={self._name!r}: this layer runs {len(ran)} times in a forward pass, must run once")
        return found.reshape(times, len(index), *found.shape[1:])

    def _losses(self, inputs: Tensor, targets: Tensor) -> Array:
        outputs = self._model(inputs)
        try:
            found = self._loss(outputs, targets)
        except Exception as error:  # the user's function
            shapes = f"outputs {_shape(outputs)} and targets {_shape(targets)}"
            raise ValueError(f"loss: raised {type(error).__name__} for {shapes}: {_line(error)}") from error
        return _checked(found, len(targets))

    def _examples_stand_alone(self) -> None:
        """Check that the loss of an example does not depend on the others of its batch."""
        first = torch.arange(min(len(self._inputs), self._rows))
        few = first[:: max(1, len(first) // 5)][:5]
        within = _ROUNDING * (np.abs(self.base).mean() + np.abs(self.base[few]))
        with torch.no_grad():
            again, apart = (self._losses(self._inputs[index], self._targets[index]) for index in (first, few))
        if (np.abs(again[few] - self.base[few]) > within).any():
            raise ValueError("model: gives other outputs for the same inputs, must be deterministic")
        if (np.abs(apart - self.base[few]) > within).any():
            raise ValueError("model, loss: an example's loss depends on others in its batch, must depend on it alone")

    def _can_repeat_early(self) -> bool:
        """Try whether repeated outputs of the layer give what repeated inputs give.

        They do not where later modules use the inputs again, as residual connections do.
        """
        live = np.flatnonzero(self.live)[:2]
        index = torch.arange(min(len(self._inputs), 8))
        if not len(live):
            return True
        late = self._ablated(live, index, early=False)
        try:
            early = self._ablated(live, index, early=True)
        except Exception:  # whatever the model raises where the number of examples changes
            return False
        within = _ROUNDING * (np.abs(self.base).mean() + np.abs(late))
        return early.shape == late.shape and bool((np.abs(early - late) <= within).all())


def _checked(losses: Any, examples: int) -> Float[Array, "examples ..."]:
    found = checks.array("loss", losses)
    if found.ndim not in (1, 2) or len(found) != examples or not found.size:
        raise ValueError(
            f"loss: gives shape {found.shape}, must be ({examples},) or ({examples}, groups), as with reduction='none'"
        )
    if not np.isfinite(found).all():
        raise ValueError("loss: gives NaN or infinity, every loss must be finite")
    return found


def _shape(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
