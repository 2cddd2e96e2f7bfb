from typing import Any

import numpy as np
import pytest
import torch

from poly import model
from poly.training import kernels


@pytest.mark.parametrize("large", [2**13, 0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize(
    ("kind", "make", "options"),
    [
        (kernels.SGD, torch.optim.SGD, {}),
        (kernels.SGD, torch.optim.SGD, {"momentum": 0.7}),
        (kernels.ADAM, torch.optim.Adam, {"betas": (0.8, 0.95), "eps": 0.01}),
        (kernels.ADAMW, torch.optim.AdamW, {}),
        (kernels.ADAMW, torch.optim.AdamW, {"betas": (0.0, 0.5), "eps": 0.1}),
    ],
)
def test_a_step_in_mid_run_is_torch_s_and_keeps_the_dtype(
    large: int,
    dtype: Any,
    noisy: bool,
    kind: int,
    make: Any,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Compare one step with torch's optimizers; test_training compares whole runs."""
    monkeypatch.setattr(kernels, "_LARGE", large)
    rng = np.random.default_rng(0)
    W, xi = rng.normal(size=(4, 6)).astype(dtype), rng.normal(size=(1 if noisy else 0, 6)).astype(dtype)
    W[1] = 0.0
    mean, square = rng.normal(size=(2, 4, 6)).astype(dtype) ** 2
    leaf = torch.from_numpy(W.copy()).requires_grad_()
    noise = torch.from_numpy(xi[0]) if noisy else 0.0
    (leaf.grad,) = torch.autograd.grad(model.loss(leaf, 0.3, noise), leaf)
    theirs = make([leaf], lr=0.1, weight_decay=0.2, **options)
    adaptive, none = kind in (kernels.ADAM, kernels.ADAMW), np.zeros((0, 0), dtype)
    if adaptive:
        theirs.state[leaf] = {
            "step": torch.tensor(6.0),
            "exp_avg": torch.from_numpy(mean.copy()),
            "exp_avg_sq": torch.from_numpy(square.copy()),
        }
    elif options:
        theirs.state[leaf] = {"momentum_buffer": torch.from_numpy(mean.copy())}
    theirs.step()
    beta1, beta2 = options.get("betas", (kernels.BETA1, kernels.BETA2))
    rule = kernels.Rule(kind, 0.1, 0.2, options.get("momentum", 0.0), beta1, beta2, options.get("eps", kernels.EPS))
    ours = W.copy()
    kernels.advance(ours, mean if adaptive or options else none, square if adaptive else none, xi, 6, 7, rule, 0.3)
    np.testing.assert_allclose(ours, leaf.detach().numpy(), rtol=0, atol=40 * np.finfo(dtype).eps)
    assert ours.dtype == dtype


@pytest.mark.parametrize("large", [2**13, 0])
def test_the_steps_that_torch_does_not_have(large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_LARGE", large)
    rng = np.random.default_rng(0)
    W, xi, none = rng.normal(size=(4, 6)), np.zeros((0, 6)), np.zeros((0, 0))
    leaf = torch.from_numpy(W.copy()).requires_grad_()
    (gradient,) = (each.numpy() for each in torch.autograd.grad(model.loss(leaf, 0.3), leaf))
    ours = W.copy()
    kernels.advance(ours, none, none, xi, 0, 1, kernels.Rule(kernels.SIGN, 0.1, 0.2), 0.3)
    np.testing.assert_allclose(ours, 0.98 * W - 0.1 * np.sign(gradient), atol=1e-14)

    mean, square = rng.normal(size=(2, 4, 6)) ** 2
    expected_mean = 0.9 * mean + 0.1 * gradient
    expected_square = 0.5 * square[:, 0] + 0.5 * (gradient**2).mean(-1)
    size = np.sqrt(expected_square / (1 - 0.5**7))[:, None] + 0.01
    expected = 0.98 * W - 0.1 * expected_mean / (1 - 0.9**7) / size
    ours = W.copy()
    kernels.advance(ours, mean, square, xi, 6, 7, kernels.Rule(kernels.ADAMW, 0.1, 0.2, 0.0, 0.9, 0.5, 0.01, True), 0.3)
    np.testing.assert_allclose(ours, expected, atol=1e-13)
    np.testing.assert_allclose(mean, expected_mean, atol=1e-14)
    np.testing.assert_allclose(square[:, 0], expected_square, atol=1e-13)
