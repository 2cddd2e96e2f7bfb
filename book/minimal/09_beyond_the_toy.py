"""Do features share neurons if inputs hold several features?

Each feature is on with probability p. Two features that share a neuron with
opposite signs cancel when both are on. How many shared neurons form when features
meet, by the number when they never do? The book's network is larger.
"""

import numpy as np
import torch

torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: one core is fastest
n, m, networks = 12, 12, 160
l1, batch, steps = 0.01, 24, 5_000
usual, shared = torch.randn(networks, n, m) / m**0.5, []
for p in (1e-6, 0.004):
    W = usual.clone()
    optimizer = torch.optim.AdamW([W], lr=2e-3, weight_decay=0.0)
    some = 1 - (1 - p) ** n  # the share of inputs that hold a feature
    for _ in range(steps):
        x = (torch.rand(networks, batch, n) < p).float()
        u = torch.rand(networks, batch, 1)  # draws the first feature that is on
        first = (torch.log1p(-some * u) / np.log1p(-p)).long().clamp(max=n - 1)
        x = x * (torch.arange(n) > first) + (torch.arange(n) == first)
        output = torch.relu(x @ W @ W.mT)
        error = 2 * some / p / batch * (output - x) * (output > 0)
        W.grad = x.mT @ (error @ W) + error.mT @ (x @ W) + l1 * W.sign()
        optimizer.step()
    large = (W.abs() > 0.8) & (W.abs() < 1.2)
    shared.append((large.sum(1) >= 2).sum(1).numpy())  # neurons with two features

drawn = np.random.default_rng(0).integers(networks, size=(10_000, networks))
never, meet = (each[drawn].mean(1) for each in shared)
low, high = np.percentile(meet / never, [2.5, 97.5])
print(f"{networks} networks; n = {n}, m = {m}, p = {p}: shared neurons, by their")
print(f"number when features never meet ({shared[0].mean():.2f} in a network):")
ratio = shared[1].mean() / shared[0].mean()
print(f"{ratio:.2f}, 95 % interval {low:.2f} to {high:.2f}")
