"""Perturb what rounding decides, to see which results depend on it: the last digit of every start, the order of sums.

Another processor or library rounds other sums differently. The variable ``POLY_PERTURB``, a whole number ≥ 0, seeds a
similar perturbation on one machine. Every nonzero weight of a start moves to a neighboring number of the type in which
it is trained. Neurons are relabeled during the run. If the variable is unset, nothing changes. The module itself needs
no torch.
"""

import os
import zlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

VARIABLE = "POLY_PERTURB"


def seed() -> int | None:
    """Return the seed of the perturbation, or None if there is none.

    Raises:
        ValueError: the variable holds something other than a whole number ≥ 0.
    """
    text = os.environ.get(VARIABLE, "")
    if text and not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{VARIABLE}={text!r}: must be a whole number ≥ 0, or unset")
    return int(text) if text else None


def adopt(changed: int | None) -> None:
    """Perturb with this seed from now on, or not at all: a worker process may have started with another one."""
    if changed == seed():
        return
    if changed is None:
        os.environ.pop(VARIABLE)
    else:
        os.environ[VARIABLE] = str(changed)


def key() -> dict[str, int]:
    """Return the extra entries for the keys of stored results: none if nothing is perturbed."""
    changed = seed()
    return {} if changed is None else {"perturb": changed}


def start(W: Any) -> Any:
    """Move each nonzero weight of a start to the number above or below it at random, if ``POLY_PERTURB`` is set.

    Args:
        W: a tensor or an array of float32 or float64, of any shape; others are returned unchanged.

    Returns:
        As W, unchanged if ``POLY_PERTURB`` is unset. The moves depend only on the seed and on W.
    """
    changed = seed()
    if changed is None:
        return W
    if isinstance(W, np.ndarray):
        return _moved(W, changed)
    import torch  # noqa: PLC0415  # the press calls ``key`` without torch

    if W.dtype not in (torch.float32, torch.float64):
        return W
    return torch.from_numpy(_moved(W.detach().cpu().numpy(), changed)).to(W.device)


def _moved(values: NDArray[Any], changed: int) -> NDArray[Any]:
    values = np.ascontiguousarray(values)
    rng = np.random.default_rng([changed, zlib.crc32(values.tobytes())])
    toward = np.where(rng.random(values.shape) < 0.5, -np.inf, np.inf).astype(values.dtype)
    return np.where(values == 0, values, np.nextafter(values, toward))


class Order(NamedTuple):
    """An order of neurons: ``new`` lists old places and ``old`` undoes it; both are None if nothing is relabeled."""

    new: Any = None
    old: Any = None

    def relabel(self, W: Float[Any, "*instances n m"]) -> Any:
        """Put the neurons, the last axis, into the new order."""
        return W if self.new is None else W[..., self.new].contiguous()

    def restore(self, W: Float[Any, "*instances n m"]) -> Any:
        """Put the neurons back into the old order."""
        return W if self.old is None else W[..., self.old].contiguous()


def order(m: int) -> Order:
    """Draw an order of m neurons, in which sums round differently; keep theirs if ``POLY_PERTURB`` is unset."""
    changed = seed()
    if changed is None:
        return Order()
    new = np.random.default_rng([changed, m]).permutation(m)
    return Order(new, np.argsort(new))
