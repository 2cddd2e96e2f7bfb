"""The chapters' experiments in 40 lines: their form, their time, and their numbers beside the laboratory's.

The laboratory computes the same quantity at the same size, from other starts. Two numbers agree if they are at most
three standard errors of their difference apart. Three such errors must be at most 45 % of the number, so that a script
without one of its forces does not pass.
"""

import ast
import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from poly import cooccurrence, flow, interventions, metrics, mlp, model, sparsify, tasks, theory, training

FOLDER = Path(__file__).parents[2] / "book" / "minimal"
SCRIPTS = sorted(FOLDER.glob("*.py"))
IDS = [script.stem for script in SCRIPTS]
LAST_LINE = re.compile(r"(?:.*: )?(\d+\.\d+), 95 % interval (\d+\.\d+) to (\d+\.\d+)")
ALLOWED = {"numpy", "torch"} | sys.stdlib_module_names
OTHER_SEED = 1000


class Number(NamedTuple):
    """A measured number and its standard error."""

    value: float
    error: float


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(OTHER_SEED)


def mean(values: Tensor | NDArray[np.float64]) -> Number:
    array = np.asarray(values, dtype=np.float64)
    return Number(float(array.mean()), float(array.std(ddof=1) / len(array) ** 0.5))


def shared_neurons() -> Number:
    start = model.init(64, 128, instances=16, generator=generator(), dtype=torch.float32)
    config = training.TrainConfig(lr=1e-3, steps=7500, l1=0.01, weight_decay=0.01)
    return mean(metrics.polysemantic_neurons(training.train(start, config, generator=generator(), progress=False).W))


@functools.cache  # the slowest, and three tests ask for it
def weights_for_which_the_threshold_is_right() -> Number:
    start = model.init(128, 128, instances=8, generator=generator())
    W = flow.flow(start, 0.02, t_end=10.0, tol=1e-4, progress=False).W  # with larger steps 0.01 more
    grows = sum(model.forces(W, 0.02), torch.zeros_like(W)) * W.sign() > 0
    theta = torch.from_numpy(theory.threshold(W.square().sum(-1).numpy(), 0.02 / 4))[..., None]
    right, alive = grows == (W.abs() > theta), W != 0
    return mean((right & alive).sum((1, 2)) / alive.sum((1, 2)))


def weights_left_over_formula() -> Number:
    m, shrink, rng = 100_000, 1e-5, np.random.default_rng(OTHER_SEED)
    t = 0.5 * np.ceil(np.geomspace(10 / m**0.5, 0.3, 40) / shrink / 0.5)
    paths = [sparsify.sparsify(rng.normal(0, m**-0.5, m), shrink, t_end=t[-1]) for _ in range(24)]
    left = np.array([path.survivors[np.searchsorted(path.t, t)] for path in paths])
    return mean(np.exp(np.log(left / theory.survivors(t, m, shrink)).mean(1)))


def count_over_formula() -> Number:
    W = flow.flow(model.init(64, 128, instances=64, generator=generator()), 0.005, progress=False).W
    return mean(metrics.polysemantic_neurons(W) / theory.polysemantic_neurons(64, 128))


def shared_by_features_with_different_favorites() -> Number:
    start = model.init(64, 256, instances=48, generator=generator())
    large = (flow.flow(start, 0.02, progress=False).W.abs() - 1).abs() <= 0.2
    pairs = (large[:, :, None] & large[:, None]).any(-1).triu(1)
    favorite = metrics.winners(start)
    apart = pairs & (favorite[:, :, None] != favorite[:, None])
    both, some = pairs.sum((1, 2)).double(), apart.sum((1, 2)).double()
    share = some.sum() / both.sum()
    return Number(share.item(), mean((some - share * both) / both.mean()).error)


def fourth_norm() -> Number:
    start = model.init(8, 16, instances=16, generator=generator(), dtype=torch.float32)
    config = training.TrainConfig(optimizer="sgd", lr=0.02, steps=40_000, noise="bipolar", sigma=0.15)
    return mean(metrics.fourth_norms(training.train(start, config, generator=generator(), progress=False).W).mean(-1))


def impurity_of_usual_training() -> Number:
    bits = np.arange(32).reshape(16, 2)
    sources = [torch.Generator().manual_seed(OTHER_SEED + k) for k in range(16)]
    streams = [tasks.AndStream(bits, 0.5, generator=source) for source in sources]
    start = mlp.init(32, 64, 16, instances=(16,), generator=generator(), dtype=torch.float32)
    config = training.FitConfig(lr=4e-3, steps=3000)
    network = training.fit(start, streams, config, generator=generator(), progress=False)
    found = []
    for stream, *parts in zip(streams, *network, strict=True):
        one = mlp.Network(*(part.double() for part in parts))
        x, y = (torch.from_numpy(part.reshape(-1, part.shape[-1])) for part in stream.draw(80, np.float64))
        gains = metrics.squared_error_gains(mlp.hidden(one, x), one.W2, mlp.output(one, x) - y)
        found.append(metrics.impurity(gains).value)
    return mean(np.array(found))


