import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from generators import generator
from poly import interventions, metrics, model

SIZES = st.tuples(st.integers(2, 6), st.integers(0, 4)).map(lambda each: (each[0], sum(each)))
SEEDS = st.integers(0, 2**32)
CHANGES: dict[str, Any] = {
    "shuffled": lambda W: interventions.shuffled(W, generator=generator()),
    "distinct": interventions.distinct_favorites,
    "orthogonal": interventions.orthogonal_rows,
    "same signs": interventions.same_signs,
    "cut": lambda W: interventions.cut_scores(W, 0.5),
    "code": lambda W: interventions.near_code(W, 0.6),
    "plant": lambda W: interventions.plant_pairs(W, 1, 1e-3, generator=generator()).W,
    "repair": interventions.repair,
}


def starts(size: tuple[int, int], seed: int, instances: int = 3) -> Tensor:
    return model.init(*size, instances=instances, generator=generator(seed))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@given(size=SIZES, seed=SEEDS, dtype=st.sampled_from([torch.float32, torch.float64]))
def test_a_change_keeps_rows_lengths_and_the_argument(change: Any, size: Any, seed: int, dtype: torch.dtype) -> None:
    W = starts(size, seed).to(dtype)
    before = W.clone()
    found = change(W)
    assert (found.dtype, found.shape, torch.equal(W, before)) == (dtype, W.shape, True)
    torch.testing.assert_close(found.norm(dim=-1), W.norm(dim=-1))


@pytest.mark.parametrize("name", ["shuffled", "distinct", "same signs", "cut", "repair"])
@given(size=SIZES, seed=SEEDS)
def test_some_changes_keep_the_sizes_of_every_row(name: str, size: Any, seed: int) -> None:
    W = starts(size, seed)
    assert torch.equal(CHANGES[name](W).abs().sort().values, W.abs().sort().values)


@given(size=SIZES, seed=SEEDS)
def test_favorites_become_distinct_by_the_smallest_swaps(size: Any, seed: int) -> None:
    n, m = size
    W = starts(size, seed, instances=1)[0]
    found = interventions.distinct_favorites(W)
    favorites = metrics.winners(found)
    assert len(set(favorites.tolist())) == n
    assert torch.equal(found.sign(), W.sign())
    assert ((found != W).sum(-1) <= 2).all()
    lost = W.abs().amax(-1, keepdim=True) - W.abs()
    if n <= 4:
        every = torch.tensor(list(itertools.permutations(range(m), n)))
        least = lost.square()[torch.arange(n), every].sum(-1).min()
        # A swap moves two weights by the difference of their sizes.
        torch.testing.assert_close((found - W).square().sum() / 2, least)


def test_distinct_favorites_stay() -> None:
    W = torch.tensor([[3.0, 1.0, 0.0], [1.0, -3.0, 0.0]])
    assert torch.equal(interventions.distinct_favorites(W), W)


@given(size=SIZES, seed=SEEDS)
def test_orthogonal_rows_do_not_interfere(size: Any, seed: int) -> None:
    W = starts(size, seed)
    found = interventions.orthogonal_rows(W)
    overlap = found @ found.mT
    torch.testing.assert_close(overlap, torch.diag_embed(overlap.diagonal(dim1=-2, dim2=-1)))
    torch.testing.assert_close(interventions.orthogonal_rows(found), found)


def test_scores_are_those_of_the_pairs() -> None:
    W = torch.tensor([[2.0, 1.0], [-1.0, 1.0], [1.0, -3.0]])
    assert interventions.sharing_scores(W).tolist() == [2.0, 3.0, 3.0]


