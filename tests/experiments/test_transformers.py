import numpy as np
import pytest
import torch

from generators import generator
from poly.experiments import transformers


@pytest.mark.parametrize(
    ("character", "kind"),
    [(" ", "space"), ("\n", "line end"), ("a", "vowel"), ("z", "consonant"), ("A", "capital"), ("7", "digit")]
    + [(sign, "other") for sign in ".-:_`"],
)
def test_every_character_has_a_kind(character: str, kind: str) -> None:
    assert transformers.KINDS[transformers.kind(character)] == kind


def test_the_text_has_enough_of_every_kind() -> None:
    text = transformers.text()
    assert 40_000 < len(text) < 50_000
    alphabet = "".join(sorted(set(text)))
    inputs, targets, kinds = transformers.examples(alphabet)
    assert inputs.shape == (transformers.EXAMPLES, transformers.CONTEXT)
    assert np.bincount(kinds, minlength=len(transformers.KINDS)).min() >= 40
    held = text[round((1 - transformers.HELD) * len(text)) :]
    assert "".join(alphabet[code] for code in inputs[0]) == held[: transformers.CONTEXT]
    assert alphabet[int(targets[0])] == held[transformers.CONTEXT]


def test_a_place_sees_only_places_before_it() -> None:
    torch.manual_seed(0)
    model = transformers.Transformer(5).eval()
    x = torch.zeros(1, transformers.CONTEXT, dtype=torch.long)
    changed = x.clone()
    changed[0, 10] = 3
    with torch.no_grad():
        moved = (model(changed) - model(x)).abs().amax(-1)[0]
    assert float(moved[:10].max()) == 0
    assert float(moved[10:].min()) > 0


def test_training_lowers_the_loss_and_comes_again() -> None:
    (one, alphabet), (other, _) = (transformers.train(60, generator=generator(1)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    inputs, targets, _ = transformers.examples(alphabet)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(one(inputs)[:, -1], targets).item()
    assert loss < 3.3 < np.log(len(alphabet))


def test_global_randomness_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    transformers.train(2, generator=generator())
    assert torch.equal(before, torch.get_rng_state())


def test_an_audit_has_a_group_for_each_kind_and_nulls() -> None:
    found = transformers.audited(steps=30, count=120, generator=generator(2))
    assert found.gains.shape == (transformers.UNITS, len(transformers.KINDS))
    assert 2 < found.loss < 5
    assert found.live == transformers.UNITS
    assert len({found.squares, found.permuted, found.rotated}) == 3
    assert np.isfinite([found.squares, found.permuted, found.rotated]).all()
