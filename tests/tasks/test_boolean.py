from typing import Any

import numpy as np
import pytest

from generators import generator
from poly import tasks


@pytest.mark.parametrize("seed", range(8))
def test_half_of_the_clauses_share_bits_with_others_of_their_half(seed: int) -> None:
    found = tasks.clauses(generator=generator(seed))
    assert found.bits.shape == (16, 2)
    assert found.shares.sum() == 8
    assert len({frozenset(pair) for pair in found.bits.tolist()}) == 16
    times = np.bincount(found.bits.ravel(), minlength=32)
    assert (times[found.bits[~found.shares]] == 1).all()
    assert (times[found.bits[found.shares]].max(axis=1) > 1).all()
    assert not set(found.bits[found.shares].ravel()) & set(found.bits[~found.shares].ravel())


def test_draws_differ_in_more_than_the_names_of_bits() -> None:
    degrees = set()
    for seed in range(10):
        found = tasks.clauses(generator=generator(seed))
        degrees.add(tuple(sorted(np.bincount(found.bits[found.shares].ravel()).tolist())))
    assert len(degrees) > 3


def test_inputs_are_independent_bits_and_outputs_their_clauses() -> None:
    bits = tasks.clauses(generator=generator()).bits
    x, y = tasks.AndStream(bits, 0.3, batch=100, generator=generator(1)).draw(400)
    assert x.shape == (400, 100, 32)
    assert x.dtype == np.float32
    assert set(np.unique(x)) == {0, 1}
    assert np.array_equal(y, x[..., bits[:, 0]] * x[..., bits[:, 1]])
    flat = x.reshape(-1, 32)
    assert np.abs(flat.mean(axis=0) - 0.3).max() < 5 * (0.21 / len(flat)) ** 0.5
    assert np.abs(np.corrcoef(flat.T) - np.eye(32)).max() < 6 / len(flat) ** 0.5


def test_a_stream_does_not_depend_on_how_many_batches_are_drawn_at_once() -> None:
    for d in (32, 5):
        one, other = (tasks.AndStream(np.array([[0, 1]]), 0.5, d=d, batch=7, generator=generator(2)) for _ in range(2))
        pieces = [other.draw(number)[0] for number in (1, 2, 3)]
        assert np.array_equal(one.draw(6)[0], np.concatenate(pieces))
        assert len(np.unique(np.concatenate(pieces), axis=0)) == 6


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_the_best_linear_model_has_the_known_loss(p: float) -> None:
    bits = tasks.clauses(generator=generator()).bits
    x, y = (part[0].astype(float) for part in tasks.AndStream(bits, p, batch=60_000, generator=generator(3)).draw(1))
    inputs = np.column_stack([x, np.ones(len(x))])
    errors = y - inputs @ np.linalg.lstsq(inputs, y, rcond=None)[0]
    assert np.square(errors).mean() == pytest.approx(tasks.linear_loss(p), rel=0.03)


def test_the_loss_of_a_pure_network_is_that_of_the_network_it_describes() -> None:
    bits = tasks.clauses(generator=generator()).bits
    y = tasks.AndStream(bits, 0.5, batch=60_000, generator=generator(4)).draw(1)[1][0].astype(float)
    served = np.where(np.arange(16) < 6, y, y.mean(axis=0))
    assert np.square(served - y).mean() == pytest.approx(tasks.pure_loss(0.5, 6), rel=0.03)
    assert tasks.pure_loss(0.5, 16) == tasks.pure_loss(0.5, 40) == 0


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tasks.clauses(32, 7, generator=generator()), "count=7: must be an even number"),
        (lambda: tasks.clauses(20, 16, generator=generator()), "d=20: must be at least 24"),
        (lambda: tasks.AndStream(np.array([[0, 32]]), 0.1, generator=generator()), "bits: has shape"),
        (lambda: tasks.AndStream(np.array([[0, 1]]), 1.0, generator=generator()), "p=1.0: must be"),
        (lambda: tasks.AndStream(np.array([[0, 1]]), 0.5, generator=3), "generator=3"),  # type: ignore[arg-type]
        (lambda: tasks.linear_loss(0), "p=0"),
        (lambda: tasks.AndStream(np.array([[0, 1]]), 1 - 1e-11, generator=generator()), "at least 1e-9 away"),
        (lambda: tasks.AndStream(np.array([[0, 1]]), 1e-11, generator=generator()), "at least 1e-9 away"),
        (lambda: tasks.pure_loss(0.5, 0), "m=0"),
    ],
)
def test_bad_input_is_refused(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
