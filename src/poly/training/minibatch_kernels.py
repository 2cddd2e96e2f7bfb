"""Take Adam's steps on one network with a hidden layer, batch after batch, on one thread.

Let ``H = ReLU(X W₁ + b₁)``, ``A = keep ∘ H + ξ`` and ``Y = A W₂ + b₂``. From the gradient E at the output follow
``∂W₂ = Aᵀ E`` and ``∂b₂ = Eᵀ 1``. With ``F = (keep ∘ (E W₂ᵀ) + λ_h/batch) ∘ 1[H > 0]`` follow ``∂W₁ = Xᵀ F`` and
``∂b₁ = Fᵀ 1``.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from poly.compiled import njit
from poly.training.kernels import adamw, adamw_rule

Array = NDArray[Any]  # float32 or float64, the same for all arguments of a call


class Sizes(NamedTuple):
    """Numbers of inputs, hidden units and outputs. Parameters lie one after the other: W1, b1, W2, b2."""

    d: int
    m: int
    outputs: int


class Rule(NamedTuple):
    """What a step depends on beside the parameters; see ``training.FitConfig``."""

    lr: float
    steps: int
    classes: bool
    l1: float
    l1_hidden: float
    bias_decay: float


@njit(nogil=True, error_model="numpy")
def advance(
    parameters: Float[Array, " all"],
    mean: Float[Array, " all"],
    square: Float[Array, " all"],
    free: Float[Array, " all"],
    x: Float[Array, "steps batch d"],
    y: Float[Array, "steps batch outputs"],
    keep: Float[Array, "steps batch m"],
    noise: Float[Array, "steps batch m"],
    first: int,
    sizes: Any,
    rule: Any,
) -> None:
    """Take the steps ``first``, ``first`` + 1, … in place, one for each batch.

    Args:
        parameters: of the network, in the order of ``Sizes``.
        mean, square: Adam's moments.
        free: 0 for parameters that stay, 1 for all others; or of length 0 if all are free.
        x, y: inputs and targets of the batches.
        keep: factors of the hidden activations, or of length 0 without dropout.
        noise: added to the hidden activations, or of length 0 without.
        first: number of the first step, which counts from 0.
        sizes, rule: as in ``Sizes`` and ``Rule``.
    """
    d, m, outputs, batch = sizes.d, sizes.m, sizes.outputs, x.shape[1]
    ends = (d * m, d * m + m, d * m + m + m * outputs)
    gradient = np.empty_like(parameters)
    w1, b1 = parameters[: ends[0]].reshape(d, m), parameters[ends[0] : ends[1]]
    w2, b2 = parameters[ends[1] : ends[2]].reshape(m, outputs), parameters[ends[2] :]
    dw1, db1 = gradient[: ends[0]].reshape(d, m), gradient[ends[0] : ends[1]]
    dw2, db2 = gradient[ends[1] : ends[2]].reshape(m, outputs), gradient[ends[2] :]
    hidden, back = np.empty((batch, m), x.dtype), np.empty((batch, m), x.dtype)
    error = np.empty((batch, outputs), x.dtype)
    changed = np.empty((batch, m) if len(keep) or len(noise) else (0, m), x.dtype)
    for k in range(len(x)):
        np.dot(x[k], w1, hidden)
        _rectify(hidden, b1)
        active = hidden
        if len(changed):
            active = changed
            _change(hidden, keep[k : k + 1], noise[k : k + 1], changed)
        np.dot(active, w2, error)
        if rule.classes:
            _class_errors(error, b2, y[k], db2)
        else:
            _squared_errors(error, b2, y[k], db2)
        np.dot(active.T, error, dw2)
        np.dot(error, w2.T, back)
        if len(keep):
            _scale(back, keep[k])
        _through(back, hidden, rule.l1_hidden / batch, db1)
        np.dot(x[k].T, back, dw1)
        _update(parameters, mean, square, free, gradient, first + k, ends, rule)


@njit(nogil=True, error_model="numpy")
def _rectify(hidden: Array, bias: Array) -> None:
    zero = hidden.dtype.type(0)
    for i in range(hidden.shape[0]):
        for j in range(hidden.shape[1]):
            hidden[i, j] = max(hidden[i, j] + bias[j], zero)


@njit(nogil=True, error_model="numpy")
def _change(hidden: Array, keep: Array, noise: Array, changed: Array) -> None:
    """Apply dropout and noise: ``changed = keep ∘ hidden + noise``; ``keep`` and ``noise`` hold one batch or none."""
    for i in range(hidden.shape[0]):
        for j in range(hidden.shape[1]):
            changed[i, j] = hidden[i, j]
    if len(keep):
        _scale(changed, keep[0])
    if len(noise):
        for i in range(hidden.shape[0]):
            for j in range(hidden.shape[1]):
                changed[i, j] += noise[0, i, j]


@njit(nogil=True, error_model="numpy")
def _scale(values: Array, factors: Array) -> None:
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            values[i, j] *= factors[i, j]


@njit(nogil=True, error_model="numpy")
def _squared_errors(error: Array, bias: Array, y: Array, total: Array) -> None:
    """Turn outputs without bias into the gradient of the mean of ``(Y − y)²`` over batch and outputs."""
    number = error.dtype.type
    batch, outputs = error.shape
    scale = number(2 / (batch * outputs))
    total[:] = number(0)
    for i in range(batch):
        for t in range(outputs):
            error[i, t] = scale * (error[i, t] + bias[t] - y[i, t])
            total[t] += error[i, t]


@njit(nogil=True, error_model="numpy")
def _class_errors(error: Array, bias: Array, y: Array, total: Array) -> None:
    """Turn outputs without bias into the gradient of the mean of ``−Σ_t y_t log softmax(Y)_t``."""
    number = error.dtype.type
    batch, outputs = error.shape
    scale = number(1 / batch)
    total[:] = number(0)
    for i in range(batch):
        largest = number(-np.inf)
        for t in range(outputs):
            error[i, t] += bias[t]
            largest = max(largest, error[i, t])
        whole, present = number(0), number(0)
        for t in range(outputs):
            error[i, t] = np.exp(error[i, t] - largest)
            whole += error[i, t]
            present += y[i, t]
        for t in range(outputs):
            error[i, t] = scale * (present * error[i, t] / whole - y[i, t])
            total[t] += error[i, t]


@njit(nogil=True, error_model="numpy")
def _through(back: Array, hidden: Array, penalty: float, total: Array) -> None:
    """Pass a gradient through ReLUs, with that of the ℓ1 penalty on activations; sum it over examples in ``total``."""
    number = back.dtype.type
    zero, l1 = number(0), number(penalty)
    total[:] = zero
    for i in range(back.shape[0]):
        for j in range(back.shape[1]):
            back[i, j] = back[i, j] + l1 if hidden[i, j] > zero else zero
            total[j] += back[i, j]


@njit(nogil=True, error_model="numpy")
def _update(
    parameters: Array, mean: Array, square: Array, free: Array, gradient: Array, step: int, ends: Any, rule: Any
) -> None:
    """Take one step of ``torch.optim.Adam`` at the rate ``lr (1 − step/steps)``, after the decay of hidden biases."""
    number = parameters.dtype.type
    zero, l1 = number(0), number(rule.l1)
    if l1 > zero:
        for i in range(len(gradient)):
            if i < ends[0] or ends[1] <= i < ends[2]:
                x = parameters[i]
                gradient[i] += l1 if x > zero else (-l1 if x < zero else zero)
    if len(free):
        for i in range(len(gradient)):
            gradient[i] *= free[i]
    lr = rule.lr * (1 - step / rule.steps)
    if rule.bias_decay > 0:
        decay = number(1 - lr * rule.bias_decay)
        for i in range(ends[0], ends[1]):
            parameters[i] *= decay
    factors = adamw_rule(step, lr, 0.0, zero)
    for i in range(len(gradient)):
        parameters[i], mean[i], square[i] = adamw(parameters[i], gradient[i], mean[i], square[i], factors)
