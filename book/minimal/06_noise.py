"""Noise: does it gather the weights of a feature on one neuron?

Without a penalty on the weights, noise is added to each of the m hidden neurons: a
coin flip of ±σ, or a Gaussian number. The fourth norm Σ w⁴ of a feature is 1 if it
has one neuron for itself. Size of the paper: n = 8 features on m = 16 neurons.
"""

import numpy as np
import torch

torch.manual_seed(0)
torch.set_num_threads(1)  # the matrices are small: one core is fastest
n, m, networks, sigma, lr, steps = 8, 16, 32, 0.15, 0.02, 40_000
identity = torch.eye(n)

W = torch.randn(2 * networks, n, m) / m**0.5
for _ in range(steps):
    noise = sigma * torch.randn(2 * networks, 1, m)
    noise[:networks] = sigma * noise[:networks].sign()  # these flip coins
    hidden = W + noise  # row i: the neurons when input i is shown
    outputs = torch.relu(hidden @ W.mT)
    error = 2 * (outputs - identity) * (outputs > 0)
    W = W - lr * (error @ W + error.mT @ hidden)  # of Σ (output − input)²

large = (W.abs() > 0.8) & (W.abs() < 1.2)
shared = (large.sum(1) >= 2).any(1)
fourth = W.pow(4).sum(-1).mean(-1).numpy()
coins, gaussian = fourth[:networks], fourth[networks:]
means = np.random.default_rng(0).choice(coins, (10_000, networks)).mean(1)
low, high = np.percentile(means, [2.5, 97.5])
print(f"{networks} networks under each noise, σ = {sigma}, {steps} steps")
print(f"Coin flips: a shared neuron in {shared[:networks].sum()} of them")
print(f"Gaussian noise: mean fourth norm {gaussian.mean():.2f}")
print("Coin flips: mean fourth norm")
print(f"{coins.mean():.3f}, 95 % interval {low:.3f} to {high:.3f}")
