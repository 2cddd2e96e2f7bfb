"""Inputs of independent bits; each output, a *clause*, is the AND of two of them.

One ReLU unit computes a clause exactly, ``ReLU(x_a + x_b − 1)``. With as many units as clauses there is therefore a
network without error in which every unit serves one clause.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt32
from numpy.typing import NDArray

from poly import checks, parallel
from poly.compiled import njit

Array = NDArray[Any]


class Clauses(NamedTuple):
    """The two bits of each clause, and which clauses share bits with others."""

    bits: Int[Array, "clauses 2"]
    shares: Bool[Array, " clauses"]


def clauses(d: int = 32, count: int = 16, *, generator: torch.Generator) -> Clauses:
    """Draw clauses of two different bits; half of them share bits, and half do not.

    The bits of the first half are all different. The second half are distinct pairs out of count/2 other bits, drawn
    until each of them shares a bit with another one. Bits that are left are in no clause. Clauses then get a random
    order.

    Args:
        d: bits of an input, ≥ 3/2 · count.
        count: clauses, an even number ≥ 6.
        generator: source of randomness.

    Raises:
        ValueError: numbers out of their range, or no generator.
    """
    d, count = checks.count("d", d), checks.count("count", count, at_least=6)
    if count % 2:
        raise ValueError(f"count={count}: must be an even number ≥ 6")
    half = count // 2
    if d < 3 * half:
        raise ValueError(f"d={d}: must be at least {3 * half} for {count} clauses")
    rng = numpy_generator(generator)
    places = rng.permutation(d)
    apart, pool = places[: 2 * half].reshape(half, 2), places[2 * half : 3 * half]
    every = np.stack(np.triu_indices(half, 1), axis=1)
    while True:
        chosen = every[rng.choice(len(every), size=half, replace=False)]
        if (np.bincount(chosen.ravel(), minlength=half)[chosen].max(axis=1) > 1).all():
            break
    order = rng.permutation(count)
    bits = np.concatenate([apart, pool[chosen]])[order]
    return Clauses(bits=bits, shares=(np.arange(count) >= half)[order])


class AndStream:
    """Fresh inputs of d independent bits, each 1 with probability p, and their clauses, batch after batch."""

    def __init__(
        self,
        bits: Int[Array, "clauses 2"],
        p: float,
        *,
        d: int = 32,
        batch: int = 256,
        generator: torch.Generator,
    ) -> None:
        """Start a stream.

        Args:
            bits: the two bits of each clause, as from ``clauses``.
            p: probability of a 1, 0 < p < 1.
            d: bits of an input.
            batch: inputs of a batch.
            generator: its next draw seeds the stream.

        Raises:
            ValueError: numbers out of their range, clauses that are no pairs of bits, or no generator.
        """
        self.inputs, self.batch = checks.count("d", d), checks.count("batch", batch)
        self.bits = np.asarray(bits)
        fits = self.bits.ndim == 2 and self.bits.shape[1:] == (2,) and self.bits.dtype.kind in "iu" and len(self.bits)
        if not fits or self.bits.min() < 0 or self.bits.max() >= d:
            raise ValueError(
                f"bits: has shape {self.bits.shape}, must be (clauses, 2), whole numbers from 0 to {d - 1}"
            )
        self.bits = np.ascontiguousarray(self.bits, np.int64)
        self.outputs = len(self.bits)
        words = round(checks.probability("p", p) * 2**32)
        if not 0 < words < 2**32:
            raise ValueError(f"p={p!r}: must be at least 1e-9 away from 0 and 1")
        self._threshold = np.uint32(words)
        self._source = numpy_generator(generator)

    def draw(
        self, batches: int, dtype: Any = np.float32
    ) -> tuple[Float[Array, "batches batch d"], Float[Array, "batches batch clauses"]]:
        """Draw the next batches: inputs and outputs, zeros and ones."""
        x = np.empty((batches * self.batch, self.inputs), dtype)
        y = np.empty((batches * self.batch, self.outputs), dtype)
        # Two bits from each of the generator's 64-bit numbers, which is twice as fast as its method for 32 bits. Every
        # batch begins with a new number.
        bits = self.batch * self.inputs
        words = self._source.bit_generator.random_raw(batches * -(-bits // 2)).view(np.uint32)
        _bits(np.ascontiguousarray(words.reshape(batches, -1)[:, :bits]).reshape(-1), self._threshold, x.reshape(-1))
        _conjunctions(x, self.bits, y)
        return x.reshape(batches, self.batch, -1), y.reshape(batches, self.batch, -1)


@njit(nogil=True)
def _bits(words: UInt32[Array, " n"], threshold: Any, x: Float[Array, " n"]) -> None:
    """Set entry i of x to 1 if word i is below the threshold, else to 0."""
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for i in range(len(x)):
        x[i] = one if words[i] < threshold else zero


@njit(nogil=True)
def _conjunctions(x: Float[Array, "n d"], pairs: Int[Array, "clauses 2"], y: Float[Array, "n clauses"]) -> None:
    """Set ``y_it = x_ia x_ib``, where a and b are the bits of clause t."""
    for i in range(len(x)):
        for t in range(len(pairs)):
            y[i, t] = x[i, pairs[t, 0]] * x[i, pairs[t, 1]]


def linear_loss(p: float) -> float:
    """Compute the squared error per output of the best linear model, ``(p (1 − p))²``.

    ``x_a x_b − p x_a − p x_b + p² = (x_a − p)(x_b − p)`` is uncorrelated with every bit.

    Raises:
        ValueError: a probability that is not between 0 and 1.
    """
    p = checks.probability("p", p)
    return (p * (1 - p)) ** 2


def pure_loss(p: float, m: int, count: int = 16) -> float:
    """Compute the least squared error per output of a network whose m units serve one clause each.

    ``(1 − m/count) p² (1 − p²)`` for m < count, else 0: an output without a unit is best at its mean.

    Raises:
        ValueError: numbers out of their range.
    """
    p, m, count = checks.probability("p", p), checks.count("m", m), checks.count("count", count)
    return max(0.0, 1 - m / count) * p**2 * (1 - p**2)


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """Make numpy's generator from the next draw of torch's."""
    return np.random.default_rng(*parallel.seeds(generator, 1))
