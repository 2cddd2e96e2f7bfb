"""Can shared neurons be avoided by the start?

Two features can share a neuron for nothing if their weights there have opposite
signs. With positive weights only, no two features have any at the start. How many
of the usual shared neurons form all the same? The book has a smaller penalty.
"""

import numpy as np
import torch

torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: one core is fastest
n, m, networks = 32, 32, 48
l1, lr, steps = 0.02, 0.01, 20_000  # long enough that each feature keeps one weight

usual = torch.randn(networks, n, m) / m**0.5
shared = []
for start in (usual, usual.abs()):
    W = start
    for _ in range(steps):
        error = torch.relu(W @ W.mT) - torch.eye(n)  # row i: outputs for input i
        W = W - lr * 4 * error @ W  # down the gradient of Σ error²
        W = torch.nn.functional.softshrink(W, lr * l1)  # the penalty λ‖W‖₁
    large = (W.abs() > 0.8) & (W.abs() < 1.2)
    shared.append((large.sum(1) >= 2).sum(1).numpy())  # neurons with two features

drawn = np.random.default_rng(0).integers(networks, size=(10_000, networks))
before, after = (each[drawn].mean(1) for each in shared)
low, high = np.percentile(after / before, [2.5, 97.5])
print(f"{networks} networks; n = {n}, m = {m}; shared neurons in a network:")
print(f"{shared[0].mean():.2f} by usual starts, {shared[1].mean():.2f} by positive")
print("Shared neurons of positive starts, of the usual number:")
ratio = shared[1].mean() / shared[0].mean()
print(f"{ratio:.2f}, 95 % interval {low:.2f} to {high:.2f}")
