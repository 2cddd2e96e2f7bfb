import numpy as np
import pytest
import torch

from poly.training import minibatch_kernels as kernels


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("changed", [False, True])
def test_the_first_step_goes_against_the_gradient_of_autograd(classes: bool, changed: bool) -> None:
    rng = np.random.default_rng(0)
    sizes = kernels.Sizes(d=5, m=4, outputs=3)
    rule = kernels.Rule(lr=1e-3, steps=10, classes=classes, l1=0.0, l1_hidden=0.05, bias_decay=0.0)
    parameters = rng.standard_normal(5 * 4 + 4 + 4 * 3 + 3)
    before, mean, square = parameters.copy(), np.zeros_like(parameters), np.zeros_like(parameters)
    x, y = rng.standard_normal((1, 7, 5)), np.eye(3)[rng.integers(3, size=(1, 7))]
    keep, noise = rng.random((1, 7, 4)), rng.standard_normal((1, 7, 4))
    given = (keep, noise) if changed else (keep[:0], noise[:0])
    kernels.advance(parameters, mean, square, np.zeros(0), x, y, *given, 0, sizes, rule)

    flat = torch.from_numpy(before).requires_grad_()
    W1, b1, W2, b2 = torch.split(flat, [20, 4, 12, 3])
    hidden = torch.relu(torch.from_numpy(x[0]) @ W1.reshape(5, 4) + b1)
    active = hidden * torch.from_numpy(keep[0]) + torch.from_numpy(noise[0]) if changed else hidden
    output, target = active @ W2.reshape(4, 3) + b2, torch.from_numpy(y[0])
    loss = torch.nn.functional.cross_entropy(output, target) if classes else (output - target).square().mean()
    total = loss + 0.05 * hidden.sum(-1).mean()
    total.backward()  # type: ignore[no-untyped-call]
    assert flat.grad is not None
    assert np.allclose(mean, 0.1 * flat.grad.numpy(), rtol=1e-12, atol=1e-15)
    assert np.allclose(square, 0.001 * np.square(flat.grad.numpy()), rtol=1e-12, atol=1e-18)
    assert np.allclose(parameters - before, -1e-3 * np.sign(flat.grad.numpy()), atol=1e-6)
