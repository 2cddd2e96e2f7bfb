"""The playground's steps in plain loops, one float64 operation after another in the order of web/src/physics.ts.

These loops are slow, and meant to be read beside that file. Tests compare the page with them and with
``poly.training``.
"""

from typing import NamedTuple

Matrix = list[list[float]]
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


class Training(NamedTuple):
    """The settings of training; the optimizer is "sgd" or "adamw"."""

    optimizer: str
    lr: float
    l1: float
    weight_decay: float = 0.0


class State(NamedTuple):
    """The weights, AdamW's moments, and the powers of its betas."""

    W: Matrix
    mean: Matrix
    square: Matrix
    beta1: float = 1.0
    beta2: float = 1.0


def start(W: Matrix) -> State:
    """Return the state before the first step."""
    return State(W, [[0.0] * len(row) for row in W], [[0.0] * len(row) for row in W])


def dot(a: list[float], b: list[float]) -> float:
    """Return the product of two vectors, added up in four sums as the page does."""
    sums = [0.0, 0.0, 0.0, 0.0]
    whole = len(a) - len(a) % 4
    for k in range(whole):
        sums[k % 4] += a[k] * b[k]
    for k in range(whole, len(a)):
        sums[0] += a[k] * b[k]
    return sums[0] + sums[1] + (sums[2] + sums[3])


def step(state: State, training: Training, xi: list[float]) -> State:
    """Return the state after one step; xi is σ times the noise that all inputs share, or empty without noise."""
    W, n, m = state.W, len(state.W), len(state.W[0])
    errors, outgoing = [[0.0] * n for _ in range(n)], [0.0] * n
    shift = [dot(W[j], xi) if xi else 0.0 for j in range(n)]
    for i in range(n):
        for j in range(i):
            overlap = dot(W[i], W[j])
            one, other = max(overlap + shift[j], 0.0), max(overlap + shift[i], 0.0)
            errors[i][j] = errors[j][i] = 2 * (one + other)
            outgoing[j] += 2 * one
            outgoing[i] += 2 * other
        own = dot(W[i], W[i]) + shift[i]
        error = 2 * (own - 1) if own > 0 else 0.0
        errors[i][i] = 2 * error
        outgoing[i] += error
    adamw = training.optimizer == "adamw"
    beta1, beta2 = (state.beta1 * BETA1, state.beta2 * BETA2) if adamw else (1.0, 1.0)
    new = State([[0.0] * m for _ in W], [row[:] for row in state.mean], [row[:] for row in state.square], beta1, beta2)
    for i in range(n):
        product = [0.0] * m
        for j in range(n):
            if errors[i][j] != 0:
                for k in range(m):
                    product[k] += errors[i][j] * W[j][k]
        for k in range(m):
            x = W[i][k]
            penalty = training.l1 if x > 0 else -training.l1 if x < 0 else 0.0
            gradient = product[k] + (outgoing[i] * xi[k] if xi else 0.0) + penalty
            if not adamw:
                new.W[i][k] = x - training.lr * (gradient + training.weight_decay * x)
                continue
            new.mean[i][k] += (1 - BETA1) * (gradient - new.mean[i][k])
            new.square[i][k] = BETA2 * new.square[i][k] + (1 - BETA2) * gradient * gradient
            scale, root = training.lr / (1 - beta1), 1 / (1 - beta2) ** 0.5
            shrunk = (1 - training.lr * training.weight_decay) * x
            new.W[i][k] = shrunk - (scale * new.mean[i][k]) / (new.square[i][k] ** 0.5 * root + EPS)
    return new
