import numpy as np
import pytest
import torch

from poly import model
from poly.flow import interference, sparse


@pytest.mark.parametrize(
    ("n", "m", "density"),
    [(1, 1, 1.0), (3, 5, 1.0), (40, 7, 0.5), (17, 600, 0.3), (70, 256, 0.05), (20, 257, 0.02), (6, 4, 0.0)],
)
def test_sums_by_rows_and_by_pairs_are_the_forces(n: int, m: int, density: float) -> None:
    rng = np.random.default_rng(n)
    W = rng.normal(size=(n, m)) * (rng.random((n, m)) < density) / m**0.5
    _, ptr, row, w = sparse._lists(W)
    # A listed weight may be 0: one that is about to leave it.
    w[::5] = 0.0
    neurons = [k for k in range(m) if W[:, k].any()]
    for place in range(0, w.size, 5):
        W[row[place], neurons[int(np.searchsorted(ptr, place, "right")) - 1]] = 0.0
    expected = torch.stack(list(model.forces(torch.from_numpy(W)))).sum(0).numpy()
    feature, neuron = row.astype(int), np.repeat(neurons, np.diff(ptr)).astype(int)

    S, found = np.zeros((n, n)), np.empty(w.size)
    interference.force_by_pairs(ptr, row, w, S, found)
    np.testing.assert_allclose(found, expected[feature, neuron], atol=1e-12)
    shared = (np.abs(W) @ np.abs(W).T > 0) & np.tri(n, dtype=bool)
    np.testing.assert_allclose(S, np.where(shared, W @ W.T, 0), atol=1e-12)
    assert interference.overlap_bound(S) == pytest.approx(max(1.0, np.maximum(W @ W.T, 0).sum(1).max()))
    interference.clear(ptr, row, S)
    assert not S.any()

    R, by_rows, most = np.empty((n, n)), np.empty(w.size), np.empty(ptr.size - 1)
    S[:] = 7.0  # left from before
    interference.force_by_rows(ptr, row, w, *interference.by_feature(ptr, row, n), S, R, by_rows, most)
    np.testing.assert_allclose(by_rows, expected[feature, neuron], atol=1e-12)
    np.testing.assert_allclose(np.tril(S), np.tril(W @ W.T), atol=1e-12)
    np.testing.assert_allclose(R, np.maximum(W @ W.T, 0), atol=1e-12)
    on_zeros = np.abs(np.where(W == 0, expected, 0))[:, neurons]
    np.testing.assert_allclose(most, on_zeros.max(0, initial=0.0), atol=1e-12)


def test_pairs_are_counted() -> None:
    # 3 weights on a neuron are 6 pairs with themselves, 60 on one 1830.
    assert not interference.rows_are_faster(np.array([0, 3]), 50)
    assert interference.rows_are_faster(np.array([0, 60]), 50)
    assert interference.rows_are_faster(np.array([0, 0, 3]), 39)
    assert not interference.rows_are_faster(np.array([0, 0, 3]), 40)
