from typing import Any

import numpy as np
import pytest

from generators import generator
from poly import tasks

BITS = np.array([[0, 1, 2], [3, 4, 0], [5, 1, 4]])


def test_an_input_names_a_task_whose_bits_decide_the_output() -> None:
    stream = tasks.ParityStream(BITS, d=6, batch=50, generator=generator())
    x, y = stream.draw(20, np.float64)
    assert (stream.inputs, stream.outputs, x.shape, y.shape) == (9, 1, (20, 50, 9), (20, 50, 1))
    x, y = x.reshape(-1, 9), y.reshape(-1)
    assert (x[:, :3].sum(axis=1) == 1).all()
    assert set(np.unique(x[:, 3:])) == {-1.0, 1.0}
    task = x[:, :3].argmax(axis=1)
    for row, t, sign in zip(x, task, y, strict=True):
        assert sign == row[3:][BITS[t]].prod()
    assert np.bincount(task).min() > 250
    # No input is correlated with the output.
    assert np.abs(x.T @ y / len(y)).max() < 0.12


def test_the_number_of_batches_at_a_time_changes_no_input() -> None:
    one, other = (tasks.ParityStream(BITS, d=6, batch=8, generator=generator(3)) for _ in range(2))
    parts = [one.draw(1)[0], one.draw(3)[0]]
    assert np.array_equal(np.concatenate(parts), other.draw(4)[0])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("batches", [0, 1.5, -1])
def test_the_number_of_batches_is_checked(batches: Any) -> None:
    with pytest.raises(ValueError, match="batches="):
        tasks.ParityStream(BITS, generator=generator()).draw(batches)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("bits", "options", "said"),
    [
        (np.ones((2, 3)), {}, r"bits: has shape \(2, 3\), must be \(tasks, k\)"),
        (np.array([0, 1]), {}, r"bits: has shape \(2,\)"),
        (np.array([[0, 1, 0]]), {}, "bits: hold a bit twice"),
        (BITS, {"d": 5}, "bits: hold 0 to 5, must be from 0 to 4"),
        (BITS, {"batch": 0}, "batch=0"),
        (BITS, {"generator": 1}, "generator"),
    ],
)
def test_bad_input_is_refused(bits: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        tasks.ParityStream(bits, **({"generator": generator()} | options))
