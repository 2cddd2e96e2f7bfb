import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poly import checks
from poly.checks import tensors

pytestmark = pytest.mark.usefixtures("unchecked")

NOT_NUMBERS = [math.nan, math.inf, -math.inf, None, "1", b"1", True, 1j, [1.0], 10**400]


@pytest.mark.parametrize("value", [1, 7, np.int64(7), torch.tensor(7)])
def test_count_accepts_whole_numbers(value: Any) -> None:
    found = checks.count("n", value)
    assert type(found) is int
    assert found == int(value)


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", None, True, math.nan, np.float64(2)])
def test_count_names_what_it_rejects(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^n=.*: must be a whole number ≥ 1$") as caught:
        checks.count("n", value)
    assert repr(value) in str(caught.value)


def test_count_has_a_lower_bound_of_its_own() -> None:
    assert checks.count("steps", 0, at_least=0) == 0
    assert checks.count("steps", 3, at_least=3) == 3
    with pytest.raises(ValueError, match=r"^steps=2: must be a whole number ≥ 3$"):
        checks.count("steps", 2, at_least=3)


@pytest.mark.parametrize("value", [1, 0.5, 1e300, np.float32(2), torch.tensor(3.0)])
def test_numbers_become_floats(value: Any) -> None:
    for check in (checks.nonnegative, checks.positive, checks.finite):
        found = check("x", value)
        assert type(found) is float
        assert found == value


def test_zero_and_negative_numbers() -> None:
    assert checks.nonnegative("x", 0) == 0
    assert checks.finite("x", -2) == -2
    with pytest.raises(ValueError, match=r"^x=0: must be a finite number > 0$"):
        checks.positive("x", 0)
    with pytest.raises(ValueError, match=r"^x=-1e-300: must be a finite number ≥ 0$"):
        checks.nonnegative("x", -1e-300)
    with pytest.raises(ValueError, match=r"^x=-1: must be a finite number > 0$"):
        checks.positive("x", -1)


@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_what_is_no_finite_number_is_rejected(value: Any) -> None:
    for check, allowed in (
        (checks.nonnegative, "a finite number ≥ 0"),
        (checks.positive, "a finite number > 0"),
        (checks.finite, "a finite number"),
    ):
        with pytest.raises(ValueError, match=f": must be {allowed}$") as caught:
            check("sigma", value)
        assert str(caught.value).startswith(f"sigma={value!r}: ")


def test_one_of_lists_the_choices() -> None:
    checks.one_of("noise", None, (None, "bipolar"))
    checks.one_of("noise", "bipolar", (None, "bipolar"))
    with pytest.raises(ValueError, match=r"^noise='pink': must be one of None, 'bipolar'$"):
        checks.one_of("noise", "pink", (None, "bipolar"))


@given(st.lists(st.floats(0, 1e9), unique=True).map(sorted))
def test_increasing_keeps_the_times(times: list[float]) -> None:
    assert checks.increasing("at", times) == times
    if times:
        assert checks.increasing("at", times, last=times[-1]) == times


@pytest.mark.parametrize(
    ("times", "last", "message"),
    [
        ([0, 2, 1], None, r"^at: must increase, but 1 follows 2$"),
        ([0, 1, 1], None, r"^at: must increase, but 1 follows 1$"),
        ([-1], None, r"^at=-1: must be a finite number ≥ 0$"),
        ([0, math.nan], None, r"^at=nan: must be a finite number ≥ 0$"),
        ([0, math.inf], None, r"^at=inf: must be a finite number ≥ 0$"),
        ([0, 3.5], 3, r"^at: 3\.5 lies beyond the end of the run at 3$"),
    ],
)
def test_increasing_rejects(times: list[float], last: float | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checks.increasing("at", times, last)


def test_array() -> None:
    found = checks.array("t", [1, 2])
    assert found.dtype == np.float64
    assert found.tolist() == [1, 2]
    same = np.arange(3.0)
    assert checks.array("t", same) is same


def test_array_takes_a_tensor_that_requires_grad() -> None:
    assert checks.array("t", torch.ones(2, requires_grad=True)).tolist() == [1, 1]


@pytest.mark.parametrize("value", [10**101, 10**6000], ids=["hundred", "thousands"])
def test_a_count_that_no_float_holds_is_too_large(value: int) -> None:
    assert checks.count("n", 10**100) == 10**100
    with pytest.raises(ValueError, match=r"^n: is too large, must be at most 1e100$"):
        checks.count("n", value)


def test_counts_names_the_one_that_is_wrong() -> None:
    checks.counts(n=1, m=2)
    with pytest.raises(ValueError, match=r"^m=0: must be a whole number ≥ 1$"):
        checks.counts(n=1, m=0)


def test_lists_of_parameters_are_checked_through_and_never_empty() -> None:
    checks.counts(shapes=[[1, 2], (3, 4)])
    checks.nonnegatives(l1s=[0.0, 1], l1=0)
    with pytest.raises(ValueError, match=r"^shapes\[1\]\[0\]=0: must be a whole number ≥ 1$"):
        checks.counts(shapes=[[1, 2], [0, 4]])
    with pytest.raises(ValueError, match=r"^l1s\[1\]=-1: must be a finite number ≥ 0$"):
        checks.nonnegatives(l1s=[0.0, -1])
    with pytest.raises(ValueError, match=r"^scale=0: must be a finite number > 0$"):
        checks.positives(step=0.5, scale=0)
    with pytest.raises(ValueError, match=r"^l1s=\[\]: must hold at least one number$"):
        checks.nonnegatives(l1s=[])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.increasing("at", 0.5), r"^at=0\.5: must be a sequence of numbers$"),  # type: ignore[arg-type]
        (lambda: checks.increasing("at", None), r"^at=None: must be a sequence of numbers$"),  # type: ignore[arg-type]
        (lambda: checks.function("observe", 3), r"^observe=3: must be a function$"),
        (lambda: tensors.floating("float32"), r"^dtype=float32: must be a floating-point dtype$"),  # type: ignore[arg-type]
        (lambda: tensors.device("moon"), r"^device='moon': must be a device of this machine, such as 'cpu'$"),
        (lambda: tensors.device("cuda:77"), r"^device='cuda:77': must be a device of this machine"),
        (lambda: tensors.device(object()), r"^device=<object.*: must be a device of this machine"),
        (lambda: tensors.weights(torch.eye(3).to_sparse()), r"^W: has layout torch\.sparse_coo, must be dense$"),
    ],
)
def test_things_of_another_kind(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
    assert tensors.device("cpu") == torch.device("cpu")
    checks.function("observe", len)


@pytest.mark.parametrize(
    "values", ["abc", [1, [2]], 1j, object(), [10**400], ["1.0"], np.array(["2020-01-01"], "M8[D]"), [1 + 0j]]
)
def test_array_rejects_what_is_no_array_of_numbers(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^t=.*: must be an array of real numbers"):
        checks.array("t", values)


def test_progress_is_true_false_or_none() -> None:
    with pytest.raises(ValueError, match=r"^progress='yes': must be one of None, True, False$"):
        checks.progress("yes")


@pytest.mark.parametrize("to", [np.asarray, torch.tensor])
def test_sizes_in_a_window_are_found_edges_included(to: Any) -> None:
    weights = to([0.8, -1.2, 1.0, -0.79, 1.21, 0.0, math.nan, math.inf])
    found = checks.in_window(weights)
    assert type(found) is type(weights)
    assert found.tolist() == [True, True, True, False, False, False, False, False]
    assert checks.in_window(weights, (0, 0.79)).tolist() == [False, False, False, True, False, True, False, False]
    with pytest.raises(ValueError, match=r"^near=\(2, 1\): must be a pair 0 ≤ low ≤ high$"):
        checks.in_window(weights, (2, 1))


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({}, ""),
        ({"network": []}, ""),
        ({"network": (1, 2)}, " in instance 1, 2"),
        ({"network": "setting 3"}, " in setting 3"),
        ({"network": [4], "step": 0}, " in instance 4 by step 0"),
    ],
)
def test_the_error_of_a_run_that_diverges_says_where_it_is_known(given: dict[str, Any], where: str) -> None:
    assert str(checks.diverged(0.5, **given)) == f"lr=0.5: the weights stopped being finite{where}, must be smaller"
    assert str(checks.diverged(0.5, besides=" (or l1=2.0)")).startswith("lr=0.5 (or l1=2.0): the weights stopped")


