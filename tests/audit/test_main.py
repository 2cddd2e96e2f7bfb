"""The command ``python -m poly.audit FILE``."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from poly.audit.__main__ import main


class Done(NamedTuple):
    """The exit code of a command, and what it printed."""

    returncode: int | str | None
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command in this process, since starting another one takes seconds."""

    def here(*arguments: Any) -> Done:
        monkeypatch.setattr(sys, "argv", ["poly.audit", *map(str, arguments)])
        try:
            code: int | str | None = main()
        except SystemExit as end:
            code = end.code
        return Done(code, *capsys.readouterr())

    return here


def stored(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    H = np.maximum(rng.standard_normal((400, 6)), 0)
    V = np.eye(3).repeat(2, axis=0)
    return {"activations": H, "weights": V, "targets": H @ V + 0.1 * rng.standard_normal((400, 3))}


def test_a_file_is_audited(tmp_path: Path) -> None:
    """Run the command in a separate process, as a user does, whose settings of matplotlib are damaged."""
    np.savez(tmp_path / "a.npz", **stored())
    (tmp_path / "matplotlibrc").write_bytes(b"font.size: \xff")
    arguments = ["a.npz", "--table", "t.csv", "--plot", "p.png", "--seed", "2"]
    found = subprocess.run(
        [sys.executable, "-m", "poly.audit", *arguments],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "no_such"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith(
        "activations: 6 units on axis -1, 6 of them live; 3 groups; 400 examples in 20 folds, seed 2\n"
    )
    assert "impurity" in found.stdout
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 7
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_whole_numbers_are_classes(run: Run, tmp_path: Path) -> None:
    arrays = stored()
    np.savez(tmp_path / "a.npz", **arrays | {"targets": arrays["targets"].argmax(axis=1), "bias": np.zeros(3)})
    found = run(tmp_path / "a.npz", "--no-rotation")
    assert found.returncode == 0, found.stderr
    assert "random directions" not in found.stdout
    against = run(tmp_path / "a.npz", "--no-rotation", "--against-rest")
    assert against.returncode == 0, against.stderr
    assert "3 groups" in against.stdout
    assert against.stdout != found.stdout
    np.savez(tmp_path / "b.npz", **arrays)
    refused = run(tmp_path / "b.npz", "--against-rest")
    assert refused.returncode == 1
    assert refused.stderr == "error: --against-rest: targets are outputs, must be classes\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": None}, "must have activations, weights, targets"),
        ({"weights": np.ones((5, 3))}, "the shapes do not fit"),
        ({"targets": np.full(400, 3)}, "targets hold 3 to 3, must be classes from 0 to 2"),
        ({"targets": np.ones(400)}, "targets have shape"),
        ({"activations": np.full((400, 6), np.nan)}, "activations must hold finite numbers"),
        ({"targets": np.array([None] * 400)}, "targets holds pickled objects"),
        ({"targets": np.array(3)}, "the shapes do not fit"),
        ({"activations": np.ones((0, 6)), "targets": np.ones((0, 3))}, "the shapes do not fit"),
    ],
)
def test_bad_files_are_refused_in_one_line(run: Run, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    arrays = {name: value for name, value in (stored() | change).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    found = run(tmp_path / "bad.npz")
    assert found.returncode == 1
    assert found.stderr.startswith("error: ")
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


def test_help_says_what_the_file_holds(run: Run) -> None:
    found = run("--help")
    assert found.returncode == 0
    assert "activations" in found.stdout
    assert "python -m poly.audit" in found.stdout
