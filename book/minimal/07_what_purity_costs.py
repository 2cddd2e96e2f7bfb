"""What does purity cost? Networks whose units serve one output, and usual ones.

Each output is the AND of two bits, in no other output and 1 half of the time.
A unit is ablated: set to its mean.
Impurity: the share of the rise of all losses on other outputs than each unit's own.
"""

import numpy as np
import torch

torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: one core is fastest
p, m, lr, steps, networks = 0.5, 64, 4e-3, 3000, 16
sizes = (32, 32, m), (32, 1, m), (m, m, 16), (m, 1, 16)
write = torch.eye(16).repeat(m // 16, 1)  # unit j serves output j mod 16


def draw(size):  # bits 2t and 2t + 1 make output t
    x = (torch.rand(networks, size, 32) < p).float()
    return x, x[..., ::2] * x[..., 1::2]


for low, M1, M2 in (0, write.T.repeat_interleave(2, 0), write), (-1, 1, 1):
    start = [torch.empty(networks, *s).uniform_(low, 1) / d**0.5 for d, *s in sizes]
    W1, b1, W2, b2 = parts = [part.requires_grad_() for part in start]
    adam = torch.optim.Adam(parts, lr=lr)
    for step in range(steps + 1):
        adam.param_groups[0]["lr"] = lr * (1 - step / steps)
        x, y = draw(256 if step < steps else 20_000)
        h, V = torch.relu(x @ (W1 * M1) + b1), W2 * M2  # the mask keeps a unit pure
        e = h @ V + b2 - y
        adam.zero_grad(), e.square().mean((1, 2)).sum().backward(), adam.step()
    d = h.mean(1, keepdim=True) - h
    gain = 2 * V * (d.mT @ e) + V**2 * d.square().sum(1)[..., None]
    pi = (1 - gain.amax(2).sum(1) / gain.sum((1, 2))).detach().numpy()
    means = np.random.default_rng(0).choice(pi, (10_000, networks)).mean(1)
    a, b = np.percentile(means, [2.5, 97.5])
    loss = e.square().mean() / (p - p * p) ** 2
    print(f"Loss: {loss:.6f} times that of the best linear model")
    print(f"Impurity: {pi.mean():.3f}, 95 % interval {a:.3f} to {b:.3f}")
