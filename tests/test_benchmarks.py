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