def shared_of_positive_starts() -> Number:
    usual = model.init(32, 32, instances=64, generator=generator())
    starts = (usual, interventions.same_signs(usual))
    before, after = (metrics.polysemantic_neurons(flow.flow(W, 0.02, progress=False).W).double() for W in starts)
    ratio = after.mean() / before.mean()
    return Number(ratio.item(), mean((after - ratio * before) / before.mean()).error)


def shared_where_features_meet() -> Number:
    starts, shared = model.init(12, 12, instances=192, generator=generator(), dtype=torch.float32), []
    for p in (1e-6, 0.004):
        config = cooccurrence.Config(p=p, steps=5000, lr=2e-3, batch=24, l1=0.01, weight_decay=0.0)
        ends = cooccurrence.train(starts, config, generator=generator())
        shared.append(metrics.polysemantic_neurons(ends).double())
    never, meet = shared
    ratio = meet.mean() / never.mean()
    return Number(ratio.item(), mean((meet - ratio * never) / never.mean()).error)


LABORATORY: dict[str, Callable[[], Number]] = {
    "01_two_origin_stories": shared_neurons,
    "02_three_forces": weights_for_which_the_threshold_is_right,
    "03_race_inside_a_row": weights_left_over_formula,
    "04_counting_collisions": count_over_formula,
    "05_does_the_start_decide": shared_by_features_with_different_favorites,
    "06_noise": fourth_norm,
    "07_what_purity_costs": impurity_of_usual_training,
    "08_can_it_be_avoided": shared_of_positive_starts,
    "09_beyond_the_toy": shared_where_features_meet,
}


def seconds_of_children() -> float:
    """Return the processor time of all child processes, which does not count waiting for other tests."""
    used = os.times()
    return used.children_user + used.children_system


def run(script: Path) -> str:
    """Run a script as a reader does, without the repository on the path; return what it prints."""
    before = seconds_of_children()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, script], cwd=script.parent, env=variables, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert seconds_of_children() - before <= 60
    return done.stdout


def printed(output: str) -> Number:
    """Read the number of the last line, and its standard error from a 95 % interval of at most ±20 %."""
    found = LAST_LINE.fullmatch(output.splitlines()[-1])
    assert found, f"the last line is {output.splitlines()[-1]!r}"
    value, low, high = map(float, found.groups())
    assert low <= value <= high
    assert max(high - value, value - low) <= 0.2 * value
    return Number(value, (high - low) / 2 / 1.96)


def agree(number: Number, other: Number, digits: int) -> bool:
    """Return whether two numbers differ by at most three standard errors and the rounding of the printed digits."""
    error = float(np.hypot(number.error, other.error))
    assert 3 * error <= 0.45 * other.value
    return abs(number.value - other.value) <= 3 * error + 0.5 * 0.1**digits


def decimals(output: str) -> int:
    return len(output.splitlines()[-1].rpartition(".")[2])


def test_each_story_chapter_has_one() -> None:
    assert sorted(LABORATORY) == IDS


@pytest.mark.parametrize("script", SCRIPTS, ids=IDS)
def test_short_and_plain(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 84
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        assert {name.partition(".")[0] for name in names} <= ALLOWED


@pytest.mark.parametrize("script", SCRIPTS, ids=IDS)
def test_its_number_is_the_laboratorys(script: Path) -> None:
    output = run(script)
    number, other = printed(output), LABORATORY[script.stem]()
    assert agree(number, other, decimals(output)), f"script {number}, laboratory {other}"


@pytest.mark.parametrize(
    ("stem", "right", "wrong"),
    [
        ("02_three_forces", "4 * (1 - length2) * W,", "2 * (1 - length2) * W,"),  # half of the feature benefit
        ("02_three_forces", "lr * l1)", "lr * 0.0)"),  # no penalty
        ("03_race_inside_a_row", "* w - l1)", "* w - 2 * l1)"),  # twice the penalty
        ("08_can_it_be_avoided", "usual.abs())", "usual.clone())"),  # the same start
        ("09_beyond_the_toy", "(1e-6, 0.004)", "(1e-6, 0.001)"),  # features that rarely meet
    ],
)
def test_a_planted_fault_is_found(stem: str, right: str, wrong: str, tmp_path: Path) -> None:
    text = (FOLDER / f"{stem}.py").read_text(encoding="utf-8")
    assert text.count(right) == 1
    script = tmp_path / f"{stem}.py"
    script.write_text(text.replace(right, wrong), encoding="utf-8")
    output = run(script)
    assert not agree(printed(output), LABORATORY[stem](), decimals(output))
