from typing import Any

import numpy as np
import pytest
import torch

from poly import model
from poly.training import kernels


@pytest.mark.parametrize("large", [2**13, 0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("adamw", [False, True])
def test_a_step_in_mid_run_is_torch_s_and_keeps_the_dtype(
    large: int, dtype: Any, noisy: bool, adamw: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole runs are held to torch's optimizers in test_training."""
    monkeypatch.setattr(kernels, "_LARGE", large)
    rng = np.random.default_rng(0)
    W, xi = rng.normal(size=(4, 6)).astype(dtype), rng.normal(size=(1 if noisy else 0, 6)).astype(dtype)
    W[1] = 0.0
    mean, square = rng.normal(size=(2, 4, 6)).astype(dtype) ** 2
    leaf = torch.from_numpy(W.copy()).requires_grad_()
    noise = torch.from_numpy(xi[0]) if noisy else 0.0
    (leaf.grad,) = torch.autograd.grad(model.loss(leaf, 0.3, noise), leaf)
    theirs: torch.optim.Optimizer = torch.optim.SGD([leaf], lr=0.1, weight_decay=0.2)
    if adamw:
        theirs = torch.optim.AdamW([leaf], lr=0.1, weight_decay=0.2)
        theirs.state[leaf] = {
            "step": torch.tensor(6.0),
            "exp_avg": torch.from_numpy(mean.copy()),
            "exp_avg_sq": torch.from_numpy(square.copy()),
        }
    theirs.step()
    ours, none = W.copy(), np.zeros((0, 0), dtype)
    kernels.advance(ours, mean if adamw else none, square if adamw else none, xi, 6, 7, 0.1, 0.2, 0.3)
    np.testing.assert_allclose(ours, leaf.detach().numpy(), rtol=0, atol=40 * np.finfo(dtype).eps)
    assert ours.dtype == dtype
