"""Starts and exact solutions that gradient flow is compared with."""

from typing import Any

import numpy as np
import torch
from scipy import integrate, optimize
from torch import Tensor

from poly import model

f64 = torch.float64


def tensor(rows: Any) -> Tensor:
    return torch.tensor(rows, dtype=f64)


def start(n: int, m: int, instances: int = 1, seed: int = 0) -> Tensor:
    return model.init(n, m, instances=instances, generator=torch.Generator().manual_seed(seed))


def euler(W: Tensor, l1: float, t_end: float, dt: float) -> Tensor:
    """Take tiny Euler steps; a weight that would cross 0 stops there, and leaves only if other forces exceed λ."""
    w = W.numpy().copy()
    for _ in range(round(t_end / dt)):
        pull = 4 * (w - np.maximum(w @ w.T, 0) @ w)
        moved = w + dt * (pull - l1 * np.sign(w))
        leaving = dt * np.sign(pull) * np.maximum(np.abs(pull) - l1, 0)
        w = np.where(w == 0, leaving, np.where(moved * w > 0, moved, 0.0))
    return torch.from_numpy(w)


def largest_root(l1: float) -> float:
    """Return the largest root a of 4 (1 − a²) a = λ, at which a single weight is stable."""
    return float(optimize.brentq(lambda a: 4 * (1 - a * a) * a - l1, 3**-0.5, 1.0, xtol=1e-15))


# Against other integrators


def smooth_start(n: int, m: int, seed: int) -> Tensor:
    """Return weights of either sign that are far enough from 0 not to reach it for a while."""
    source = torch.Generator().manual_seed(seed)
    size = 0.2 + 0.3 * torch.rand(n, m, generator=source, dtype=f64)
    return size * (torch.randint(2, (n, m), generator=source) * 2 - 1)


def exact_smooth_flow(W: Tensor, l1: float, at: list[float]) -> Tensor:
    """Return the flow by scipy, to ten digits; fail if a weight changes sign, where the field is not smooth."""

    def field(_: float, w: Any) -> Any:
        return torch.stack(model.forces(torch.from_numpy(w).reshape(W.shape), l1)).sum(0).flatten().numpy()

    found = integrate.solve_ivp(field, (0, at[-1]), W.flatten().numpy(), t_eval=at, rtol=1e-11, atol=1e-12).y.T
    exact = torch.from_numpy(found.copy()).reshape(len(at), *W.shape)
    assert bool((exact.sign() == W.sign()).all())
    return exact


def exact_flow(W: Tensor, l1: float, t_end: float) -> tuple[Any, Any]:
    """Follow one network by DOP853 from event to event: a weight dies, goes through 0, or leaves it.

    Return the end, and when each weight died for the last time (∞: it lives).
    """
    w, died = W.numpy().copy(), np.full(W.shape, np.inf)

    def pull(w: Any) -> Any:
        return 4 * (w - np.maximum(w @ w.T, 0) @ w)

    t, forces = 0.0, pull(w)
    sign = np.where(w != 0, np.sign(w), np.where(np.abs(forces) > l1, np.sign(forces), 0.0))
    while t < t_end:
        held = sign != 0

        def field(_: float, flat: Any, sign: Any = sign, held: Any = held) -> Any:
            return np.where(held, pull(flat.reshape(W.shape)) - l1 * sign, 0.0).ravel()

        def crosses(_: float, flat: Any, sign: Any = sign, held: Any = held) -> float:
            return float(np.where(held, flat.reshape(W.shape) * sign + 1e-13, 1.0).min())

        def leaves(_: float, flat: Any, held: Any = held) -> float:
            return float(np.where(held, -1.0, np.abs(pull(flat.reshape(W.shape))) - l1).max() - 1e-11)

        crosses.terminal = leaves.terminal = True  # type: ignore[attr-defined]
        crosses.direction, leaves.direction = -1, 1  # type: ignore[attr-defined]
        found = integrate.solve_ivp(
            field, (t, t_end), w.ravel(), method="DOP853", rtol=1e-9, atol=1e-12, events=(crosses, leaves)
        )
        t, w = float(found.t[-1]), found.y[:, -1].reshape(W.shape)
        gone = held & (w * sign <= 1e-12)
        w = np.where(gone, 0.0, w)
        forces = pull(w)
        strong = np.abs(forces) > l1 - 1e-10
        sign = np.where(gone | ~held, np.where(strong, np.sign(forces), 0.0), sign)
        died = np.where(gone & ~strong, t, np.where(sign != 0, np.inf, died))
    return torch.from_numpy(w), died