@given(size=SIZES, seed=SEEDS, parts=st.integers(0, 8))
def test_no_score_stays_above_the_cut(size: Any, seed: int, parts: int) -> None:
    W = starts(size, seed, instances=1)
    scores = interventions.sharing_scores(W)[0].sort().values
    cut = max(scores[parts * (len(scores) - 1) // 8].item(), 0)  # exact in binary
    found = interventions.cut_scores(W, parts / 8)
    assert (interventions.sharing_scores(found) <= cut * (1 + 1e-12)).all()
    flipped = found != W
    assert torch.equal(found[flipped], -W[flipped])
    # Every flip was needed: its weight had a partner above the cut.
    partner = (-W.unsqueeze(-2) * W.unsqueeze(-3)).amax(-2)
    assert (partner[flipped] > cut).all()


def test_a_cut_at_the_highest_score_changes_nothing() -> None:
    W = starts((5, 6), 0)
    assert torch.equal(interventions.cut_scores(W, 1.0), W)


@given(size=SIZES, seed=SEEDS, noise=st.floats(0, 1))
def test_a_row_near_a_code_has_its_own_neuron(size: Any, seed: int, noise: float) -> None:
    n = size[0]
    W = starts(size, seed, instances=1)[0]
    found = interventions.near_code(W, noise)
    own = metrics.winners(interventions.distinct_favorites(W))
    assert len(set(own.tolist())) == n
    rows = torch.arange(n)
    torch.testing.assert_close(found[rows, own], (1 - noise**2) ** 0.5 * W.norm(dim=-1) * W[rows, own].sign())
    ratio = torch.where(found == W, torch.ones_like(W), found / W)
    ratio[rows, own] = torch.nan
    spread = ratio.nan_to_num(-torch.inf).amax(-1) - ratio.nan_to_num(torch.inf).amin(-1)
    assert (spread < 1e-9).all()  # the rest of a row is scaled


@given(n=st.integers(3, 8), seed=SEEDS)
def test_with_few_neurons_as_few_as_possible_are_near_two_features(n: int, seed: int) -> None:
    for m in range(-(-n // 2), n):
        if m < 2:
            continue
        W = starts((n, m), seed, instances=1)[0]
        found = interventions.near_code(W, 0.1)
        own = metrics.winners(found)
        carried = torch.bincount(own, minlength=m)
        assert carried.min() >= 1
        assert (carried == 2).sum() == n - m
        for k in (carried == 2).nonzero()[:, 0].tolist():
            one, other = found[own == k, k].tolist()
            assert one * other < 0
        torch.testing.assert_close(found.norm(dim=-1), W.norm(dim=-1))


@given(size=SIZES, seed=SEEDS)
def test_pairs_are_planted_on_neurons_of_their_own(size: Any, seed: int) -> None:
    n, m = size
    W = starts(size, seed)
    shortest = m * W.square().sum(-1).min().item()
    planted = interventions.plant_pairs(W, n // 2, shortest / 2, generator=generator(seed))
    for network, pairs, old in zip(planted.W, planted.pairs, W, strict=True):
        first, second, neuron = pairs.T
        assert len({*first.tolist(), *second.tolist()}) == 2 * (n // 2)
        assert len(set(neuron.tolist())) == n // 2
        product = network[first, neuron] * network[second, neuron]
        torch.testing.assert_close(-m * product, torch.full_like(product, shortest / 2))
        assert torch.equal(network[first, neuron].sign(), old[first, neuron].sign())


def test_short_rows_get_no_planted_pair() -> None:
    W = torch.ones(4, 4).double()
    W[1] = 0.1
    planted = interventions.plant_pairs(W, 1, 4.0, generator=generator())
    assert 1 not in planted.pairs[..., :2].flatten().tolist()
    with pytest.raises(ValueError, match=r"score=4.0: only 3 rows are long enough for it, 4 are needed"):
        interventions.plant_pairs(W, 2, 4.0, generator=generator())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@given(size=SIZES, seed=SEEDS)
def test_a_control_changes_as_much(change: Any, size: Any, seed: int) -> None:
    W = starts(size, seed)
    changed = change(W)
    found = interventions.control(W, changed, generator=generator(seed))
    torch.testing.assert_close(found.norm(dim=-1), W.norm(dim=-1))
    torch.testing.assert_close((found - W).norm(dim=-1), (changed - W).norm(dim=-1), rtol=1e-6, atol=1e-7)
    many, expected = (found != W).sum(-1), (changed != W).sum(-1)
    expected = torch.where(expected == 1, 2, expected)
    assert (many <= expected).all()
    assert (many[expected > 1] > 0).all()


def test_a_control_changes_other_weights_at_random() -> None:
    W = starts((1, 40), 0, instances=1)
    changed = W.clone()
    changed[..., :2] = changed[..., :2].flip(-1)
    found = torch.cat([interventions.control(W, changed, generator=generator(seed)) for seed in range(400)])
    moved = (found != W).double().mean(0)[0]
    assert (moved > 0).all()
    assert abs(moved.sum().item() - 2) < 1e-9
    assert not torch.equal(found[0], found[1])


def test_a_control_spares_weights_that_are_zero() -> None:
    W = torch.zeros(1, 20).double()
    W[0, :6] = torch.tensor([1.0, -2.0, 3.0, 1.5, 0.5, -1.0])
    changed = W.clone()
    changed[0, [0, 2]] = W[0, [2, 0]]
    for seed in range(20):
        assert (interventions.control(W, changed, generator=generator(seed))[0, 6:] == 0).all()


def test_shuffled_rows_are_dealt_independently() -> None:
    W = torch.arange(1.0, 9.0).repeat(2, 1).double()
    found = interventions.shuffled(W, generator=generator())
    assert not torch.equal(found[0], found[1])


def test_a_repair_separates_and_costs_a_code_nothing() -> None:
    W = torch.zeros(5, 6).double()
    for i, (k, weight) in enumerate([(0, 1.0), (0, -0.9), (3, 1.1), (3, -1.0), (5, 1.0)]):
        W[i, k] = weight
    found = interventions.repair(W)
    assert metrics.polysemantic_neurons(W) == 2
    assert metrics.polysemantic_neurons(found) == 0
    assert [found[i, k].item() for i, k in ((0, 0), (2, 3), (4, 5))] == [1.0, 1.1, 1.0]  # the larger weight stays
    torch.testing.assert_close(model.loss(found, 0.1), model.loss(W, 0.1))


def test_a_repair_stops_where_no_neuron_is_free() -> None:
    W = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert torch.equal(interventions.repair(W), W)


def test_a_repair_takes_the_emptiest_neuron_first() -> None:
    W = torch.tensor([[1.0, 0.0, 0.2], [-1.0, 0.0, 0.0], [0.0, 0.1, 0.0]])
    assert interventions.repair(W)[1].tolist() == [0.0, -1.0, 0.0]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("near", [0.8, (0.8, 1.0, 1.2), ("a", "b"), (float("nan"), 1.0)])
def test_a_window_that_is_none_is_refused(near: Any) -> None:
    with pytest.raises(ValueError, match=r"near=.*: must be a pair 0 ≤ low ≤ high"):
        interventions.repair(torch.eye(2), near)


def test_scores_are_cut_of_a_tensor_with_a_gradient() -> None:
    W = starts((3, 4), 0).requires_grad_()
    assert not interventions.cut_scores(W, 0.5).requires_grad


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda W: interventions.distinct_favorites(W.mT),
            r"W: has shape \(3, 4, 2\), must have at least as many neur",
        ),
        (lambda W: interventions.orthogonal_rows(W.mT), "at least as many neurons as features"),
        (lambda W: interventions.near_code(torch.ones(5, 2), 0.5), "at most twice as many features as neurons"),
        (lambda W: interventions.near_code(W, 1.5), "noise=1.5: must be a number ≥ 0 and ≤ 1"),
        (lambda W: interventions.near_code(W, -0.5), r"noise=-0.5: "),
        (lambda W: interventions.cut_scores(W, 2), "quantile=2: must be a number ≥ 0 and ≤ 1"),
        (lambda W: interventions.cut_scores(W[:, :1], 0.5), "W: has shape .*, must have at least two features"),
        (lambda W: interventions.plant_pairs(W, 2, 1.0, generator=generator()), "pairs=2: must be at most n/2 = 1"),
        (lambda W: interventions.plant_pairs(W, 0, 1.0, generator=generator()), "pairs=0: "),
        (
            lambda W: interventions.plant_pairs(W, 1, 1e3, generator=generator()),
            "score=1000.0: only 0 rows are long enough for it, 2 are needed",
        ),
        (lambda W: interventions.control(W, W[:2], generator=generator()), "changed: has shape .*, must be that of W"),
        (lambda W: interventions.control(W, 2 * W, generator=generator()), "changed: has a row of another length"),
        (lambda W: interventions.control(W[..., :1], W[..., :1], generator=generator()), "at least two neurons"),
        (lambda W: interventions.control(W, W.float(), generator=generator()), "changed: has dtype torch.float32"),
        (lambda W: interventions.repair(W, (1.2, 0.8)), r"near=\(1.2, 0.8\): must be a pair"),
        (lambda W: interventions.near_code(W[:, :1, :1], 0.5), "must have at least two neurons"),
        (lambda W: interventions.near_code(torch.eye(2), 0.5), "W: row 0 has no weight beside that on its own neuron"),
        (lambda W: interventions.plant_pairs(W[..., :1], 1, 0.0, generator=generator()), "at least two neurons"),
        (
            lambda W: interventions.plant_pairs(torch.eye(2), 1, 0.5, generator=generator()),
            "W: row [01] has one weight only, must have another",
        ),
        (lambda W: interventions.same_signs(W / 0), "W: holds NaN or infinity"),
    ],
)
def test_bad_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(starts((2, 4), 0))
