"""The race inside a row: how many weights are left?

One feature alone has m = 100,000 small random weights, as many as in the book. Each
changes by dw/dt = (1 − ‖w‖²) w − λ and drops out at 0. The paper expects that
1/(1/√m + λt)² of them are left at time t. How many times as many are there?
"""

import numpy as np

rng = np.random.default_rng(0)
m, l1, step, rows = 100_000, 1e-5, 0.5, 8
times = np.geomspace(10 / m**0.5, 0.3, 40) / l1  # λt from 0.03 to 0.3


def run_over_formula():
    """Run one race; return weights left over the formula, mean over the times."""
    w, t, ratios = np.abs(rng.normal(0, 1 / m**0.5, m)), 0.0, []
    for stop in times:
        while t < stop:
            w = w + step * ((1 - (w * w).sum()) * w - l1)
            w = w[w > 0]
            t += step
        ratios.append(w.size * (1 / m**0.5 + l1 * t) ** 2)
    return np.exp(np.log(ratios).mean())


ratios = np.array([run_over_formula() for _ in range(rows)])
means = rng.choice(ratios, (10_000, rows)).mean(1)
low, high = np.percentile(means, [2.5, 97.5])
print(f"{rows} rows of {m} weights")
print(f"left / formula: {ratios.mean():.2f}, 95 % interval {low:.2f} to {high:.2f}")
