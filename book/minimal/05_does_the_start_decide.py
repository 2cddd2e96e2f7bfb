"""Does the start decide who shares a neuron?

A feature's favorite is the neuron on which its weight is largest at the start. If
the start decides, features that share a neuron at the end had the same favorite.
Gradient descent trains n = 64 features on m = 256 neurons; the book has n = 256.
"""

import numpy as np
import torch

torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: one core is fastest
n, m, networks = 64, 256, 32
l1, lr, steps = 0.02, 0.1, 3000  # long enough that each feature keeps one weight

start = torch.randn(networks, n, m) / m**0.5
W = start
for _ in range(steps):
    error = torch.relu(W @ W.mT) - torch.eye(n)  # row i: the outputs for input i
    W = W - lr * 4 * error @ W  # down the gradient of Σ error²
    W = torch.nn.functional.softshrink(W, lr * l1)  # the penalty λ‖W‖₁, exact at 0

favorite = start.abs().argmax(-1)
same_favorite = favorite[:, :, None] == favorite[:, None, :]
large = ((W.abs() > 0.8) & (W.abs() < 1.2)).float()
share = (large @ large.mT).triu(1) > 0  # pairs of features on one neuron at the end
pairs = share.sum((1, 2)).numpy()
strangers = (share & ~same_favorite).sum((1, 2)).numpy()

drawn = np.random.default_rng(0).integers(networks, size=(10_000, networks))
shares = strangers[drawn].sum(1) / pairs[drawn].sum(1)
low, high = np.percentile(shares, [2.5, 97.5])
print(f"{networks} networks, {pairs.sum()} shared neurons; n = {n}, m = {m}")
print("Share of them whose two features had different favorites at the start:")
print(f"{strangers.sum() / pairs.sum():.2f}, 95 % interval {low:.2f} to {high:.2f}")
