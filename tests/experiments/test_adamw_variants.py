"""AdamW with one thing changed at a time."""

from typing import Any

import pytest
import torch

from poly import model, training
from poly.experiments import adamw_variants, final_weights

SETTING: dict[str, Any] = {"n": 6, "m": 24, "l1": 0.01}


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_with_nothing_changed_it_is_the_released_training() -> None:
    ours = adamw_variants.variant(**SETTING, isolated=False, generator=generator())
    released = final_weights.train(**SETTING, method="adamw", generator=generator())
    assert all((a == b).all() for a, b in zip(ours, released, strict=True))


def test_apart_every_row_ends_as_it_does_in_a_network_of_its_own() -> None:
    ours = adamw_variants.variant(**SETTING, isolated=True, generator=generator())
    start = model.init(6, 24, generator=generator())[0]
    config = training.TrainConfig(**(vars(final_weights.RELEASED) | {"l1": 0.01}))
    for i in range(6):
        alone = training.train(start[None, i : i + 1].float(), config, generator=generator(), progress=False).W[0, 0]
        big = (alone.abs() >= final_weights.SMALLEST).nonzero()[:, 0]
        assert ours.neuron[ours.feature == i].tolist() == big.tolist()
        assert ours.weight[ours.feature == i] == pytest.approx(alone[big].numpy())


def test_apart_the_largest_weight_of_a_narrow_row_wins() -> None:
    won = adamw_variants.variant(n=16, m=16, l1=0.01, isolated=True, generator=generator())
    assert set(won.rank[abs(won.weight) > 0.8]) == {1}


def test_finer_steps_follow_another_path_to_the_same_length() -> None:
    coarse, fine = (
        adamw_variants.variant(**SETTING, isolated=True, step_refinement=k, generator=generator()) for k in (1, 3)
    )
    assert (coarse.neuron == fine.neuron).all()
    assert coarse.weight == pytest.approx(fine.weight, abs=1e-3)
    assert (coarse.weight != fine.weight).any()


@pytest.mark.parametrize(("l1", "phase"), [(0.0, "dense"), (1e-3, "one_hot"), (10.0, "dead")])
def test_the_three_phases(l1: float, phase: str) -> None:
    shares = adamw_variants.phases(n=4, m=256, l1=l1, generator=generator())
    assert shares._asdict() == {"dense": 0.0, "one_hot": 0.0, "dead": 0.0} | {phase: 1.0}


@pytest.mark.parametrize("step_refinement", [0, -1, 1.5])
def test_refuses_other_steps(step_refinement: float) -> None:
    with pytest.raises(ValueError, match="step_refinement"):
        adamw_variants.variant(**SETTING, isolated=True, step_refinement=step_refinement, generator=generator())  # type: ignore[arg-type]
