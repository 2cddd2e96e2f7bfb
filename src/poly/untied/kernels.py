"""Take steps of AdamW on one untied network, compiled.

Inputs are drawn here too, from uniform numbers that the caller hands in. Sums run over rows, one term at a time and in
one order. So no result depends on the number of threads, or on how wide the processor's vectors are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from poly.compiled import njit
from poly.training.kernels import adamw, adamw_rule

Array = NDArray[Any]  # float32 or float64, the same for all arguments of a call
_WIDE = 32  # numbers


@njit(nogil=True, error_model="numpy")
def choose(u: NDArray[np.float64], groups: int, size: int, order: NDArray[np.int64]) -> None:
    """Draw the active features of one input into the beginning of ``order``: a group by ``u[0]``, then its members.

    Args:
        u: uniform on [0, 1), (1 + active,).
        groups: how many groups of ``size`` features there are.
        order: scratch, (size,); its first ``active`` entries are the features that are on.
    """
    first = int(u[0] * groups) * size
    for k in range(size):
        order[k] = first + k
    for k in range(len(u) - 1):  # the beginning of a Fisher-Yates shuffle
        other = k + int(u[k + 1] * (size - k))
        order[k], order[other] = order[other], order[k]


@njit(nogil=True, error_model="numpy")
def advance(
    theta: Array,
    moments: Array,
    u: NDArray[np.float64],
    first: int,
    n: int,
    m: int,
    groups: int,
    lr: float,
    weight_decay: float,
    l1: float,
    rectified: bool,
) -> None:
    """Take as many steps as ``u`` has inputs for, in place, the first of them number ``first``.

    Args:
        theta: encoder (n, m), decoder (m, n) and bias (n,), one behind the other.
        moments: AdamW's, (2, len(theta)).
        u: uniform on [0, 1), (steps, batch, 1 + active).
        groups, lr, weight_decay, l1, rectified: as in ``untied.UntiedConfig``.
    """
    steps, batch, draws = u.shape
    number, size, edge = theta.dtype.type, n // groups, n * m
    encoder, decoder, bias = theta[:edge].reshape(n, m), theta[edge : 2 * edge].reshape(m, n), theta[2 * edge :]
    gradient = np.empty_like(theta)
    # Rows are filled up with zeros to whole vectors of the processor.
    wide_n, wide_m = -(-n // _WIDE) * _WIDE, -(-m // _WIDE) * _WIDE
    write, to_write = np.zeros((n, wide_m), theta.dtype), np.empty((n, wide_m), theta.dtype)  # the encoder
    spread, offset = np.zeros((wide_m, wide_n), theta.dtype), np.zeros(wide_n, theta.dtype)  # decoder and bias
    read, to_read = np.zeros((n, wide_m), theta.dtype), np.empty((n, wide_m), theta.dtype)  # the decoder, transposed
    hidden, back, output = np.empty(wide_m, theta.dtype), np.empty(wide_m, theta.dtype), np.empty(wide_n, theta.dtype)
    order, on = np.empty(size, np.int64), np.zeros(n, theta.dtype)
    zero, one, scale = number(0), number(1), number(2 / batch)
    for step in range(steps):
        write[:, :m], spread[:m, :n], read[:, :m], offset[:n] = encoder, decoder, decoder.T, bias
        gradient[:], to_write[:], to_read[:] = zero, zero, zero
        for sample in range(batch):
            choose(u[step, sample], groups, size, order)
            active = order[: draws - 1]
            for i in active:
                on[i] = one
            forward(write, spread, offset, active, m, rectified, hidden, output)
            backward(read, output, on, hidden, scale, rectified, gradient[2 * edge :], to_read, back)
            for i in active:
                on[i] = zero
                for k in range(wide_m):
                    to_write[i, k] += back[k]
        gradient[:edge].reshape(n, m)[:] = to_write[:, :m]
        gradient[edge : 2 * edge].reshape(m, n)[:] = to_read[:, :m].T
        for part, penalty in ((slice(0, 2 * edge), l1), (slice(2 * edge, len(theta)), 0.0)):
            mean, square = moments[0, part], moments[1, part]
            _update(theta[part], mean, square, gradient[part], first + step, lr, weight_decay, penalty)


@njit(nogil=True, error_model="numpy", inline="always")
def forward(
    write: Array, spread: Array, offset: Array, active: Any, m: int, rectified: bool, hidden: Array, output: Array
) -> None:
    """Compute ``h = Σ_{i active} encoder_i`` and ``h decoder + b``, the outputs before their ReLU, for one input.

    Args:
        write: (n, m'), the encoder. m' and n' are m and n, filled up with zeros.
        spread: (m', n'), the decoder.
        offset: (n'), the bias b.
        active: the features that are on.
        m: neurons.
        rectified: whether h passes a ReLU.
        hidden, output: (m') and (n'), become h and the outputs.
    """
    zero = hidden.dtype.type(0)
    hidden[:] = zero
    for i in active:
        for k in range(len(hidden)):
            hidden[k] += write[i, k]
    if rectified:
        for k in range(len(hidden)):
            hidden[k] = max(hidden[k], zero)
    output[:] = offset
    for k in range(0, m, 4):  # four rows at a time spare most of the loads and stores
        a, b, c, d = hidden[k], hidden[k + 1], hidden[k + 2], hidden[k + 3]
        for i in range(len(output)):
            first_two = output[i] + a * spread[k, i] + b * spread[k + 1, i]
            output[i] = first_two + c * spread[k + 2, i] + d * spread[k + 3, i]


@njit(nogil=True, error_model="numpy", inline="always")
def backward(
    read: Array,
    output: Array,
    on: Array,
    hidden: Array,
    scale: Any,
    rectified: bool,
    to_bias: Array,
    to_read: Array,
    back: Array,
) -> None:
    """Add one input's gradient of bias and decoder, and compute that of the hidden layer, in place.

    Args:
        read: (n, m'), the decoder, transposed.
        output: (n'), before the ReLU.
        on: (n), the input.
        hidden: (m').
        scale: the derivative of the loss by an output is ``scale (output − on)``.
        rectified: whether the hidden layer has a ReLU.
        to_bias, to_read: (n) and (n, m'); the gradients are added to them.
        back: (m'), becomes the gradient of the hidden layer before its ReLU.
    """
    zero = hidden.dtype.type(0)
    back[:] = zero
    for i in range(len(on)):
        if output[i] > zero:
            error = scale * (output[i] - on[i])
            to_bias[i] += error
            for k in range(len(hidden)):
                to_read[i, k] += error * hidden[k]
            for k in range(len(hidden)):
                back[k] += error * read[i, k]
    if rectified:
        for k in range(len(hidden)):
            back[k] = back[k] if hidden[k] > zero else zero


@njit(nogil=True, error_model="numpy")
def _update(
    theta: Array, mean: Array, square: Array, gradient: Array, step: int, lr: float, weight_decay: float, l1: float
) -> None:
    """Take one step of AdamW, with the ℓ1 penalty in the gradient, in place."""
    number = theta.dtype.type
    zero, penalty = number(0), number(l1)
    rule = adamw_rule(step, lr, weight_decay, zero)
    for k in range(len(theta)):
        x = theta[k]
        g = gradient[k] + (penalty if x > zero else zero) - (penalty if x < zero else zero)
        theta[k], mean[k], square[k] = adamw(x, g, mean[k], square[k], rule)
