"""Change what rounding decides, to see which numbers depend on it: the last digit of every start, the order of sums.

Another processor or library rounds other sums in another way. The variable ``POLY_PERTURB``, a whole number ≥ 0, is
the seed of such a change, made on one machine: every nonzero weight of a start moves to a neighboring number of the
type in which it is trained, and neurons are relabeled during the run. Unset, nothing is changed. A leaf module.
"""

import os
import zlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

VARIABLE = "POLY_PERTURB"


def seed() -> int | None:
    """Return the seed of the change; None where there is none.

    Raises:
        ValueError: the variable holds something else than a whole number ≥ 0.
    """
    text = os.environ.get(VARIABLE, "")
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{VARIABLE}={text!r}: must be a whole number ≥ 0, or unset")
    return int(text) if text else None


def key() -> dict[str, int]:
    """Return what the keys of stored results add: nothing where nothing is changed."""
    changed = seed()
    return {} if changed is None else {"perturb": changed}


def start(W: Any) -> Any:
    """Move every nonzero weight of a start to the number above or below it, by a fair coin.

    Args:
        W: a tensor or an array of float32 or float64, of any shape; others are returned as they are.

    Returns:
        As W, unchanged where ``POLY_PERTURB`` is unset. The coins depend on the seed and on W alone.
    """
    changed = seed()
    if changed is None:
        return W
    if isinstance(W, np.ndarray):
        return _moved(W, changed)
    import torch  # noqa: PLC0415  # the press asks for ``key`` without it

    if W.dtype not in (torch.float32, torch.float64):
        return W
    return torch.from_numpy(_moved(W.detach().cpu().numpy(), changed)).to(W.device)


def _moved(values: NDArray[Any], changed: int) -> NDArray[Any]:
    values = np.ascontiguousarray(values)
    rng = np.random.default_rng([changed, zlib.crc32(values.tobytes())])
    toward = np.where(rng.random(values.shape) < 0.5, -np.inf, np.inf).astype(values.dtype)
    return np.where(values == 0, values, np.nextafter(values, toward))


class Order(NamedTuple):
    """An order of neurons: ``new`` lists old places, ``old`` undoes it; None where nothing is relabeled."""

    new: Any = None
    old: Any = None

    def relabel(self, W: Float[Any, "*instances n m"]) -> Any:
        """Put the neurons, the last axis, into the new order."""
        return W if self.new is None else W[..., self.new].contiguous()

    def restore(self, W: Float[Any, "*instances n m"]) -> Any:
        """Put them back."""
        return W if self.old is None else W[..., self.old].contiguous()


def order(m: int) -> Order:
    """Draw an order of m neurons; a sum over neurons rounds in another way in it."""
    changed = seed()
    if changed is None:
        return Order()
    new = np.random.default_rng([changed, m]).permutation(m)
    return Order(new, np.argsort(new))
