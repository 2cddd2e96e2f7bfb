from typing import Any

import numpy as np
import pytest
import torch

from poly import model, optimizers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_updates_are_torch_s_and_keep_the_dtype(dtype: Any) -> None:
    """Whole runs are held to torch's optimizers in test_training; here one step from a state in mid-run."""
    rng = np.random.default_rng(0)
    W = rng.normal(size=(4, 6)).astype(dtype)
    product = np.maximum(W @ W.T, 0) @ W
    leaf = torch.from_numpy(W.copy()).requires_grad_()
    (gradient,) = torch.autograd.grad(model.loss(leaf, 0.3), leaf)

    plain = W.copy()
    optimizers.sgd(plain.ravel(), product.ravel(), np.array((0.1, 0.2, 0.3), dtype))
    expected = W - 0.1 * (gradient.numpy() + 0.2 * W)
    np.testing.assert_allclose(plain, expected, rtol=0, atol=20 * np.finfo(dtype).eps)

    mean, square = rng.normal(size=(2, 4, 6)).astype(dtype) ** 2
    torch_optimizer = torch.optim.AdamW([leaf], lr=0.1, weight_decay=0.2)
    torch_optimizer.state[leaf] = {
        "step": torch.tensor(6.0),
        "exp_avg": torch.from_numpy(mean.copy()),
        "exp_avg_sq": torch.from_numpy(square.copy()),
    }
    leaf.grad = gradient
    torch_optimizer.step()
    numbers = (0.1 / (1 - 0.9**7), (1 - 0.999**7) ** -0.5, 1 - 0.1 * 0.2, 0.3, 1 - 0.9, 0.999, 1 - 0.999, 1e-8)
    adam = W.copy()
    optimizers.adamw(adam.ravel(), product.ravel(), mean.ravel(), square.ravel(), np.array(numbers, dtype))
    np.testing.assert_allclose(adam, leaf.detach().numpy(), rtol=0, atol=20 * np.finfo(dtype).eps)
    assert adam.dtype == dtype