@pytest.mark.parametrize(
    ("check", "allowed", "refused", "must"),
    [
        (checks.below_one, (0, 0.5, np.float32(0.5)), (1, -0.1), "≥ 0 and < 1"),
        (checks.probability, (1e-300, 0.5), (0, 1), "> 0 and < 1"),
        (checks.share, (0, 0.5, 1), (1.1, -0.1), "≥ 0 and ≤ 1"),
    ],
)
def test_numbers_between_zero_and_one(check: Any, allowed: Any, refused: Any, must: str) -> None:
    for value in allowed:
        assert check("x", value) == value
        assert type(check("x", value)) is float
    for value in (*refused, math.nan, math.inf, "0.5", True, None):
        with pytest.raises(ValueError, match=f"^x={value!r}: must be a number {must}$"):
            check("x", value)


def test_settings_of_one_run_or_of_several() -> None:
    class Config:
        def __init__(self, steps: int) -> None:
            self.steps = steps

        def __repr__(self) -> str:
            return "Config"

    one, other = Config(3), Config(3)
    assert checks.configs(one, Config) == [one]
    assert checks.configs((one, other), Config) == [one, other]
    for config, said in (
        ([], r"config=\[\]: must hold at least one Config"),
        ([one, 3], "config=3: must be a Config, or a list of them"),
        ([one, Config(2)], r"config: has steps \[2, 3\], must be equal"),
    ):
        with pytest.raises(ValueError, match=f"^{said}$"):
            checks.configs(config, Config)
