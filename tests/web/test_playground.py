"""The playground's bundle: its physics is the book's, its random numbers have the right law, its links are checked.

The committed bundle runs in the Node that comes with the test packages; no browser is needed here.
"""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

import playground_reference as reference
from poly import metrics, model, noise, theory, training
from poly.press.typeset.node import run as node

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "book" / "assets" / "playground" / "playground.js"


def ask(script: str, **values: Any) -> Any:
    """Run a script that sees the bundle as ``playground`` and these values; return what it returns."""
    known = "".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
    text = f"{BUNDLE.read_text(encoding='utf-8')}\n{known}console.log(JSON.stringify((() => {{ {script} }})()));"
    return node(text)


STEPS = """
  const n = W.length, m = W[0].length;
  const network = new playground.Network(n, m, Float64Array.from(W.flat()));
  for (let t = 0; t < steps; t++) network.step(settings, xi.length ? Float64Array.from(xi[t]) : null);
  return Array.from({length: n}, (_, i) => Array.from(network.W.subarray(i * m, (i + 1) * m)));
"""


def trained(start: torch.Tensor, settings: reference.Training, steps: int, xi: torch.Tensor | None) -> np.ndarray:
    """Return the weights that the page's bundle trains."""
    words = settings._asdict()
    words["weightDecay"] = words.pop("weight_decay")
    drawn = [] if xi is None else xi.tolist()
    return np.array(ask(STEPS, W=start.tolist(), settings=words, steps=steps, xi=drawn))


@functools.cache
def start(n: int, m: int, seed: int = 0) -> torch.Tensor:
    return model.init(n, m, generator=torch.Generator().manual_seed(seed))[0]


@pytest.mark.parametrize(("family", "sigma"), [(None, 0.0), ("bipolar", 0.1), ("gaussian", 0.1)])
@pytest.mark.parametrize(("n", "m"), [(6, 10), (8, 16)])
def test_two_thousand_steps_are_those_of_plain_loops(n: int, m: int, family: noise.Family | None, sigma: float) -> None:
    settings = reference.Training("sgd", lr=0.05, l1=0.02 if family is None else 0.0)
    xi = None
    if family:
        xi = sigma * noise.draw(family, (2000, m), generator=torch.Generator().manual_seed(1))
    state = reference.start(start(n, m).tolist())
    for t in range(2000):
        state = reference.step(state, settings, [] if xi is None else xi[t].tolist())
    found = trained(start(n, m), settings, 2000, xi)
    np.testing.assert_allclose(found, state.W, rtol=0, atol=1e-9)
    moved = np.abs(found - start(n, m).numpy()).max()
    assert moved > 0.3  # something has happened


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_steps_are_those_of_the_book(optimizer: Any) -> None:
    settings = reference.Training(optimizer, lr=0.02 if optimizer == "sgd" else 1e-3, l1=0.01, weight_decay=0.01)
    config = training.TrainConfig(steps=300, **settings._asdict())
    ours = training.train(start(12, 24), config, generator=torch.Generator(), progress=False).W
    np.testing.assert_allclose(trained(start(12, 24), settings, 300, None), ours, rtol=0, atol=1e-9)


def test_adamw_has_the_winners_and_counts_of_plain_loops_and_of_the_book() -> None:
    settings = reference.Training("adamw", lr=1e-3, l1=0.01, weight_decay=0.01)
    found = torch.from_numpy(trained(start(8, 12, seed=4), settings, 4000, None))
    state = reference.start(start(8, 12, seed=4).tolist())
    for _ in range(4000):
        state = reference.step(state, settings, [])
    config = training.TrainConfig(steps=4000, **settings._asdict())
    ours = training.train(start(8, 12, seed=4), config, generator=torch.Generator(), progress=False).W
    for W in (torch.tensor(state.W, dtype=torch.float64), ours):
        assert metrics.winners(found).tolist() == metrics.winners(W).tolist()
        assert metrics.polysemantic_neurons(found) == metrics.polysemantic_neurons(W)
    assert metrics.polysemantic_neurons(found) > 0


