"""Tasks for networks with a hidden layer: Boolean clauses whose solution is known, and data sets from files."""

from poly.tasks.boolean import AndStream, Clauses, clauses, linear_loss, pure_loss
from poly.tasks.datasets import Dataset, DatasetStream, load, split

__all__ = [
    "AndStream",
    "Clauses",
    "Dataset",
    "DatasetStream",
    "clauses",
    "linear_loss",
    "load",
    "pure_loss",
    "split",
]
