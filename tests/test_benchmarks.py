import sys
from pathlib import Path

import torch

from poly import model, training

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import textbook


def test_the_textbook_does_the_same_work() -> None:
    W = model.init(4, 6, instances=3, generator=torch.Generator().manual_seed(0))
    config = training.TrainConfig(lr=1e-3, steps=50, l1=1e-2, weight_decay=0.01)
    ours = training.train(W, config, generator=torch.Generator()).W
    torch.testing.assert_close(textbook.adamw(W, 1e-2, 50), ours, rtol=0, atol=1e-12)
    assert torch.allclose(textbook.loss(W, 1e-2), model.loss(W, 1e-2).sum(), rtol=0, atol=1e-12)


def test_the_textbook_does_the_same_noisy_work() -> None:
    W = model.init(4, 6, instances=3, generator=torch.Generator().manual_seed(0))
    noises = iter(torch.randn(20, 3, 1, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    found = textbook.sgd(W, lambda shape: next(noises).reshape(shape), 0.1, 20)
    again = W.clone()
    for xi in torch.randn(20, 3, 1, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64):
        leaf = again.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model.loss(leaf, 0.0, 0.1 * xi).sum(), leaf)
        again = again - 0.02 * gradient
    torch.testing.assert_close(found, again, rtol=0, atol=1e-12)
