"""Audits of networks whose impurity is known: pure, paired, rotated, untrained; a convolution and a transformer."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from poly import audit


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square()


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, targets, reduction="none")


def sparse(W: Tensor, V: Tensor) -> Any:
    """Make a network whose unit j is the ReLU of column j of W, and writes row j of V."""
    layers = OrderedDict(first=nn.Linear(*W.shape), hidden=nn.ReLU(), out=nn.Linear(*V.shape))
    model: Any = nn.Sequential(layers).double()
    with torch.no_grad():
        model.first.weight.copy_(W.T)
        model.first.bias.zero_()
        model.out.weight.copy_(V.T)
        model.out.bias.zero_()
    return model.eval()


def inputs(examples: int = 2000, d: int = 8, seed: int = 0) -> Tensor:
    return torch.randn(examples, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def readout(kind: str) -> Tensor:
    """Return output weights of eight units and four outputs; a unit writes one output, or two if ``paired``."""
    V = torch.eye(4).repeat(2, 1)
    if kind == "paired":
        V = V + torch.eye(4).roll(1, 1).repeat(2, 1)
    return V.double()


@pytest.mark.parametrize(("kind", "value"), [("pure", 0.0), ("paired", 0.5)])
def test_planted_networks_have_the_impurity_that_is_known(kind: str, value: float) -> None:
    model, x = sparse(torch.eye(8).double(), readout(kind)), inputs()
    noise = 0.2 * inputs(2000, 4, seed=1)
    with torch.no_grad():
        y = model(x) + noise
    report = audit.layer(model, "hidden", x, y, squared)
    assert report.impurity.measured == pytest.approx(value, abs=0.02)
    assert report.impurity.low - 0.02 <= value <= report.impurity.high + 0.02
    assert report.live.all()
    assert report.gains.shape == (8, 4)
    assert report.nulls["rotated"].measured > 0.3
    assert report.nulls["permuted"].low <= report.nulls["permuted"].measured <= report.nulls["permuted"].high


def test_a_rotated_pure_layer_is_as_impure_as_its_null() -> None:
    model, x = sparse(torch.eye(8).double(), readout("pure")), inputs()
    basis = torch.linalg.qr(inputs(8, 8, seed=3))[0]
    with torch.no_grad():
        H, y = model[:2](x) @ basis, model(x) + 0.2 * inputs(2000, 4, seed=1)
    V = basis.T @ readout("pure")
    report = audit.activations(H, lambda H: (H @ V.numpy() - y.numpy()) ** 2)
    assert report.impurity.measured == pytest.approx(report.nulls["rotated"].measured, abs=0.1)
    assert report.impurity.measured > 0.4


def test_an_untrained_layer_with_a_trained_readout_is_impure() -> None:
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(8, 40, generator=generator).double()
    x, y = inputs(), inputs()[:, :4].relu()
    H = (x @ W).relu()
    V = torch.linalg.lstsq(H, y).solution
    report = audit.layer(sparse(W, V), "hidden", x, y, squared)
    assert report.impurity.measured > 0.2


def test_layer_and_activations_agree() -> None:
    model, x = sparse(torch.eye(8).double(), readout("paired")), inputs()
    with torch.no_grad():
        y, H = model(x) + 0.2 * inputs(2000, 4, seed=1), model[:2](x).numpy()
    V = readout("paired").numpy()
    one = audit.layer(model, "hidden", x, y, squared, seed=4)
    other = audit.activations(H, lambda H: (H @ V - y.numpy()) ** 2, seed=4)
    assert np.allclose(one.gains, other.gains, rtol=1e-9, atol=1e-12)
    assert one.impurity == pytest.approx(other.impurity)
    assert one.nulls["rotated"] == pytest.approx(other.nulls["rotated"])


def test_dead_units_weigh_nothing_and_are_counted() -> None:
    W = torch.cat([torch.eye(8), torch.zeros(8, 3)], dim=1).double()
    V = torch.cat([readout("pure"), torch.ones(3, 4).double()])
    x = inputs()
    report = audit.layer(sparse(W, V), "hidden", x, x[:, :4].relu() + x[:, 4:].relu(), squared)
    assert report.live.tolist() == [True] * 8 + [False] * 3
    assert (report.gains[8:] == 0).all()
    assert "11 units on axis -1, 8 of them live" in report.summary


def test_classes_are_groups_and_each_weighs_the_same() -> None:
    x = inputs(3000)
    labels = torch.where(x[:, 0] > 1.2, 0, torch.where(x[:, 1] > 0, 1, 2))
    model = sparse(torch.cat([torch.eye(8), -torch.eye(8)], 1).double(), torch.randn(16, 3).double() * 0.3)
    report = audit.layer(model, "hidden", x, labels, cross_entropy, groups=labels)
    with torch.no_grad():
        H = model[:2](x)
        base = cross_entropy(model(x), labels)
        for unit in (0, 5):
            changed = H.clone()
            changed[:, unit] = H[:, unit].mean()
            rise = cross_entropy(model[2](changed), labels) - base
            expected = [rise[labels == group].mean().item() for group in range(3)]
            assert report.gains[unit] == pytest.approx(expected, rel=1e-6)


def test_a_channel_of_a_convolution_is_a_unit() -> None:
    torch.manual_seed(0)
    layers = OrderedDict(
        conv=nn.Conv2d(1, 5, 3), act=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), out=nn.Linear(5, 3)
    )
    model = nn.Sequential(layers).eval()
    x, y = torch.randn(200, 1, 8, 8), torch.randn(200, 3)
    report = audit.layer(model, "act", x, y, squared)
    assert report.gains.shape == (5, 3)
    with torch.no_grad():
        h = model[:2](x)
        changed = h.clone()
        changed[:, 2] = h[:, 2].mean()
        rise = (squared(model[2:](changed), y) - squared(model(x), y)).mean(0)
    assert report.gains[2] == pytest.approx(rise.tolist(), rel=1e-3, abs=1e-6)


class Residual(nn.Module):
    """A transformer's block without attention: the output of its layers is added to their input."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.up, self.act = nn.Embedding(7, 6), nn.Linear(6, 12), nn.GELU()
        self.down, self.out = nn.Linear(12, 6), nn.Linear(6, 7)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = x + self.down(self.act(self.up(x)))
        return self.out(x)  # type: ignore[no-any-return]


