"""Multitask sparse parity: an input names a task, and the output is the parity of that task's bits."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from poly import checks
from poly.tasks.boolean import numpy_generator

Array = NDArray[Any]


class ParityStream:
    """Fresh inputs and their parities, batch after batch.

    The first inputs name the task, a 1 among zeros. The others are independent bits, −1 or 1 alike. The output is the
    product of the task's bits. No linear model is better than the constant 0, whose squared error is 1.

    Source: Michaud et al. 2023, "The Quantization Model of Neural Scaling".
    """

    outputs = 1

    def __init__(
        self, bits: Int[Array, "tasks k"], *, d: int = 32, batch: int = 256, generator: torch.Generator
    ) -> None:
        """Start a stream.

        Args:
            bits: the bits of each task.
            d: bits of an input.
            batch: inputs of a batch.
            generator: its next draw seeds the stream.

        Raises:
            ValueError: numbers out of their range, tasks that are no lists of bits, or no generator.
        """
        self.d, self.batch = checks.count("d", d), checks.count("batch", batch)
        self.bits = np.asarray(bits)
        if self.bits.ndim != 2 or self.bits.dtype.kind not in "iu" or not self.bits.size:
            raise ValueError(f"bits: has shape {self.bits.shape}, must be (tasks, k), whole numbers")
        if self.bits.min() < 0 or self.bits.max() >= d:
            raise ValueError(f"bits: hold {self.bits.min()} to {self.bits.max()}, must be from 0 to {d - 1}")
        if (np.diff(np.sort(self.bits, axis=1)) == 0).any():
            raise ValueError("bits: hold a bit twice for one task, must be different bits")
        self.inputs = len(self.bits) + self.d
        self._source = numpy_generator(generator)

    def draw(
        self, batches: int, dtype: Any = np.float32
    ) -> tuple[Float[Array, "batches batch inputs"], Float[Array, "batches batch 1"]]:
        """Draw the next batches: inputs and outputs.

        Args:
            batches: how many, ≥ 1.
            dtype: of both.

        Raises:
            ValueError: no whole number ≥ 1.
        """
        checks.count("batches", batches)
        x, y = zip(*(self._one(dtype) for _ in range(batches)), strict=True)
        return np.stack(x), np.stack(y)

    def _one(self, dtype: Any) -> tuple[Array, Array]:
        """Draw one batch."""
        tasks = len(self.bits)
        chosen = self._source.integers(tasks, size=self.batch)
        signs = 1 - 2 * self._source.integers(2, size=(self.batch, self.d), dtype=np.int8)
        x = np.zeros((self.batch, self.inputs), dtype)
        x[np.arange(self.batch), chosen] = 1
        x[:, tasks:] = signs
        return x, np.take_along_axis(signs, self.bits[chosen], axis=1).prod(axis=1, keepdims=True).astype(dtype)
