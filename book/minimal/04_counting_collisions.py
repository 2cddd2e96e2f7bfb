"""Counting collisions: how many neurons end up with two features?

The network is one matrix W: y = ReLU(W Wᵀ x) should give back n features, one at
a time. The paper expects that n²/4m of its m neurons are shared. Here n = 64 and
m = 128, trained by gradient descent; the paper has n = 256.
"""

import numpy as np
import torch

torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: one core is fastest
n, m, networks = 64, 128, 32
l1, lr, steps = 0.005, 0.1, 8000  # long enough that each feature keeps one weight

W = torch.randn(networks, n, m) / m**0.5
for _ in range(steps):
    error = torch.relu(W @ W.mT) - torch.eye(n)  # row i: the outputs for input i
    W = W - lr * 4 * error @ W  # down the gradient of Σ error²
    W = torch.nn.functional.softshrink(W, lr * l1)  # the penalty λ‖W‖₁, exact at 0

large = (W.abs() > 0.8) & (W.abs() < 1.2)
shared = (large.sum(1) >= 2).sum(1).numpy()  # neurons with two features or more
ratio = shared / (n**2 / (4 * m))

means = np.random.default_rng(0).choice(ratio, (10_000, networks)).mean(1)
low, high = np.percentile(means, [2.5, 97.5])
print(f"{networks} networks, {n} features on {m} neurons, λ = {l1}")
print(f"{shared.mean():.1f} shared neurons; the paper expects {n**2 / (4 * m):.1f}")
print(f"count / (n²/4m): {ratio.mean():.2f}, 95 % interval {low:.2f} to {high:.2f}")
