"""Layers and inputs that the audit of a layer refuses, each with one clear line."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from poly.audit.ablation import Activations, Layer


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square()


class Odd(nn.Module):
    """A network with layers that are unused, used twice, or give no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.twice, self.unused = nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)
        self.recurrent = nn.GRU(4, 4, batch_first=True)
        self.random = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.one(self.twice(x)))
        x = self.recurrent(x.unsqueeze(1))[0].squeeze(1)
        return x + torch.randn_like(x) if self.random else x


def layer(name: str = "one", *, model: nn.Module | None = None, **changes: Any) -> Layer:
    torch.manual_seed(0)
    given: dict[str, Any] = {"inputs": torch.randn(20, 4), "targets": torch.randn(20, 4), "loss": squared} | changes
    own = Odd().eval() if model is None else model
    return Layer(own, name, given["inputs"], given["targets"], given["loss"], axis=given.get("axis"), rows=8)


def noisy() -> Odd:
    model = Odd().eval()
    model.random = True
    return model


def dropping() -> Any:
    model: Any = nn.Sequential(OrderedDict(one=nn.Linear(4, 4), drop=nn.Dropout(), two=nn.Linear(4, 4))).eval()
    model.drop.train()
    return model


def over_the_batch() -> nn.Module:
    normed = nn.BatchNorm1d(4, track_running_stats=False)
    return nn.Sequential(OrderedDict(one=nn.Linear(4, 4), two=normed)).eval()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("three", {}, "name='three': must be a layer of the model: one, twice, unused, recurrent"),
        ("", {}, "name=''"),
        ("unused", {}, "name='unused': this layer does not run"),
        ("twice", {}, "name='twice': this layer runs 2 times"),
        ("recurrent", {}, "name='recurrent': this layer gives tuple"),
        ("one", {"model": Odd().train()}, "model: the model is in training mode"),
        ("one", {"model": dropping()}, "model: drop is in training mode"),
        ("one", {"model": noisy()}, "model: gives other outputs"),
        ("one", {"model": nn.Sequential(OrderedDict(one=nn.Linear(4, 4))).eval().to(torch.bfloat16),
                 "inputs": torch.randn(20, 4).to(torch.bfloat16)}, "gives torch.bfloat16, call model.float"),
        ("one", {"targets": torch.randn(19, 4)}, "targets: hold 19 examples, must hold 20"),
        ("one", {"targets": torch.randn(20, 3)}, "loss: raised RuntimeError for outputs"),
        ("one", {"inputs": np.ones((20, 4))}, "inputs: must be a torch.Tensor"),
        ("one", {"loss": lambda outputs, targets: (outputs - targets).square().mean()}, r"loss: gives shape \(\)"),
        ("one", {"loss": lambda outputs, targets: squared(outputs, targets) * torch.nan}, "loss: gives NaN"),
        ("one", {"loss": lambda outputs, targets: None}, "loss"),
        ("one", {"loss": lambda outputs, targets: squared(outputs, targets) / targets.var(0)}, "depends on others"),
        ("one", {"model": over_the_batch()}, "depends on others in its batch"),
        ("one", {"model": torch.compile(Odd().eval(), backend="eager")}, "model: is compiled"),
        ("one", {"axis": 0}, "axis=0: must be the axis of the units"),
        ("one", {"axis": 2}, "axis=2: must be an axis of the layer's output"),
        (["one"], {}, "must be a layer of the model"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_line(name: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        layer(name, **changes)
    assert "\n" not in str(error.value)


def test_a_model_that_is_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match="model: must be a torch\\.nn\\.Module, not function"):
        Layer(squared, "one", torch.ones(2, 2), torch.ones(2, 2), squared, axis=None, rows=8)  # type: ignore[arg-type]


def test_early_and_late_repetition_give_the_same_losses() -> None:
    found = layer(model=nn.Sequential(OrderedDict(one=nn.Linear(4, 6), two=nn.ReLU(), three=nn.Linear(6, 4))).eval())
    assert found._early
    index, units = torch.arange(8), np.arange(3)
    one, other = (found._ablated(units, index, early=early) for early in (True, False))
    assert np.allclose(one, other, rtol=1e-6)


def test_losses_of_vectors_are_those_of_ablated_directions() -> None:
    H = np.random.default_rng(0).standard_normal((30, 3))
    found = Activations(H, lambda H: H**2)
    direction = np.array([[0.6, 0.8, 0.0]])
    scaled = (H - H.mean(0)) / H.std(0)
    changed = H - np.outer(scaled @ direction[0], direction[0]) * H.std(0)
    assert np.allclose(found.losses(direction, np.arange(30))[0], changed**2)
    assert np.allclose(found.losses(np.array([1]), np.arange(30)), found.losses(np.eye(3)[[1]], np.arange(30)))


def test_activations_of_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"H: has shape \(3,\)"):
        Activations(np.ones(3), lambda H: H)
    with pytest.raises(ValueError, match=r"loss: gives shape \(2, 2\), must be \(3,\)"):
        Activations(np.ones((3, 2)), lambda H: H[:2])


def test_what_comes_later_may_overwrite_the_layers_output() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(300, 4), torch.randn(300, 4)
    plain, in_place = (
        nn.Sequential(OrderedDict(one=nn.Linear(4, 6), two=nn.ReLU(inplace=change), three=nn.Linear(6, 4))).eval()
        for change in (False, True)
    )
    in_place.load_state_dict(plain.state_dict())
    found = [Layer(model, "one", x, y, squared, axis=None, rows=64) for model in (plain, in_place)]
    assert np.array_equal(found[0].mean, found[1].mean)
    one, other = (each.losses(np.arange(6), np.arange(300)) for each in found)
    assert np.allclose(one, other, rtol=1e-5)


def test_a_model_that_fails_on_repeated_outputs_gets_repeated_inputs() -> None:
    class Strict(Odd):
        def forward(self, x: Tensor) -> Tensor:
            h = self.one(x)
            assert h.shape == x.shape
            return x + h  # type: ignore[no-any-return]

    found = layer(model=Strict().eval())
    assert not found._early
    assert found.losses(np.arange(2), np.arange(20)).shape == (2, 20, 4)


def test_both_names_of_a_shared_module_are_known() -> None:
    model: Any = nn.Sequential(OrderedDict(one=nn.Linear(4, 4), two=nn.ReLU()))
    model.again = model.one
    with pytest.raises(ValueError, match="name='again': this layer runs 2 times"):
        layer("again", model=model.eval())