def test_the_axis_of_the_units_can_be_chosen() -> None:
    torch.manual_seed(0)
    layers = OrderedDict(conv=nn.Conv1d(2, 5, 3), act=nn.ReLU(), flat=nn.Flatten(), out=nn.Linear(20, 3))
    model, x, y = nn.Sequential(layers).eval(), torch.randn(200, 2, 6), torch.randn(200, 3)
    assert audit.layer(model, "act", x, y, squared).gains.shape == (4, 3)
    report = audit.layer(model, "act", x, y, squared, axis=1)
    assert report.gains.shape == (5, 3)
    assert "5 units on axis 1" in report.summary
    with torch.no_grad():
        h = model[:2](x)
        changed = h.clone()
        changed[:, 3] = h[:, 3].mean()
        rise = (squared(model[2:](changed), y) - squared(model(x), y)).mean(0)
    assert report.gains[3] == pytest.approx(rise.tolist(), rel=1e-3, abs=1e-6)


def test_rescaling_units_changes_neither_impurity_nor_null() -> None:
    x, found = inputs(), []
    noise = 0.2 * inputs(2000, 4, seed=1)
    for factors in (torch.ones(8), torch.logspace(-1, 1, 8)):
        scale = factors.double()
        model = sparse(torch.eye(8).double() * scale, readout("paired") / scale[:, None])
        with torch.no_grad():
            found.append(audit.layer(model, "hidden", x, model(x) + noise, squared))
    assert found[0].impurity == pytest.approx(found[1].impurity, rel=1e-9)
    assert found[0].nulls["rotated"] == pytest.approx(found[1].nulls["rotated"], rel=1e-9)


