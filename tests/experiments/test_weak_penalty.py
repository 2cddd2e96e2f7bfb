from typing import Any

import numpy as np
import pytest

from generators import generator
from poly import flow, metrics, model
from poly.experiments import weak_penalty

SMALL: dict[str, Any] = {"n": 6, "m": 8, "l1s": (1e-1, 1e-2), "draw": 0}


def test_each_penalty_acts_from_the_start_and_from_rest_on() -> None:
    found = weak_penalty.train_weak_penalties(**SMALL, generator=generator())
    start = model.init(6, 8, generator=generator())
    rest = flow.flow(start, 0.0).W
    assert float(model.loss(rest)) < 1e-10
    ends = [flow.flow(W, l1).W for W in (start, rest) for l1 in SMALL["l1s"]]
    assert found.shared.ravel().tolist() == [int(metrics.polysemantic_neurons(end)) for end in ends]


def test_a_feature_is_the_same_on_one_neuron_with_one_sign() -> None:
    found = weak_penalty.train_weak_penalties(**SMALL, generator=generator())
    start = model.init(6, 8, generator=generator())
    rest = flow.flow(start, 0.0).W
    one, last = (flow.flow(rest, l1).W[0] for l1 in SMALL["l1s"])
    agree = [
        int(a.abs().argmax() == b.abs().argmax() and (a.sum() > 0) == (b.sum() > 0))
        for a, b in zip(one, last, strict=True)
    ]
    assert found.same[1].tolist() == [sum(agree), 6]
    assert np.all(found.same <= 6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": 0}, "n=0: must be"),
        ({"m": 5}, "m=5: must be"),
        ({"l1s": ()}, r"l1s=\(\): must have at least one"),
        ({"l1s": (0.1, 0.0)}, "l1s=0.0: must be"),
        ({"draw": -1}, "draw=-1: must be"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        weak_penalty.train_weak_penalties(**SMALL | changed, generator=generator())
