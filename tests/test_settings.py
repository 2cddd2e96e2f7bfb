"""What a user has set for numpy and torch decides nothing: the same numbers, bit for bit."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from poly import expected_loss, flow, metrics, model, sparsify, sweep, theory, training
from poly.expected_loss import kurtosis
from poly.experiments import final_weights, neuron_sharing, noise_runs, trajectories
from poly.sweep import archive
from poly.theory import biased_slots


def generator() -> torch.Generator:
    return torch.Generator(device="cpu").manual_seed(0)


def weights() -> torch.Tensor:
    return model.init(6, 8, generator=generator())


# What no signature allows.
NONE: Any = None
ONE: Any = (1.0,)
NOISY = training.TrainConfig(optimizer="sgd", lr=0.01, steps=20, noise="gaussian", sigma=0.1)
WATCH: dict[str, Any] = {"n": 6, "m": 8, "l1": 0.01}
CALLS: dict[str, Callable[[], Any]] = {
    "init": weights,
    "loss": lambda: model.loss(weights(), 0.01),
    "flow": lambda: flow.flow(weights(), 0.01, at=[0.0, 1.0], progress=False).values[1],
    "train": lambda: training.train(weights(), NOISY, generator=generator(), progress=False).W,
    "metrics": lambda: metrics.fourth_norms(weights(), relative=True),
    "theory": lambda: theory.slots(16, 32).pmf(3),
    "sparsify": lambda: sparsify.sparsify(np.linspace(0.1, 0.4, 7), 0.01).l1_norm,
    "expected.flow": lambda: expected_loss.flow(weights(), "gaussian", 0.1, t_end=1.0).W,
    "expected.loss": lambda: expected_loss.loss(weights()[0], "bipolar", 0.1),
    "law": lambda: biased_slots.mean_ratio(16, 32, 0.01),
    "turning": lambda: kurtosis.predicted_rate(weights(), 0.1),
    "outcome": lambda: final_weights.train(**WATCH, method="flow", generator=generator()).weight,
    "follow": lambda: trajectories.trajectory(**WATCH, method="flow", records=5, generator=generator()).auc,
    "lead changes": lambda: trajectories.lead_changes(**WATCH, records=9, generator=generator()).t,
    "interference": lambda: (
        neuron_sharing.interference(**WATCH, first=0.01, last=0.3, records=3, generator=generator()).opposite_sign
    ),
    "descend": lambda: noise_runs.descend(n=3, m=3, noise="bipolar", sigma=0.1, generator=generator()).W,
}


@contextlib.contextmanager
def default_device() -> Iterator[None]:
    before = torch.get_default_device()
    torch.set_default_device("meta")  # without numbers: what is made there by mistake fails
    try:
        yield
    finally:
        torch.set_default_device(before)


@contextlib.contextmanager
def default_dtype() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if before == torch.float32 else torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


SETTINGS: dict[str, Callable[[], Any]] = {
    "numpy raises": lambda: np.errstate(all="raise"),
    "inference mode": torch.inference_mode,
    "no grad": torch.no_grad,
    "default device": default_device,
    "default dtype": default_dtype,
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("call", CALLS)
def test_settings_of_others_change_nothing(call: str, setting: str) -> None:
    before = np.asarray(CALLS[call]())
    with SETTINGS[setting]():
        np.testing.assert_array_equal(np.asarray(CALLS[call]()), before)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: biased_slots.mean_ratio(16, 32, 0.01, NONE), r"^constants=None: must be a sequence of numbers$"),
        (lambda: biased_slots.mean_ratio(16, 32, 0.01, ONE), r"^constants=\(1\.0,\): must be the pair a, b$"),
        (lambda: kurtosis.fourth_norm_rate(weights(), NONE), r"^force: "),
        (lambda: sweep.stream(NONE, 0), r"^point=None: must map the arguments of run to values$"),
        (
            lambda: archive.load_or_run("x", final_weights.count, NONE, seeds=1),
            r"^grid=None: must map the arguments of run",
        ),
    ],
)
def test_what_is_no_input_is_named(ask: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ask()
