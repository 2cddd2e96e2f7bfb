from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from generators import generator
from poly import untied
from poly.untied import Network, UntiedConfig
from untied.test_untied import random_network


def trained_by_torch(start: Network, config: UntiedConfig, seed: int) -> Network:
    """Train one instance by autograd and ``torch.optim.AdamW`` on the inputs that ``untied.train`` draws."""
    chosen = torch.randint(2**63 - 1, (1,), generator=generator(seed))
    source = generator(int(chosen))
    inputs: Any = {"groups": config.groups, "batch": config.batch, "generator": source}
    network = Network(*(part.clone().requires_grad_() for part in start))
    optimizer = torch.optim.AdamW(list(network), lr=config.lr, weight_decay=config.weight_decay)
    for _ in range(config.steps):
        x = untied.sample(start.encoder.shape[0], config.active, **inputs)
        optimizer.zero_grad()
        untied.loss(network, x, config.l1, rectified=config.rectified).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return Network(*(part.detach() for part in network))


@given(
    m=st.sampled_from([1, 3, 4, 7, 33]),
    groups=st.sampled_from([1, 2, 3]),
    rectified=st.booleans(),
    l1=st.sampled_from([0.0, 0.03]),
    weight_decay=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 99),
)
def test_training_is_autograd_and_adamw(
    m: int, groups: int, rectified: bool, l1: float, weight_decay: float, seed: int
) -> None:
    config = UntiedConfig(
        lr=0.01, steps=12, batch=5, active=2, groups=groups, l1=l1, weight_decay=weight_decay, rectified=rectified
    )
    start = random_network(6, m, seed=seed)
    ours, theirs = untied.train(start, config, generator=generator(seed)), trained_by_torch(start, config, seed)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=0, atol=1e-10)


def test_training_leaves_its_start_alone_and_is_repeatable_whatever_the_threads() -> None:
    start = random_network(6, 5, (3,))
    before = [part.clone() for part in start]
    config = UntiedConfig(steps=50, batch=10, active=2, l1=1e-3)
    ends = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        ends.append(untied.train(start, config, generator=generator(7)))
    torch.set_num_threads(1)
    for part, kept, one, two in zip(start, before, *ends, strict=True):
        assert torch.equal(part, kept)
        assert torch.equal(one, two)
        assert not torch.equal(one, part)
    assert not torch.equal(ends[0].encoder[0] - start.encoder[0], ends[0].encoder[1] - start.encoder[1])


def test_float32_stays_float32_and_zero_steps_change_nothing() -> None:
    start = Network(*(part.float() for part in random_network()))
    end = untied.train(start, UntiedConfig(steps=3, active=2), generator=generator())
    assert {part.dtype for part in end} == {torch.float32}
    still = untied.train(start, UntiedConfig(steps=0, active=2), generator=generator())
    assert all(torch.equal(one, other) for one, other in zip(start, still, strict=True))
