"""The textbook implementation that ratios are measured against: autograd through einsums, and torch's optimizers."""

import time
from collections.abc import Callable

import torch
from torch import Tensor


def loss(W: Tensor, l1: float, xi: Tensor | float = 0.0) -> Tensor:
    """Return the sum over all instances of squared errors + λ‖W‖₁, for W (instances, n, m) and hidden noise xi."""
    n = W.shape[-2]
    x = torch.eye(n, dtype=W.dtype, device=W.device).expand(len(W), n, n)
    hidden = torch.einsum("...ibf,ifh->...ibh", x, W) + xi
    output = torch.relu(torch.einsum("...ibh,ifh->...ibf", hidden, W))
    return (output - x).square().sum() + l1 * W.abs().sum()


def adamw(W: Tensor, l1: float, steps: int, lr: float = 1e-3, weight_decay: float = 0.01) -> Tensor:
    """Train a copy of W by ``torch.optim.AdamW`` for this number of steps, and return it."""
    leaf = W.clone().requires_grad_()
    optimizer = torch.optim.AdamW([leaf], lr=lr, weight_decay=weight_decay)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(leaf, l1).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return leaf.detach()


def sgd(W: Tensor, draw: Callable[[tuple[int, ...]], Tensor], sigma: float, steps: int, lr: float = 0.02) -> Tensor:
    """Train a copy of W by ``torch.optim.SGD``, with fresh noise for every instance at every step, and return it."""
    leaf = W.clone().requires_grad_()
    optimizer = torch.optim.SGD([leaf], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        xi = sigma * draw((len(W), 1, W.shape[-1]))
        loss(leaf, 0.0, xi).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return leaf.detach()


def minibatch(m: int, x: Tensor, y: Tensor, lr: float = 3e-3) -> float:
    """Train one network of m hidden units by ``torch.nn`` on batches x (steps, batch, d); return the seconds."""
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[-1], m), torch.nn.ReLU(), torch.nn.Linear(m, y.shape[-1]))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    started = time.perf_counter()
    for inputs, targets in zip(x, y, strict=True):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return time.perf_counter() - started


def meetings(W: Tensor, p: float, l1: float, steps: int, batch: int = 64) -> Tensor:
    """Train a copy of one network W (n, m) on inputs whose features are on independently with probability p."""
    leaf = W.clone().requires_grad_()
    optimizer = torch.optim.AdamW([leaf], lr=1e-3, weight_decay=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        x = (torch.rand(batch, len(W)) < p).to(W.dtype)
        error = (torch.relu(x @ leaf @ leaf.mT) - x).square().sum(-1).mean()
        (error / p + l1 * leaf.abs().sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return leaf.detach()
