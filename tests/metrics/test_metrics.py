import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from poly import metrics, model

f64 = torch.float64
NEAR = (0.8, 1.2)
# Weights on, just inside and just outside the edges of the paper's window, and far from it.
VALUES = [0.0, 0.5, 0.79999, 0.8, 1.0, 1.2, 1.20001, 3.0]
ROWS = st.integers(1, 5).flatmap(
    lambda m: st.lists(
        st.lists(st.sampled_from([s * v for v in VALUES for s in (1, -1)]), min_size=m, max_size=m),
        min_size=1,
        max_size=5,
    )
)


def tensor(rows: Any) -> Tensor:
    return torch.tensor(rows, dtype=f64)


def in_window(w: float, near: tuple[float, float] = NEAR) -> bool:
    return near[0] <= abs(w) <= near[1]


def dimensionality_by_loops(rows: list[list[float]]) -> list[float]:
    found = []
    for a in rows:
        length = math.sqrt(sum(w * w for w in a))
        if length == 0:
            found.append(0.0)
            continue
        overlaps = sum(sum(x / length * y for x, y in zip(a, b, strict=True)) ** 2 for b in rows)
        found.append(length**2 / overlaps)
    return found


def pairs_by_loops(rows: list[list[float]]) -> tuple[int, int]:
    benign = malign = 0
    for column in zip(*rows, strict=True):
        counted = [w for w in column if in_window(w)]
        for i in range(len(counted)):
            for j in range(i):
                if counted[i] * counted[j] < 0:
                    benign += 1
                else:
                    malign += 1
    return benign, malign


@given(ROWS)
def test_counts_against_loops(rows: list[list[float]]) -> None:
    W = tensor(rows)
    shared = sum(sum(map(in_window, column)) >= 2 for column in zip(*rows, strict=True))
    assert int(metrics.polysemantic_neurons(W)) == shared
    assert tuple(map(int, metrics.collisions(W))) == pairs_by_loops(rows)
    assert metrics.survivors(W).tolist() == [sum(w != 0 for w in row) for row in rows]
    sizes = [[abs(w) for w in row] for row in rows]
    assert metrics.winners(W).tolist() == [row.index(max(row)) for row in sizes]
    assert metrics.feature_dimensionality(W).tolist() == pytest.approx(dimensionality_by_loops(rows), rel=1e-12)


@given(ROWS, st.randoms(use_true_random=False))
def test_names_and_signs_do_not_count(rows: list[list[float]], random: Any) -> None:
    """Check that reordering features or neurons, or flipping a neuron, changes no count and no dimensionality."""
    W = tensor(rows)
    n, m = W.shape
    order, columns = random.sample(range(n), n), random.sample(range(m), m)
    moved = W[order][:, columns] * tensor([random.choice([-1.0, 1.0]) for _ in range(m)])
    assert torch.equal(metrics.polysemantic_neurons(moved), metrics.polysemantic_neurons(W))
    assert metrics.collisions(moved) == metrics.collisions(W)
    assert torch.equal(metrics.survivors(moved), metrics.survivors(W)[order])
    torch.testing.assert_close(
        metrics.feature_dimensionality(moved), metrics.feature_dimensionality(W)[order], rtol=1e-12, atol=0
    )


def test_a_shared_neuron_needs_two_features() -> None:
    one, two = tensor([[1.0, 0.0], [0.0, 1.0]]), tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert int(metrics.polysemantic_neurons(one)) == 0
    assert int(metrics.polysemantic_neurons(two)) == 1
    assert tuple(map(int, metrics.collisions(two))) == (1, 0)
    assert tuple(map(int, metrics.collisions(two.abs()))) == (0, 1)


def test_a_neuron_of_many_features_counts_once_but_holds_every_pair() -> None:
    W = tensor([[1.0], [1.1], [0.9], [-1.0], [-1.0]])
    assert int(metrics.polysemantic_neurons(W)) == 1
    assert tuple(map(int, metrics.collisions(W))) == (6, 4)


@pytest.mark.parametrize(
    ("edge", "counts"),
    [(0.8, True), (1.2, True), (math.nextafter(0.8, 0), False), (math.nextafter(1.2, 2), False), (1.0, True)],
)
def test_the_window_s_edges_belong_to_it(edge: float, counts: bool) -> None:
    W = tensor([[edge], [-edge]])
    assert int(metrics.polysemantic_neurons(W)) == counts
    assert int(metrics.collisions(W).benign) == counts
    assert int(metrics.collisions(W.abs()).malign) == counts


def test_the_window_is_an_argument() -> None:
    W = tensor([[0.5, 0.0], [0.5, 0.0]])
    for near, expected in [((0.5, 0.5), 1), ((0.4, 0.6), 1), ((0.6, 0.9), 0), ((0.0, 0.0), 1), ((0, math.inf), 2)]:
        assert int(metrics.polysemantic_neurons(W, near=near)) == expected
    # A weight of 0 is in the window [0, …] but has no sign, and meets nobody.
    assert tuple(map(int, metrics.collisions(W, near=(0.0, 0.6)))) == (0, 1)


def test_the_first_of_a_tie_wins() -> None:
    assert metrics.winners(tensor([[0.1, -0.7, 0.7], [0.0, 0.0, 0.0]])).tolist() == [1, 0]