def test_forces_favorites_and_counts_are_those_of_the_book() -> None:
    config = training.TrainConfig(optimizer="sgd", lr=0.1, l1=0.02, steps=1500)
    W = training.train(start(16, 20), config, generator=torch.Generator(), progress=False).W
    for weights in (start(16, 20), W):
        found = ask(
            """
            const W = Float64Array.from(rows.flat()), n = rows.length, m = rows[0].length;
            const every = (force) => rows.map((_, i) => Array.from(playground.forces(W, n, m, 0.02, i)[force]));
            const now = playground.favorites(W, n, m);
            const [benefit, interference] = [every("benefit"), every("interference")];
            return {benefit, interference, regularization: every("regularization"),
                    winners: now.map(({neuron}) => neuron), count: playground.polysemanticNeurons(W, n, m)};
            """,
            rows=weights.tolist(),
        )
        for name, force in model.forces(weights, 0.02)._asdict().items():
            np.testing.assert_allclose(found[name], force, atol=1e-12)
        assert found["winners"] == metrics.winners(weights).tolist()
        assert found["count"] == metrics.polysemantic_neurons(weights)
    assert found["count"] > 0
    laws = ask("return playground.expected(64, 256)")
    assert laws["paper"] == theory.polysemantic_neurons(64, 256)
    assert laws["slots"] == pytest.approx(theory.slots(64, 256).mean())


