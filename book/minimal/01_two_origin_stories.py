"""Two origin stories: neurons are shared for want of room, and by accident.

The network is one matrix W. Its n inputs go in one at a time, m neurons hold them,
and y = ReLU(W Wᵀ x) should give them back. A penalty λ‖W‖₁ keeps most weights at 0.
Here n = 64, trained as in the paper with λ = 0.01; the paper has n = 256.
"""

import numpy as np
import torch

torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: one core is fastest
n, networks, l1 = 64, 24, 0.01


def train(m):
    """Train networks with m neurons from small random weights."""
    W = torch.randn(networks, n, m) / m**0.5
    optimizer = torch.optim.AdamW([W], lr=0.001, weight_decay=0.01, fused=True)
    for _ in range(7500):
        error = torch.relu(W @ W.mT) - torch.eye(n)  # row i: outputs for input i
        W.grad = 4 * error @ W + l1 * W.sign()  # of Σ error² + λ‖W‖₁
        optimizer.step()
    return W


def count_shared(W):
    """Count the neurons that carry two features or more, in each network."""
    large = (W.abs() > 0.8) & (W.abs() < 1.2)
    return (large.sum(1) >= 2).sum(1).numpy()


narrow, wide = count_shared(train(n // 2)), count_shared(train(2 * n))
means = np.random.default_rng(0).choice(wide, (10_000, networks)).mean(1)
low, high = np.percentile(means, [2.5, 97.5])
print(f"{networks} networks of each kind, {n} features")
print(f"No room: of {n // 2} neurons, {narrow.mean():.1f} are shared.")
print(f"Room for all: of {2 * n} neurons, some are shared by accident. How many?")
print(f"shared neurons: {wide.mean():.1f}, 95 % interval {low:.1f} to {high:.1f}")
