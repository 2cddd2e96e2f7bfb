import itertools
import math
from typing import Any

import pytest
import torch

from poly import cooccurrence, model
from poly.cooccurrence import Config, Inputs

f64 = torch.float64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_torch(W: torch.Tensor, config: Config, seeds: list[int]) -> torch.Tensor:
    """The same runs by autograd and torch's own AdamW, from the loss over all inputs of a batch."""
    ends = []
    for start, seed in zip(W, seeds, strict=True):
        leaf, inputs, n = start.clone().requires_grad_(), generator(seed), W.shape[-2]
        optimizer = torch.optim.AdamW([leaf], lr=config.lr, weight_decay=config.weight_decay)
        some = 1 - (1 - config.p) ** n
        for _ in range(config.steps):
            x = cooccurrence.sample(n, config, batch=config.batch, generator=inputs).to(W)
            optimizer.zero_grad()
            error = (torch.relu(x @ leaf @ leaf.mT) - x).square().sum(-1).mean()
            (some / config.p * error + config.l1 * leaf.abs().sum()).backward()
            optimizer.step()
        ends.append(leaf.detach())
    return torch.stack(ends)


@pytest.mark.parametrize("p", [0.01, 0.5])
@pytest.mark.parametrize("size", [(5, 7), (40, 33)])
def test_steps_are_torch_s(p: float, size: tuple[int, int]) -> None:
    W = model.init(*size, instances=2, generator=generator())
    config = Config(p=p, steps=40, lr=3e-3, batch=16, l1=1e-2, weight_decay=0.3)
    found = cooccurrence.train(W, config, generator=generator(1))
    seeds = torch.randint(2**63 - 1, (2,), generator=generator(1)).tolist()
    torch.testing.assert_close(found, by_torch(W, config, seeds), rtol=1e-10, atol=1e-10)
    assert float((found - W).abs().max()) > 0.01


def test_inputs_follow_their_law_and_none_is_empty() -> None:
    n, p, batch = 3, 0.3, 40_000
    x = cooccurrence.sample(n, Inputs(p=p), batch=batch, generator=generator())
    assert x.sum(-1).min() == 1
    some = 1 - (1 - p) ** n
    for pattern in itertools.product((0, 1), repeat=n):
        expected = math.prod(p if on else 1 - p for on in pattern) / some if any(pattern) else 0.0
        share = (x == torch.tensor(pattern, dtype=f64)).all(-1).double().mean().item()
        assert abs(share - expected) <= 5 * (expected * (1 - expected) / batch) ** 0.5


def test_without_meetings_the_loss_is_the_toy_s() -> None:
    """At tiny p every input has one feature; with many inputs a step is that of full-batch training."""
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
        ("p", 0, "a finite number > 0"),
        ("p", 1, r"in \(0, 1\)"),
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


@pytest.mark.usefixtures("unchecked")
def test_bad_networks_and_runs() -> None:
    W = model.init(2, 3, generator=generator())
    with pytest.raises(ValueError, match=r"config=7: must be a cooccurrence\.Config"):
        cooccurrence.train(W, 7, generator=generator())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"W: is torch\.float16 on cpu, must be float32 or float64"):
        cooccurrence.train(W.half(), Config(p=0.1, steps=1), generator=generator())
    apart = torch.stack([W[0], torch.full_like(W[0], 1e200)])
    with pytest.raises(ValueError, match="in instance 1, must be smaller"):
        cooccurrence.train(apart, Config(p=0.1, steps=2), generator=generator())