def test_logarithm_and_normal_quantile_are_right_to_the_last_digits() -> None:
    p = np.concatenate([np.geomspace(1e-16, 0.5, 400), 1 - np.geomspace(1e-10, 0.5, 400)])
    found = ask("return {ln: p.map(playground.ln), quantile: p.map(playground.quantile)}", p=p.tolist())
    np.testing.assert_allclose(found["ln"], np.log(p), rtol=4e-15, atol=1e-16)
    np.testing.assert_allclose(found["quantile"], stats.norm.ppf(p), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("family", list(noise.EXCESS_KURTOSIS))
def test_noise_has_the_law_of_its_family(family: noise.Family) -> None:
    script = "const r = new playground.Random(7, 3); return Array.from({length: 40000}, () => playground.draw(f, r))"
    found = np.array(ask(script, f=family))
    ours = noise.draw(family, (40_000,), generator=torch.Generator().manual_seed(0)).numpy()
    assert stats.ks_2samp(found, ours).pvalue > 1e-4
    assert found.mean() == pytest.approx(0, abs=5 / 200)
    assert found.var() == pytest.approx(1, abs=0.06)


def test_uniform_numbers_are_uniform_and_streams_independent() -> None:
    script = """return [[1, 1], [1, 2], [2, 1]].map(([seed, stream]) => {
      const r = new playground.Random(seed, stream); return Array.from({length: 20000}, () => r.uniform()) })"""
    found = np.array(ask(script))
    assert found.min() > 0
    assert found.max() < 1
    for row in found:
        assert stats.kstest(row, "uniform").pvalue > 1e-4
    assert np.abs(np.corrcoef(found) - np.eye(3)).max() < 0.04


SETUP = {"n": 8, "m": 16, "l1": 0.02, "optimizer": "adamw", "lr": 0.002, "noise": "laplace", "sigma": 0.05}
SETUP |= {"init": "random", "seed": 5}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_every_step_can_be_reached_again_exactly(optimizer: str) -> None:
    found = ask(
        """
        const run = new playground.Run(setup), seen = new Map();
        for (let t = 0; t < 4000; t++) { seen.set(run.step, Array.from(run.network.W)); run.advance(); }
        return [0, 1, 17, 500, 1023, 3999, 2048, 100].map(step => {
          run.back(step);
          while (run.step < step) run.advance();
          return run.step === step && run.network.W.every((w, at) => w === seen.get(step)[at]);
        });
        """,
        setup=SETUP | {"optimizer": optimizer},
    )
    assert found == [True] * 8


def test_weights_that_stop_being_finite_are_not_kept() -> None:
    found = ask(
        """
        const run = new playground.Run(setup);
        let steps = 0;
        while (run.advance() && steps < 5000) steps++;
        return {steps, step: run.step, finite: run.network.W.every(Number.isFinite)};
        """,
        setup=SETUP | {"optimizer": "sgd", "noise": "gaussian", "sigma": 1.0, "lr": 0.2},
    )
    assert found["finite"]
    assert found["steps"] < 5000


@pytest.mark.parametrize("kind", ["random", "deduplicated", "benign", "malign"])
def test_starts_are_as_asked(kind: str) -> None:
    script = """const run = new playground.Run(setup);
      return {W: Array.from(run.network.W), met: run.collisions, start: run.start.map(({neuron}) => neuron)}"""
    found = ask(script, setup=SETUP | {"init": kind, "n": 32, "m": 64})
    W = np.array(found["W"]).reshape(32, 64)
    assert found["start"] == np.abs(W).argmax(1).tolist()
    assert W[2:].std() == pytest.approx(1 / 8, rel=0.06)
    pairs = [each["features"] for each in found["met"]]
    if kind == "deduplicated":
        assert pairs == []
        assert len(set(found["start"])) == 32
    elif kind != "random":
        assert pairs[0] == [0, 1]
        assert found["met"][0]["opposite"] == (kind == "benign")


@pytest.mark.parametrize(("kind", "shared"), [("benign", 1), ("malign", 0)])
def test_of_a_planted_pair_opposite_signs_stay_and_equal_ones_part(kind: str, shared: int) -> None:
    script = """const run = new playground.Run(setup);
      for (let t = 0; t < 3000; t++) run.advance();
      const {W} = run.network;
      return {count: playground.polysemanticNeurons(W, 2, 12), done: playground.decided(W, 2, 12)}"""
    setup = SETUP | {"init": kind, "n": 2, "m": 12, "optimizer": "sgd", "lr": 0.1, "noise": "none", "seed": 3}
    assert ask(script, setup=setup) == {"count": shared, "done": [True, True]}


def test_a_link_gives_back_its_state() -> None:
    query = "?n=64&m=256&l1=0.001&optimizer=adamw&lr=0.001&noise=laplace&sigma=0.05"
    query += "&init=deduplicated&seed=77&step=1200&feature=63"
    assert ask(
        "const {state, faults} = playground.read(query); return [playground.write(state), faults]", query=query
    ) == [
        query,
        [],
    ]
    assert ask("return playground.write(playground.read('').state)") == ""


HOSTILE = [
    *(
        "?n=0",
        "?n=1",
        "?n=129",
        "?n=-3",
        "?n=2.5",
        "?n=1e1",
        "?n=0x10",
        "?n=",
        "?n=NaN",
        "?n=Infinity",
        "?n=٣",
        "?n= 8",
    ),
    *(
        "?m=0",
        "?m=1025",
        "?m=9999999999999999999999",
        "?l1=-0.1",
        "?l1=2",
        "?l1=1e-999",
        "?l1=1e400",
        "?l1=.",
        "?l1=--1",
    ),
    *("?lr=0", "?lr=5", "?sigma=-1", "?sigma=2", "?seed=-1", "?seed=1e6", "?seed=1.5", "?step=-1", "?step=50001"),
    *("?optimizer=adam", "?optimizer=SGD", "?noise=pink", "?init=constructor", "?init=__proto__", "?noise=toString"),
    *("?__proto__=1", "?constructor=1", "?toString=1", "?n=8&n=9", "?feature=32", "?foo=bar"),
    *(
        "?n=<script>alert(1)</script>",
        "?<img src=x onerror=alert(1)>=1",
        "?seed=javascript:alert(1)",
        "?n=%00",
        "?n=%ff",
    ),
    *("?n=128&m=1024", "?n=8%26m=9", "?n=8;m=9", "?" + "n" * 5000, "?n=" + "9" * 5000),
]


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: query[:40])
def test_a_link_of_nonsense_gives_the_default_and_says_why(query: str) -> None:
    found = ask("return [playground.read(query), playground.read('').state]", query=query)
    assert found[0]["state"] == found[1]
    assert found[0]["faults"]
    assert all(len(fault) < 200 for fault in found[0]["faults"])


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?n=8&m=16&l1=-1&seed=5", "?n=8&m=16&seed=5"),
        ("?foo=bar&n=8&n=9&step=20", "?step=20"),
        ("?n=8&feature=8&l1=0.01", "?n=8&l1=0.01"),
        ("?n=65&m=64&init=deduplicated", "?n=65"),
        ("?n=128&m=1024&noise=laplace&feature=40", "?noise=laplace"),
    ],
)
def test_what_is_understood_of_a_link_holds(query: str, kept: str) -> None:
    found = ask("const {state, faults} = playground.read(query); return [playground.write(state), faults]", query=query)
    assert found[0] == kept
    assert found[1]


def test_no_formula_is_quoted_that_expects_more_neurons_than_there_are() -> None:
    assert ask("return [playground.expected(128, 2), playground.expected(12, 5)]") == [None, None]
    assert ask("return playground.expected(64, 256)")["paper"] == 4


def test_the_bundle_is_small() -> None:
    assert BUNDLE.stat().st_size <= 100_000
