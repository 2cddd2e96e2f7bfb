"""Three forces: which weights grow?

The loss is ‖ReLU(W Wᵀ) − 1‖² + λ‖W‖₁. Its gradient is a sum of three forces. For a
feature alone, a weight grows exactly if |w| > θ = (λ/4) / (1 − ‖w‖²). For how many
weights is that right when features share 128 neurons, after 10 units of time?
"""

import numpy as np
import torch
from torch.nn.functional import softshrink  # toward 0 by so much, and stop there

torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: one core is fastest
m, networks, l1, lr = 128, 16, 0.02, 0.01


def forces(W):
    """Return feature benefit, interference and the penalty for each weight."""
    overlap = torch.relu(W @ W.mT)
    length2 = W.square().sum(-1, keepdim=True)
    return 4 * (1 - length2) * W, 4 * (length2 * W - overlap @ W), -l1 * W.sign()


def share_right(n):
    """Train n features; return the share of their weights for which θ is right."""
    W = torch.randn(networks, n, m) / m**0.5
    for _ in range(1000):
        benefit, interference, _ = forces(W)
        W = softshrink(W + lr * (benefit + interference), lr * l1)
    grows = sum(forces(W)) * W.sign() > 0
    above = (1 - W.square().sum(-1, keepdim=True)) * W.abs() > l1 / 4
    alive, right = W != 0, grows == above
    return ((right & alive).sum((1, 2)) / alive.sum((1, 2))).numpy()


for n in (1, 8, 32, 128):
    share = share_right(n)
    means = np.random.default_rng(0).choice(share, (10_000, networks)).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    print(f"n = {n}: {share.mean():.3f}, 95 % interval {low:.3f} to {high:.3f}")