def pentagon() -> list[list[float]]:
    return [[math.cos(2 * math.pi * i / 5), math.sin(2 * math.pi * i / 5)] for i in range(5)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[2.0, 0.0], [0.0, 0.3]], [1.0, 1.0]),  # orthogonal, of any length
        ([[1.0], [-1.0]], [1 / 2, 1 / 2]),  # antipodal
        ([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], [1.0, 1 / 2, 1 / 2]),
        (pentagon(), [2 / 5] * 5),
        ([[0.0, 0.0], [1.0, 0.0]], [0.0, 1.0]),  # not represented
        ([[2.0], [1.0]], [4 / 5, 1 / 5]),  # the larger one takes more of the axis
    ],
)
def test_feature_dimensionality_of_known_geometries(rows: list[list[float]], expected: list[float]) -> None:
    assert metrics.feature_dimensionality(tensor(rows)).tolist() == pytest.approx(expected, rel=1e-14)


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32))
def test_dimensionalities_share_out_the_rank(n: int, m: int, seed: int) -> None:
    W = torch.randn(n, m, generator=torch.Generator().manual_seed(seed), dtype=f64)
    D = metrics.feature_dimensionality(W)
    assert bool((D >= 0).all())
    assert bool((D <= 1 + 1e-12).all())
    assert float(D.sum()) <= min(n, m) + 1e-9


ALL: list[Callable[..., Any]] = [
    metrics.polysemantic_neurons,
    metrics.collisions,
    metrics.winners,
    metrics.survivors,
    metrics.feature_dimensionality,
]


@pytest.mark.parametrize("metric", ALL)
def test_batching_equals_a_loop(metric: Callable[..., Any]) -> None:
    W = 1.5 * torch.randn(2, 3, 6, 4, generator=torch.Generator().manual_seed(1), dtype=f64)
    W[0, 0, 0] = 0
    many = metric(W)
    for a in range(2):
        for b in range(3):
            one = metric(W[a, b])
            if isinstance(many, tuple):
                assert tuple(part[a, b] for part in many) == one
            else:
                assert many.shape[:2] == (2, 3)
                torch.testing.assert_close(many[a, b], one)


@pytest.mark.parametrize("metric", ALL[:4])
def test_counts_are_int64(metric: Callable[..., Any]) -> None:
    found = metric(torch.ones(2, 3, 4, dtype=torch.float32))
    for part in found if isinstance(found, tuple) else [found]:
        assert part.dtype == torch.int64


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("W", "message"),
    [
        (torch.ones(3), r"^W: has shape \(3,\), must be \(\*instances, n, m\)"),
        (torch.ones(3, 0), r"^W: has shape \(3, 0\), every axis must have at least one entry"),
        (tensor([[math.nan]]), r"^W: holds NaN or infinity"),
        (tensor([[-math.inf]]), r"^W: holds NaN or infinity"),
        (torch.ones(2, 2, dtype=torch.int64), r"^W: has dtype torch.int64"),
        (None, r"^W: must be a torch.Tensor of shape \(\*instances, n, m\), not NoneType"),
    ],
)
def test_bad_weights(metric: Callable[..., Any], W: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(W)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("metric", ALL[:2])
@pytest.mark.parametrize(
    "near",
    [(1.2, 0.8), (-0.1, 1.0), (math.nan, 1.0), (0.8, math.nan), (0.8,), (0.8, 1.0, 1.2), 0.8, None, ("a", "b")],
)
def test_bad_windows(metric: Callable[..., Any], near: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a pair 0 ≤ low ≤ high$") as caught:
        metric(torch.ones(2, 2), near=near)
    assert str(caught.value).startswith(f"near={near!r}: ")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e10, 1e30])
def test_feature_dimensionality_has_no_scale(scale: float, dtype: torch.dtype) -> None:
    W = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=dtype) * scale
    assert metrics.feature_dimensionality(W).tolist() == pytest.approx([0.5, 0.5, 1.0, 0.0], abs=1e-6)


def test_fourth_norms() -> None:
    W = torch.tensor([[2.0, 0.0, 0.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    assert metrics.fourth_norms(W).tolist() == [16.0, 3.0, 0.0]
    assert metrics.fourth_norms(W, relative=True).tolist() == pytest.approx([1.0, 1 / 3, 0.0])
    rows = model.init(1, 16, instances=20_000, generator=torch.Generator().manual_seed(0))
    assert metrics.fourth_norms(rows, relative=True).mean().item() == pytest.approx(3 / 18, rel=0.01)
    with pytest.raises(ValueError, match=r"^W: holds NaN"):
        metrics.fourth_norms(W * float("nan"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("power", [-3.0, -1.5, -0.4, 0.4, 0.6, 0.8])
def test_the_relative_fourth_norm_does_not_depend_on_the_scale(dtype: torch.dtype, power: float) -> None:
    """Fourth powers of these rows overflow, underflow or lose digits; a row of zeros stays 0."""
    scale = 10 ** (power * (12 if dtype == torch.float32 else 100))
    row = torch.tensor([3.0, -1.0, 0.0, 2.0], dtype=dtype)
    W = torch.stack([scale * row, row, 0 * row, -row.flip(0) / scale, row])
    found = metrics.fourth_norms(torch.stack([W, W.flip(0)]), relative=True)
    expected = torch.tensor([[0.5, 0.5, 0.0, 0.5, 0.5], [0.5, 0.5, 0.0, 0.5, 0.5]], dtype=dtype)
    torch.testing.assert_close(found, expected, rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=0)


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 1e-22), (torch.float32, 1e-30), (torch.float64, 1e-170)])
def test_feature_dimensionality_of_rows_much_shorter_than_others(dtype: torch.dtype, size: float) -> None:
    """Two short rows at an angle, orthogonal to a long row: the squares of the short ones underflow."""
    W = torch.tensor([[2.0, 0, 0], [0, 3 * size, 4 * size], [0, 3 * size, -4 * size], [0, 0, 0]], dtype=dtype)
    short = 25 / (25 + 1.4**2)
    found = metrics.feature_dimensionality(torch.stack([W, W.flip(0)]))
    expected = [[1.0, short, short, 0.0], [0.0, short, short, 1.0]]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=dtype), rtol=1e-5, atol=0)
