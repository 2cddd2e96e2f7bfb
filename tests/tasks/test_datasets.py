from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generators import generator
from poly import tasks


def write(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_file_is_read_with_labels_or_outputs(tmp_path: Path) -> None:
    X, labels = np.arange(12).reshape(6, 2), np.array([0, 2, 1, 0, 1, 2])
    found = tasks.load(write(tmp_path / "a.npz", X=X, y=labels))
    assert found.X.dtype == np.float64
    assert found.y.dtype == np.int64
    assert np.array_equal(found.y, labels)
    assert tasks.load(write(tmp_path / "b.npz", X=X, y=labels / 2)).y.shape == (6, 1)
    assert tasks.load(write(tmp_path / "c.npz", X=X, y=np.ones((6, 3), int))).y.shape == (6, 3)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X": np.ones((3, 2))}, "has the arrays X, must have X, y"),
        ({"X": np.ones((3, 2)), "y": np.ones(4)}, r"y: has shape \(4,\), must be \(3,\)"),
        ({"X": np.ones(3), "y": np.ones(3)}, r"X: has shape \(3,\)"),
        ({"X": np.full((3, 2), np.nan), "y": np.ones(3)}, "X: holds NaN"),
        ({"X": np.ones((3, 2)), "y": np.array([0, 1, -1])}, "y: holds -1"),
        ({"X": np.ones((3, 2)), "y": np.array(["a", "b", "c"])}, "must be an array of real numbers"),
        ({"X": np.ones((3, 2)), "y": np.array([None, 1, 2])}, "y holds pickled objects"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        tasks.load(write(tmp_path / "bad.npz", **arrays))
    assert "\n" not in str(error.value)
    assert "bad.npz" in str(error.value)


def test_a_missing_or_damaged_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no file"):
        tasks.load(tmp_path / "none.npz")
    path = write(tmp_path / "cut.npz", X=np.ones((300, 2)), y=np.ones(300))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="is damaged"):
        tasks.load(path)


def test_parts_of_a_split_are_disjoint_and_depend_on_the_seed_only() -> None:
    one, again, other = (tasks.split(100, (50, 20, 30), seed=seed) for seed in (1, 1, 2))
    assert [len(part) for part in one] == [50, 20, 30]
    assert sorted(np.concatenate(one).tolist()) == list(range(100))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0], other[0])
    with pytest.raises(ValueError, match="hold 101 examples, must be at most 100"):
        tasks.split(100, (50, 51), seed=0)


def test_each_pass_has_every_example_once() -> None:
    X, y = np.arange(10.0)[:, None], np.arange(10) % 3
    stream = tasks.DatasetStream(X, y, batch=4, generator=generator())
    x, targets = stream.draw(5)
    seen = x.ravel()
    assert sorted(seen[:10].tolist()) == sorted(seen[10:].tolist()) == list(range(10))
    assert not np.array_equal(seen[:10], seen[10:])
    assert targets.shape == (5, 4, 3)
    assert np.array_equal(targets.argmax(-1).ravel(), seen.astype(int) % 3)
    with pytest.raises(ValueError, match="below the number of examples"):
        tasks.DatasetStream(X, np.full(10, 10**11), generator=generator())
    with pytest.raises(ValueError, match="below classes=2"):
        tasks.DatasetStream(X, y, classes=2, generator=generator())
