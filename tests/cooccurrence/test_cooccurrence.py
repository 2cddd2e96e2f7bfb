import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from generators import generator
from poly import cooccurrence, model
from poly.cooccurrence import Config, Inputs

f64 = torch.float64


def by_torch(W: torch.Tensor, config: Config, seeds: list[int]) -> torch.Tensor:
    """Train each network by autograd and torch's own AdamW, from the loss over all inputs of a batch."""
    ends = []
    for start, seed in zip(W, seeds, strict=True):
        leaf, inputs, n = start.clone().requires_grad_(), generator(seed), W.shape[-2]
        optimizer = torch.optim.AdamW([leaf], lr=config.lr, weight_decay=config.weight_decay)
        some = 1 - float(np.prod(1 - config.law(n).groups))
        for _ in range(config.steps):
            x = cooccurrence.sample(n, config, batch=config.batch, generator=inputs).to(W)
            optimizer.zero_grad()
            error = (torch.relu(x @ leaf @ leaf.mT) - x).square().sum(-1).mean()
            (some / config.p * error + config.l1 * leaf.abs().sum()).backward()
            optimizer.step()
        ends.append(leaf.detach())
    return torch.stack(ends)


@pytest.mark.parametrize(
    "law",
    [
        {"p": 0.01},
        {"p": 0.5},
        {"p": 0.02, "group": 5},
        {"p": 0.3, "group": 5, "within": 0.8},
        {"p": 0.05, "exponent": 1.0},
    ],
)
@pytest.mark.parametrize("size", [(5, 7), (40, 33)])
def test_steps_are_torch_s(law: dict[str, Any], size: tuple[int, int]) -> None:
    W = model.init(*size, instances=2, generator=generator())
    config = Config(**law, steps=40, lr=3e-3, batch=16, l1=1e-2, weight_decay=0.3)
    found = cooccurrence.train(W, config, generator=generator(1))
    seeds = torch.randint(2**63 - 1, (2,), generator=generator(1)).tolist()
    torch.testing.assert_close(found, by_torch(W, config, seeds), rtol=1e-10, atol=1e-10)
    assert float((found - W).abs().max()) > 0.01


def chance(pattern: tuple[int, ...], p: tuple[float, ...]) -> float:
    return math.prod(each if on else 1 - each for on, each in zip(pattern, p, strict=True))


def in_groups(pattern: tuple[int, ...], on: float, within: float) -> float:
    """Return the probability of a pattern of two groups of two features, by the definition of ``Inputs``."""
    found = 1.0
    for part in (pattern[:2], pattern[2:]):
        some = 1 - (1 - within) ** 2
        given = chance(part, (within, within)) / some if within else 0.5 * (sum(part) == 1)
        found *= on * given if any(part) else 1 - on
    return found


@pytest.mark.parametrize(
    ("inputs", "law"),
    [
        (Inputs(p=0.3), lambda pattern: chance(pattern, (0.3,) * 4)),
        (
            Inputs(p=0.1, exponent=2.0),
            lambda pattern: chance(pattern, tuple(0.4 / k**2 / 1.4236111 for k in (1, 2, 3, 4))),
        ),
        (Inputs(p=0.3, group=2), lambda pattern: in_groups(pattern, 0.6, 0.0)),
        (Inputs(p=0.3, group=2, within=0.5), lambda pattern: in_groups(pattern, 0.45, 0.5)),
    ],
)
def test_inputs_follow_their_law_and_none_is_empty(inputs: Inputs, law: Callable[[tuple[int, ...]], float]) -> None:
    n, batch = 4, 40_000
    x = cooccurrence.sample(n, inputs, batch=batch, generator=generator())
    assert x.sum(-1).min() == 1
    some = 1 - law((0,) * n)
    assert cooccurrence.weight(n, inputs) == pytest.approx(some / inputs.p)
    for pattern in itertools.product((0, 1), repeat=n):
        expected = law(pattern) / some if any(pattern) else 0.0
        share = (x == torch.tensor(pattern, dtype=f64)).all(-1).double().mean().item()
        assert abs(share - expected) <= 5 * (expected * (1 - expected) / batch) ** 0.5


