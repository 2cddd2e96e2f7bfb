from typing import Any

import numpy as np
import pytest
import torch

from generators import generator
from poly import interventions, metrics, model
from poly.experiments import final_weights, surgery

SMALL: dict[str, Any] = {"n": 6, "m": 6, "l1": 1e-2, "draw": 3}


@pytest.fixture(scope="module", params=final_weights.METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def compared(method: str) -> surgery.Compared:
    return surgery.apply_changes(**SMALL, method=method, generator=generator())


def of(name: str) -> int:
    return surgery.SETS["every"].index(name)


def test_the_default_is_the_network_of_the_other_chapters(compared: surgery.Compared, method: str) -> None:
    row = final_weights.train(n=6, m=6, l1=1e-2, method=method, generator=generator())
    assert compared.shared == final_weights.polysemantic_neurons(row._asdict())


def test_each_change_and_its_control_are_trained_to_the_end(compared: surgery.Compared, method: str) -> None:
    W = model.init(6, 6, generator=generator())
    for name in ("distinct favorites", "same signs", "code, noise 0.6"):
        changed = surgery.CHANGES[name](W, generator())
        end = final_weights.train_from(changed, 1e-2, method, generator())
        assert compared.changed_shared[of(name)] == metrics.polysemantic_neurons(end)
        np.testing.assert_allclose(compared.changed_loss[of(name)], model.loss(end, 1e-2), rtol=1e-6)
        assert compared.weights[of(name)] == (changed != W).sum()
        np.testing.assert_allclose(compared.distance[of(name)], (changed - W).norm() / W.norm())


def test_every_field_has_a_value_for_each_change(compared: surgery.Compared) -> None:
    for name, value in compared._asdict().items():
        assert np.shape(value) == (() if name in ("shared", "features", "loss") else (len(surgery.CHANGES),)), name
    assert (compared.changed_features <= 6).all()
    assert compared.features == 6


def test_a_start_near_a_code_ends_in_it(compared: surgery.Compared) -> None:
    assert compared.changed_shared[of("code, noise 0.3")] == 0
    assert compared.changed_features[of("code, noise 0.3")] == 6


def test_controls_differ_from_the_default_and_from_each_other() -> None:
    found = surgery.apply_changes(**SMALL, method="flow", changes=("shuffled", "shuffled"), generator=generator(1))
    again = surgery.apply_changes(**SMALL, method="flow", changes=("shuffled", "shuffled"), generator=generator(1))
    np.testing.assert_equal(again._asdict(), found._asdict())
    assert found.weights[0] > 30
    assert found.distance[0] != found.distance[1]


def test_a_change_on_the_way_is_made_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def note(W: torch.Tensor) -> torch.Tensor:
        seen.append(metrics.survivors(W).sum().item())
        return interventions.distinct_favorites(W)

    monkeypatch.setitem(surgery.CHANGES, "distinct favorites", lambda W, _: note(W))
    for when in (0.0, 0.5, 50.0):
        surgery.apply_changes(**SMALL, method="flow", when=when, changes=("distinct favorites",), generator=generator())
    assert seen[0] == 36
    assert 36 > seen[1] > seen[2] == 6


def test_for_adamw_the_time_is_a_part_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def note(W: torch.Tensor) -> torch.Tensor:
        seen.append(W)
        return interventions.distinct_favorites(W)

    monkeypatch.setitem(surgery.CHANGES, "distinct favorites", lambda W, _: note(W))
    found = surgery.apply_changes(
        **SMALL, method="adamw", when=0.1, changes=("distinct favorites",), generator=generator()
    )
    start = model.init(SMALL["n"], SMALL["m"], generator=generator())
    early = final_weights.train_from(start, SMALL["l1"], "adamw", generator(), steps=750)
    assert torch.equal(seen[0], early)
    end = final_weights.train_from(early, SMALL["l1"], "adamw", generator())
    assert found.loss == model.loss(end, SMALL["l1"])


def test_a_change_on_the_way_continues_from_there() -> None:
    end = surgery.apply_changes(**SMALL, method="flow", generator=generator(), changes=())
    late = surgery.apply_changes(**SMALL, method="flow", when=0.3, generator=generator(), changes=())
    assert late.shared == end.shared
    assert late.loss == pytest.approx(end.loss)
    assert late.changed_shared.shape == (0,)


def test_a_strong_planted_pair_ends_together_and_a_weak_one_does_not(method: str) -> None:
    rows = [
        surgery.dose(n=8, m=24, l1=1e-2, draw=0, method=method, pairs=2, scores=(0.0, 12.0), generator=generator(seed))
        for seed in range(8)
    ]
    weak, strong = np.mean([row.on_neuron for row in rows], axis=0)
    assert weak == 0
    assert strong > 0.6
    together, control = (
        np.mean([getattr(row, name) for row in rows], axis=0) for name in ("together", "control_together")
    )
    assert together[1] >= strong
    assert control.max() < 0.3


def test_pairs_are_looked_up_by_their_features_and_neuron() -> None:
    """Check that a weight in the paper's window gives its sign, and any other weight 0."""
    end = torch.zeros(1, 4, 4).double()
    end[0, 0, 2], end[0, 1, 2], end[0, 2, 0], end[0, 3, 1] = 1.0, -1.1, 1.0, 0.5
    held = surgery._signs(end)
    assert held.tolist() == [[[0, 0, 1, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]]


def test_a_repair_lasts_and_is_compared_with_longer_training(method: str) -> None:
    found = surgery.repair_end(n=8, m=8, l1=1e-2, method=method, draw=0, generator=generator(5))
    assert found.shared[0] > 0
    assert found.moved == found.shared[0]
    assert found.shared[1:].tolist() == [0, 0, found.shared[0]]
    assert found.features.tolist() == [8, 8, 8, 8]
    np.testing.assert_allclose(found.loss, found.loss[0], rtol=1e-10 if method == "flow" else 1e-2)


def test_separated_pairs_are_followed(method: str) -> None:
    """Check a network in which all shared neurons are repaired and no separated pair comes back."""
    found = surgery.come_back(n=8, m=8, l1=1e-2, method=method, draw=0, generator=generator(5))
    assert found == (surgery.repair_end(n=8, m=8, l1=1e-2, method=method, draw=0, generator=generator(5)).moved, 0)


def test_a_pair_is_together_on_any_neuron_with_opposite_signs() -> None:
    W = torch.zeros(2, 3, 4).double()
    W[0, 0, 1], W[0, 2, 1], W[0, 1, 1] = 1.0, -1.0, 1.1  # 0 and 1 have one sign
    W[1, 0, 0], W[1, 1, 0] = 1.0, -0.7  # outside the window
    assert surgery._pairs_together(W).nonzero().tolist() == [[0, 0, 2], [0, 1, 2]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": 1}, "n=1: must be"),
        ({"m": 5}, "m=5: must be"),
        ({"l1": 0.0}, "l1=0.0: must be"),
        ({"method": "adam"}, "method='adam': must be"),
        ({"draw": -1}, "draw=-1: must be"),
        ({"when": -0.1}, "when=-0.1: must be"),
        ({"changes": "all"}, "changes='all': must be"),
        ({"changes": ("all",)}, "changes='all': must be"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        surgery.apply_changes(**SMALL | {"method": "flow"} | changed, generator=generator())


def test_a_dose_needs_a_score() -> None:
    with pytest.raises(ValueError, match=r"scores=\(\): must have at least one"):
        surgery.dose(**SMALL, method="flow", pairs=2, scores=(), generator=generator())


def test_changes_have_names_in_a_set_or_a_list() -> None:
    for name, names in surgery.SETS.items():
        assert surgery.names_of(name) == surgery.names_of(list(names)) == names
    assert surgery.names_of(()) == ()
    for changes in ("shuffled", ("few",), 3):
        with pytest.raises(ValueError, match=r"^changes="):
            surgery.names_of(changes)  # type: ignore[arg-type]
