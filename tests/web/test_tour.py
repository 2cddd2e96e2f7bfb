"""The tour of the playground: what each of its stops says holds in the run that it shows."""

import re
from typing import Any

import pytest

from web.test_playground import ask

STOPS = 5


def stop(at: int, script: str, **values: Any) -> Any:
    """Run a script that sees one stop of the tour, its state, and a new run of it; return what it returns."""
    known = "const stop = playground.TOUR[at - 1], state = playground.stateAt(stop), run = new playground.Run(state);"
    return ask(f"{known}{script}", at=at, **values)


SAYS = """
  while (run.step < stop.to) run.advance();
  const shared = playground.sharedNeurons(run), one = playground.told(shared);
  const life = one && playground.lifeOf(run, one);
  return {title: stop.title, text: stop.says({start: run.start, shared, life})};
"""


@pytest.mark.parametrize("at", range(1, STOPS + 1))
def test_a_stop_has_a_short_title_and_two_short_sentences(at: int) -> None:
    found = stop(at, SAYS)
    assert len(found["title"].split()) <= 8
    sentences = re.split(r"(?<=[.!?])\s+", found["text"])
    assert len(sentences) <= 2
    assert all(len(sentence.split()) <= 20 for sentence in sentences)


def test_opposite_signs_on_the_only_neuron_cost_nothing() -> None:
    found = stop(
        1,
        """
        const alone = new playground.Network(1, 1, run.network.W.slice(0, 1)), seen = [];
        const settings = {...state, weightDecay: 0};
        for (; run.step < stop.to; run.advance(), alone.step(settings, null)) {
          const force = [0, 1].map(i => playground.forces(run.network.W, 2, 1, state.l1, i).interference[0]);
          seen.push([...run.network.W, ...alone.W, ...force]);
        }
        return {n: state.n, m: state.m, seen, count: playground.polysemanticNeurons(run.network.W, 2, 1)};
        """,
    )
    assert (found["n"], found["m"], found["count"]) == (2, 1, 1)
    for one, other, alone, *interference in found["seen"]:
        assert (one, other) == (alone, -alone)
        assert interference == [0, 0]
    first, last = abs(found["seen"][0][0]), abs(found["seen"][-1][0])
    assert first < 0.2
    assert last > 0.95


def test_two_features_alone_begin_and_stay_on_one_neuron() -> None:
    found = stop(
        2,
        """
        const start = run.start;
        while (run.step < stop.to) run.advance();
        const {W} = run.network;
        return {n: state.n, start, end: playground.favorites(W, state.n, state.m),
          done: playground.decided(W, state.n, state.m)};
        """,
    )
    assert found["n"] == 2
    assert found["done"] == [True, True]
    assert len({each["neuron"] for each in found["start"] + found["end"]}) == 1
    for moment in ("start", "end"):
        one, other = (each["weight"] for each in found[moment])
        assert one * other < 0


def test_in_the_crowd_rows_thin_and_features_are_pushed_apart() -> None:
    found = stop(
        3,
        """
        const look = () => {
          const {W, n, m} = run.network, overlaps = [];
          for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) {
            let sum = 0;
            for (let k = 0; k < m; k++) sum += W[i * m + k] * W[j * m + k];
            overlaps.push(sum);
          }
          const feature = stop.marks({start: run.start, shared: [], life: null}).features[0];
          return {overlap: overlaps.reduce((sum, each) => sum + Math.max(0, each), 0),
            large: Array.from({length: n}, (_, i) =>
              W.subarray(i * m, (i + 1) * m).filter(w => Math.abs(w) > 0.05).length),
            push: Math.hypot(...playground.forces(W, n, m, state.l1, feature).interference)};
        };
        const first = look();
        while (run.step < stop.to) run.advance();
        return [first, look()];
        """,
    )
    first, last = found
    assert all(now < 0.35 * then for now, then in zip(last["large"], first["large"], strict=True))
    assert sum(last["large"]) < 0.15 * sum(first["large"])
    assert last["overlap"] < 0.05 * first["overlap"]
    assert first["push"] > 1  # the forces that are shown
    assert last["push"] < 0.05


def test_shared_neurons_are_counted_as_the_playground_counts() -> None:
    found = stop(
        4,
        """
        while (run.step < stop.to) run.advance();
        const {W, n, m} = run.network, shared = playground.sharedNeurons(run);
        return {text: stop.says({start: run.start, shared, life: null}), shared: shared.length,
          count: playground.polysemanticNeurons(W, n, m), paper: n * n / (4 * m),
          marks: stop.marks({start: run.start, shared, life: null}), neurons: shared.map(({neuron}) => neuron),
          done: playground.decided(W, n, m).every(Boolean)};
        """,
    )
    assert found["done"]
    assert found["shared"] == found["count"] > 0
    assert f"{found['count']} neurons are shared" in found["text"]
    assert f"n²/4m = {found['paper']:g}." in found["text"]
    assert found["marks"] == {"features": [], "neurons": found["neurons"]}


def test_another_seed_gives_another_count() -> None:
    counts = stop(
        4,
        """
        return [1, 2, 3].map(seed => {
          const other = new playground.Run({...state, seed});
          while (other.step < stop.to) other.advance();
          return playground.sharedNeurons(other).length;
        });
        """,
    )
    assert len(set(counts)) > 1


def test_the_last_stop_tells_of_two_features_that_began_apart_and_share_with_opposite_signs() -> None:
    found = stop(
        5,
        """
        const start = run.start.map(each => ({...each}));
        while (run.step < stop.to) run.advance();
        const {W, n, m} = run.network, shared = playground.sharedNeurons(run);
        const life = playground.lifeOf(run, playground.told(shared));
        return {text: stop.says({start, shared, life}), marks: stop.marks({start, shared, life}), start, shared, life,
          end: playground.favorites(W, n, m)};
        """,
    )
    one, other, k, m, neuron, shared, apart = map(int, re.findall(r"\d+", found["text"]))
    assert [found["start"][i]["neuron"] for i in (one, other)] == [k, m]
    assert k != m
    assert found["end"][one]["neuron"] == found["end"][other]["neuron"] == neuron
    assert found["end"][one]["weight"] * found["end"][other]["weight"] < -0.64
    assert found["marks"] == {"features": [one, other], "neurons": [neuron]}
    assert shared == len(found["shared"])
    assert apart == sum(each["began"][0] != each["began"][1] for each in found["shared"])
    # By the rule of the caption: the first on which neither began.
    neither = [each for each in found["shared"] if each["neuron"] not in each["began"]]
    assert neuron == neither[0]["neuron"]
    for way in found["life"]["ways"]:
        there, first = way["there"]["points"], way["first"]["points"]
        assert abs(there[0]["weight"]) < abs(first[0]["weight"])
        assert abs(there[-1]["weight"]) > 0.8
        assert abs(first[-1]["weight"]) < 0.05
        assert [point["step"] for point in there] == sorted({point["step"] for point in there})
        assert (there[0]["step"], there[-1]["step"]) == (0, 1340)


def test_the_rule_takes_a_new_neuron_first_then_different_ones_then_none() -> None:
    script = "return playground.told(all)?.neuron ?? null"
    new, moved = {"neuron": 7, "features": [0, 1], "began": [2, 3]}, {"neuron": 4, "features": [2, 3], "began": [4, 5]}
    stayed = {"neuron": 1, "features": [4, 5], "began": [1, 1]}
    assert ask(script, all=[stayed, moved, new]) == 7
    assert ask(script, all=[stayed, moved]) == 4
    assert ask(script, all=[stayed]) is None