def test_one_group_with_its_own_probability_is_no_group() -> None:
    alone, together = Inputs(p=0.2).law(3), Inputs(p=0.2, group=3, within=0.2).law(3)
    assert together.groups == pytest.approx([1 - 0.8**3])
    np.testing.assert_allclose(together.first_inside, alone.first)


def test_without_meetings_the_loss_is_the_toy_s() -> None:
    """Compare the signs of a first step with the toy's gradient: at tiny p every input has one feature."""
    W = model.init(4, 6, generator=generator())
    config = Config(p=1e-9, steps=1, batch=200_000, l1=0.1, weight_decay=0.0)
    found = cooccurrence.train(W, config, generator=generator())
    step = -(found - W)[0].sign()
    gradient = -torch.stack(model.forces(W, 0.1)).sum(0)[0]
    large = gradient.abs() > 0.05 * gradient.abs().max()
    assert torch.equal(step[large], gradient.sign()[large])


def test_the_start_is_untouched_and_its_type_kept() -> None:
    for dtype in (torch.float32, f64):
        W = model.init(3, 4, generator=generator(), dtype=dtype)
        before = W.clone()
        assert cooccurrence.train(W, Config(p=0.1, steps=3), generator=generator()).dtype == dtype
        assert torch.equal(W, before)


def test_long_runs_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    W, config = model.init(3, 4, generator=generator()), Config(p=0.1, steps=23)
    whole = cooccurrence.train(W, config, generator=generator())
    monkeypatch.setattr(cooccurrence, "_DRAWN", 64 * 3 * 5)
    torch.testing.assert_close(cooccurrence.train(W, config, generator=generator()), whole, rtol=0, atol=0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("p", 0, "a number > 0 and < 1"),
        ("p", 1.0, "a number > 0 and < 1"),
        ("within", -0.1, "a number ≥ 0 and < 1"),
        ("within", 1.0, "a number ≥ 0 and < 1"),
        ("within", 0.5, "0 without groups"),
        ("group", 0, "a whole number ≥ 1"),
        ("exponent", -1, "a finite number ≥ 0"),
        ("steps", -1, "a whole number ≥ 0"),
        ("lr", 0, "a finite number > 0"),
        ("batch", 0, "a whole number ≥ 1"),
        ("l1", -1, "a finite number ≥ 0"),
        ("weight_decay", None, "a finite number ≥ 0"),
    ],
)
def test_bad_settings(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field}={value!r}: must be {allowed}$"):
        Config(**{"p": 0.1, "steps": 1, field: value})


def test_bad_laws() -> None:
    with pytest.raises(ValueError, match=r"^exponent=1\.0: must be 0 with groups$"):
        Inputs(p=0.1, group=2, exponent=1.0)
    with pytest.raises(ValueError, match=r"^p=0\.3: must be below 0\.25 with these groups$"):
        Inputs(p=0.3, group=4)
    with pytest.raises(ValueError, match=r"^n=0: must be a whole number ≥ 1$"):
        cooccurrence.weight(0, Inputs(p=0.1))
    with pytest.raises(ValueError, match=r"^group=4: must divide the 6 features$"):
        Inputs(p=0.1, group=4).law(6)
    with pytest.raises(ValueError, match=r"^p=0\.8: must be below 0\.75 with this exponent$"):
        Inputs(p=0.8, exponent=1.0).law(2)


@pytest.mark.usefixtures("unchecked")
def test_bad_networks_and_runs() -> None:
    W = model.init(2, 3, generator=generator())
    with pytest.raises(ValueError, match=r"inputs=0\.1: must be a cooccurrence\.Inputs"):
        cooccurrence.sample(2, 0.1, batch=1, generator=generator())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"config=7: must be a cooccurrence\.Config"):
        cooccurrence.train(W, 7, generator=generator())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"W: is torch\.float16 on cpu, must be float32 or float64"):
        cooccurrence.train(W.half(), Config(p=0.1, steps=1), generator=generator())
    apart = torch.stack([W[0], torch.full_like(W[0], 1e200)])
    with pytest.raises(ValueError, match="stopped being finite in instance 1 by step 2, must be smaller"):
        cooccurrence.train(apart, Config(p=0.1, steps=2), generator=generator())
