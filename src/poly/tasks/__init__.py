"""Tasks for networks with a hidden layer: Boolean clauses whose solution is known, parities, and data
sets."""

from poly.tasks.boolean import AndStream, Clauses, clauses, linear_loss, pure_loss
from poly.tasks.datasets import Dataset, DatasetStream, digits, load, split
from poly.tasks.parity import ParityStream

__all__ = [
    "AndStream",
    "Clauses",
    "Dataset",
    "DatasetStream",
    "ParityStream",
    "clauses",
    "digits",
    "linear_loss",
    "load",
    "pure_loss",
    "split",
]
