import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poly import perturb, sweep
from poly.experiments import archive_audit, final_weights, perturbed_archive
from poly.sweep import archive


def row(neurons: list[int], weights: list[float]) -> dict[str, Any]:
    """Return the stored form of a network whose feature i has one weight, ``weights[i]`` on ``neurons[i]``."""
    size = len(neurons)
    listed = {"feature": np.arange(size), "neuron": np.array(neurons), "weight": np.array(weights)}
    return listed | {"start": np.ones(size), "rank": np.ones(size, int)}


def test_winners_are_the_same_by_neuron_and_sign() -> None:
    before = row([0, 1, 2, 3], [1.0, 1.0, -1.0, 1.0])
    assert perturbed_archive.same_winners(before, before) == 1
    assert perturbed_archive.same_winners(before, row([0, 1, 2, 4], [1.0, 1.0, -1.0, 1.0])) == 0.75
    assert perturbed_archive.same_winners(before, row([0, 1, 2, 3], [1.0, 1.0, 1.0, 1.0])) == 0.75
    # A feature that died is one that did not stay.
    assert perturbed_archive.same_winners(before, row([0, 1], [1.0, 1.0])) == 0.5


def test_a_point_is_told_by_winners_counts_or_what_else_there_is() -> None:
    def table(*rows: dict[str, Any]) -> pd.DataFrame:
        return pd.DataFrame([{"m": 4, "seed": k} | each for k, each in enumerate(rows)])

    one, other = row([0, 0, 2], [1.0, -1.0, 1.0]), row([0, 1, 2], [1.0, -1.0, 1.0])
    found = perturbed_archive.compare_rerun("counts", "flow", {"m": 4}, table(one, one), table(one, other))
    assert found["share"] == [1.0, round(2 / 3, 6)]
    assert (found["shared"], found["other_count"], found["networks"]) == ([1.0, 0.5], 1, 2)

    counted = [table({"shared": np.array(each)}) for each in ([1, 2, 3], [1, 2, 4])]
    found = perturbed_archive.compare_rerun("4-4", "flow", {"m": 4}, *counted)
    assert (found["shared"], found["other_count"], found["networks"]) == ([2.0, 7 / 3], 1, 3)

    both = [table({"shared": np.array(each), "impurity": np.array([0.1])}) for each in ([1, 2], [3, 2])]
    found = perturbed_archive.compare_rerun("scarce", "flow", {"m": 4}, *both)
    assert (found["shared"], found["other_count"]) == ([1.5, 2.5], 1)

    shares = [table({"dead": each}) for each in (0.5, 0.25)]
    assert perturbed_archive.compare_rerun("phases", "adamw", {"m": 4}, *shares)["moved"] == {"dead": 0.25}


def test_networks_with_an_impurity_are_compared_by_the_means_of_each_arm() -> None:
    def table(*impurities: list[float]) -> pd.DataFrame:
        rows = [{"impurity": np.array(each), "loss": np.exp(np.array(each))} for each in impurities]
        return pd.DataFrame([{"m": 4, "seed": k} | each for k, each in enumerate(rows)])

    before, after = table([0.1, 0.4, np.nan], [0.3, 0.2, np.nan]), table([0.3, 0.4, np.nan], [0.1, 0.3, np.nan])
    found = perturbed_archive.compare_rerun("purity", "adam", {"m": 4}, before, after)
    assert found["networks"] == 2
    assert found["moved"] == pytest.approx({"impurity": 0.05, "ln loss": 0.05})


def test_kept_networks_are_run_again_perturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grid: dict[str, Any] = {"n": [4], "m": [8], "l1": [0.01], "networks": [2]}
    (tmp_path / "flow-runs").mkdir()
    asked: dict[str, Any] = {"run": final_weights.count, "grid": grid, "seeds": 2, "paired": ("l1",)}
    archive.save(tmp_path / "flow-runs" / "kept-a.npz", **asked, store=None)
    rows = archive.load_or_run(tmp_path / "flow-runs", **asked)
    only = perturbed_archive.Asked("a", final_weights.count, grid, ("l1",), rows)
    monkeypatch.setattr(perturbed_archive, "kept_sweeps", lambda _: [only])
    seeds: list[int | None] = []
    real = sweep.sweep

    def run(*args: Any, **options: Any) -> Any:
        seeds.append(perturb.seed())
        return real(*args, **options)

    monkeypatch.setattr(sweep, "sweep", run)
    monkeypatch.setattr(sys, "argv", ["perturbed_archive", str(tmp_path), "--seed", "5"])
    monkeypatch.setenv(perturb.VARIABLE, "")
    perturbed_archive.main()
    (point,) = json.loads((tmp_path / perturbed_archive.NAME).read_text(encoding="utf-8"))["points"]
    assert seeds == [5]
    assert (point["n"], point["m"], point["networks"]) == (4, 8, 4)
    assert point["shared"][0] == np.concatenate(rows.shared.tolist()).mean()

    # Other sweeps keep their results where only some are run.
    path = tmp_path / perturbed_archive.NAME
    whole = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(whole | {"points": [*whole["points"], {"sweep": "b"}]}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--sweeps", "a"])
    perturbed_archive.main()
    points = json.loads(path.read_text(encoding="utf-8"))["points"]
    assert sorted(each["sweep"] for each in points) == ["a", "b"]
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-1], "c"])
    with pytest.raises(SystemExit):
        perturbed_archive.main()
    assert "--sweeps c: must be one of a" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no results of perturbed runs"),
        ('{"points": [], "seed": 4}', "seed=5: the other results in .* have seed 4, must be the same"),
    ],
)
def test_results_of_others_must_be_of_the_same_perturbation(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "found.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        perturbed_archive.others(tmp_path / "found.json", ["a"], 5)


def test_every_kept_file_is_run_again() -> None:
    folder = Path(__file__).parents[2] / "book" / "data"
    every = {asked.name: asked for asked in perturbed_archive.kept_sweeps(folder)}
    names = set(every)
    files = {path.stem.removeprefix("kept-") for path in folder.glob("*-runs/*.npz")}
    assert names == files
    assert set(perturbed_archive.FEW) <= names
    points = json.loads((folder / perturbed_archive.NAME).read_text(encoding="utf-8"))["points"]
    assert {point["sweep"] for point in points} == names
    for point in points:
        assert archive_audit.method_of(every[point["sweep"]].run, point) == point["method"]