def test_the_units_of_a_transformer_are_ablated_at_all_places() -> None:
    torch.manual_seed(0)
    model, tokens = Residual().eval(), torch.randint(7, (90, 5))

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs.transpose(1, 2), targets, reduction="none").mean(-1)

    groups = torch.arange(90) % 3
    report = audit.layer(model, "act", tokens, tokens.roll(1, 1), loss, groups=groups)
    assert report.gains.shape == (12, 3)
    with torch.no_grad():
        x = model.embed(tokens)
        h = model.act(model.up(x))
        changed = h.clone()
        changed[..., 4] = h[..., 4].mean()
        rise = loss(model.out(x + model.down(changed)), tokens.roll(1, 1)) - loss(model(tokens), tokens.roll(1, 1))
    expected = [rise[groups == group].mean().item() for group in range(3)]
    assert report.gains[4] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_a_wanted_width_takes_fewer_examples() -> None:
    model, x = sparse(torch.eye(8).double(), readout("paired")), inputs(20_000)
    with torch.no_grad():
        y = model(x) + 0.2 * inputs(20_000, 4, seed=1)
    wide, narrow = (audit.layer(model, "hidden", x, y, squared, half_width=width) for width in (0.02, 0.002))
    assert wide.examples < narrow.examples <= 20_000
    assert (wide.impurity.high - wide.impurity.low) / 2 <= 0.02


def test_the_model_and_its_hooks_are_left_alone() -> None:
    model, x = sparse(torch.eye(8).double(), readout("pure")), inputs(100)
    seen: list[int] = []
    model.hidden.register_forward_hook(lambda module, args, output: seen.append(len(output)))
    before = {name: part.clone() for name, part in model.state_dict().items()}
    audit.layer(model, "hidden", x, x[:, :4], squared)
    assert seen
    assert len(model.hidden._forward_hooks) == 1
    assert all(torch.equal(part, before[name]) for name, part in model.state_dict().items())


def test_the_same_seed_gives_the_same_report() -> None:
    model, x = sparse(torch.eye(8).double(), readout("paired")), inputs(500)
    one, again = (audit.layer(model, "hidden", x, x[:, :4], squared, seed=3) for _ in range(2))
    assert np.array_equal(one.gains, again.gains)
    assert one.impurity == again.impurity
    assert one.nulls == again.nulls


@pytest.mark.usefixtures("unchecked")
def test_bad_choices_are_refused() -> None:
    model, x = sparse(torch.eye(8).double(), readout("pure")), inputs(100)
    with pytest.raises(ValueError, match="progress="):
        audit.layer(model, "hidden", x, x[:, :4], squared, progress="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="half_width=0"):
        audit.layer(model, "hidden", x, x[:, :4], squared, half_width=0)
    with pytest.raises(ValueError, match="loss=3: must be a function"):
        audit.layer(model, "hidden", x, x[:, :4], 3)  # type: ignore[arg-type]


def test_a_loss_for_each_class_is_that_of_its_probability() -> None:
    outputs = torch.tensor([[2.0, 0.0, -1.0], [40.0, 0.0, 0.0]])
    p = outputs.double().softmax(-1)
    found = audit.class_losses(outputs, torch.tensor([1, 0]))
    expected = [-(1 - p[0, 0]).log(), -p[0, 1].log(), -(1 - p[0, 2]).log()]
    assert found[0].tolist() == pytest.approx([each.item() for each in expected])
    assert found[1, 0].item() == pytest.approx(0, abs=1e-12)
    assert torch.isfinite(audit.class_losses(torch.tensor([[1e4, 0.0]]), torch.tensor([1]))).all()


def test_a_classifier_with_pure_units_is_pure_against_the_rest() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat(100)
    hidden = nn.functional.one_hot(labels, 3) + 0.1 * torch.rand(300, 3, generator=generator)
    readout = nn.Linear(3, 3)
    model = nn.Sequential(nn.ReLU(), readout).eval()
    with torch.no_grad():
        readout.weight.copy_(8 * torch.eye(3))
        readout.bias.copy_(torch.full((3,), -4.0))
    report = audit.layer(model, "0", hidden, labels, audit.class_losses, progress=False)
    assert report.withheld == ""
    # A unit's own class loses most; the softmax passes a little of it to the others.
    assert report.impurity.measured < 0.5
    assert report.table.serves.tolist() == [0, 1, 2]
