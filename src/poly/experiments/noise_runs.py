"""Train one network under hidden noise, from start to end.

``sweep.sweep(noise_runs.noise_run, …, paired=("noise", "sigma", "method"))`` uses the same starts for all.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from poly import checks, expected_loss, metrics, model, perturb, training
from poly.expected_loss import kurtosis
from poly.noise import EXCESS_KURTOSIS

Array = NDArray[Any]
# The learning rate of the released code; one unit of t is 1/LR steps.
LR = 0.02
# The error of a step of the flow of the expected loss, relative to a weight or to 1.
_RTOL = 1e-5
# A descent ends where a step gains less than 1e-11 of the loss; in units of the machine's precision.
_FACTOR = 1e-11 / np.finfo(np.float64).eps


class NoiseRun(NamedTuple):
    """A network under noise: measurements at each recorded step, and the final weights.

    ``fourth`` is the mean over rows of ``‖W_i‖₄⁴``, and ``relative`` that of the same over ``‖W_i‖₂⁴``. ``turning`` is
    the predicted rate of change of the latter for κ = 1 (``kurtosis.predicted_rate``).
    """

    fourth: Float[Array, " at"]
    relative: Float[Array, " at"]
    turning: Float[Array, " at"]
    W: Float[Array, "n m"]


def noise_run(
    *,
    n: int,
    m: int,
    noise: Any,
    sigma: float,
    at: tuple[int, ...],
    method: str = "sgd",
    settle: float = 0.0,
    generator: torch.Generator,
) -> NoiseRun:
    """Train one network from the paper's start, with only reconstruction under hidden noise in the loss.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        noise: family of the noise, as in ``noise``; for "flow" one that ``expected_loss`` knows.
        sigma: standard deviation of the noise, > 0.
        at: steps to record, increasing; the run ends with the last one.
        method: "sgd", λ = 0 and lr 0.02 as released, a fresh draw at every step for all inputs; or "flow", the
            gradient flow of the expected loss for the same time.
        settle: units of time under the expected loss of gaussian noise before step 0, ≥ 0: lengths and overlaps find
            their values, no direction is preferred.
        generator: source of the start, then of the noise.

    Returns:
        NoiseRun.

    Raises:
        ValueError: an unknown method, no step to record, or what ``model.init``, ``training.train`` or
            ``expected_loss.flow`` refuse.

    Source: figure 5 of the paper.
    """
    checks.one_of("method", method, ("sgd", "flow"))
    checks.one_of("noise", noise, list(EXCESS_KURTOSIS))
    sigma, settle = checks.positive("sigma", sigma), checks.nonnegative("settle", settle)
    steps = [checks.count("at", step, at_least=0) for step in checks.sequence("at", at)]
    if not steps:
        raise ValueError(f"at={at!r}: must hold at least one step")
    W = model.init(n, m, generator=generator)
    if settle:
        W = expected_loss.flow(W, "gaussian", sigma, t_end=settle, rtol=_RTOL).W
    if method == "sgd":
        config = training.TrainConfig(optimizer="sgd", lr=LR, steps=steps[-1], noise=noise, sigma=sigma)
        path = training.train(W, config, generator=generator, at=steps, progress=False)
    else:
        times = [LR * step for step in steps]
        path = expected_loss.flow(W, noise, sigma, t_end=times[-1], at=times, rtol=_RTOL)
    seen = path.values[:, 0]
    return NoiseRun(
        fourth=metrics.fourth_norms(seen).mean(-1).numpy(),
        relative=metrics.fourth_norms(seen, relative=True).mean(-1).numpy(),
        turning=kurtosis.predicted_rate(seen, sigma).numpy(),
        W=path.W[0].numpy(),
    )


class Descent(NamedTuple):
    """A minimum of the expected loss: its height and the weights."""

    loss: float
    W: Float[Array, "n m"]


def descend(*, n: int, m: int, noise: Any, sigma: float, generator: torch.Generator) -> Descent:
    """Find a local minimum of the expected loss, by L-BFGS from the paper's start.

    Args, raises: as ``noise_run``, for the families that ``expected_loss`` knows.

    Returns:
        Descent.
    """
    start = perturb.start(model.init(n, m, generator=generator)[0])

    def both(w: Array) -> tuple[float, Array]:
        W: Tensor = torch.from_numpy(w.reshape(n, m))
        return expected_loss.loss(W, noise, sigma).item(), -expected_loss.forces(W, noise, sigma).numpy().ravel()

    first = start.numpy().ravel()
    x, height, _ = optimize.fmin_l_bfgs_b(both, first, factr=_FACTOR, pgtol=1e-7, maxiter=5000, maxfun=10000)
    return Descent(float(height), np.asarray(x).reshape(n, m))
