"""Results that a sweep stores, and finds again."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from executors import Here
from poly import sweep
from poly.press import execute
from sweep.runs import Runs, by_hidden_state, count_calls, draw, labeled, local


def test_what_cannot_be_stored_runs_where_only_a_variable_names_a_store(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sweep.STORE, str(tmp_path / "named"))
    assert len(sweep.sweep(lambda *, n, generator: n, {"n": [2]}, seeds=2, executor=here)) == 2
    assert not list((tmp_path / "named").glob("*.npz"))
    monkeypatch.setenv(sweep.STORE, "")
    assert len(sweep.sweep(labeled, {"n": [2], "label": ["a"]}, seeds=1, executor=here)) == 1


def test_a_store_may_be_named_by_a_variable(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sweep.STORE, str(tmp_path / "named"))
    for _ in range(2):
        table = sweep.sweep(count_calls, {"n": [2, 3], "log": [str(tmp_path / "log")]}, seeds=1, executor=here)
    assert sorted((tmp_path / "log").read_text().split()) == ["2", "3"]
    assert len(list((tmp_path / "named").glob("*.npz"))) == 2
    assert table.value.between(2, 4).all()
    assert execute.STORE == sweep.STORE


# The store


def calls(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_is_stored_is_not_run_again_and_comes_back_equal(tmp_path: Path, here: Here) -> None:
    log = tmp_path / "log"
    grid: dict[str, Any] = {"n": [1, 2], "log": [str(log)]}
    first = sweep.sweep(count_calls, grid, seeds=2, executor=here, store=tmp_path / "store")
    assert calls(log) == 4
    second = sweep.sweep(count_calls, grid | {"n": [1, 2, 3]}, seeds=2, executor=here, store=tmp_path / "store")
    assert calls(log) == 6
    pd.testing.assert_frame_equal(second[:4], first)
    assert not list((tmp_path / "store").glob("*.tmp"))


@pytest.mark.parametrize("store", ["", 3, "file/below"])
def test_a_store_that_cannot_be_is_refused(store: Any, tmp_path: Path, here: Here) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    place = tmp_path / store if store == "file/below" else store
    with pytest.raises(ValueError, match=r"^store=.*must be a folder$"):
        sweep.sweep(draw, {"n": [2]}, seeds=1, executor=here, store=place)


def test_an_old_file_of_somebody_else_stays_in_the_store(tmp_path: Path, here: Here) -> None:
    mine, draft = tmp_path / "mine.tmp", tmp_path / f"{'a' * 64}.{'b' * 32}.tmp"
    for file in (mine, draft):
        file.write_text("x", encoding="utf-8")
        os.utime(file, (0, 0))
    sweep.sweep(draw, {"n": [2]}, seeds=1, executor=here, store=tmp_path)
    assert mine.exists()
    assert not draft.exists()


def test_a_draft_that_another_sweep_finishes_meanwhile_is_no_error(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / f"{'a' * 64}.{'b' * 32}.tmp"
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([gone]))
    assert len(sweep.sweep(draw, {"n": [2]}, seeds=1, executor=here, store=tmp_path)) == 1


def test_what_has_no_content_cannot_be_stored(tmp_path: Path, here: Here) -> None:
    with pytest.raises(ValueError, match=r"^run: finds <random.Random .*>, must find numbers, words, arrays or"):
        sweep.sweep(by_hidden_state, {"n": [2]}, seeds=1, executor=here, store=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "run",
    [
        lambda *, n, generator: n,
        functools.partial(draw, m=3),
        Runs().method,
        Runs(),
        local(),
    ],
    ids=["lambda", "partial", "method", "object", "within a function"],
)
def test_what_cannot_be_imported_cannot_be_stored(run: Any, tmp_path: Path, here: Here) -> None:
    with pytest.raises(ValueError, match=r"^run=.*: must be a function at the top of a module, which can be imported"):
        sweep.sweep(run, {"n": [2]}, seeds=1, executor=here, store=tmp_path)
    assert not list(tmp_path.iterdir())
    assert len(sweep.sweep(run, {"n": [2]}, seeds=1, executor=here)) == 1


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "no arrays", "no json", "other json"])
def test_a_damaged_entry_is_told_and_computed_again(tmp_path: Path, here: Here, harm: str) -> None:
    log, store = tmp_path / "log", tmp_path / "store"
    grid: dict[str, Any] = {"n": [1], "log": [str(log)]}
    expected = sweep.sweep(count_calls, grid, seeds=1, executor=here, store=store)
    (arrays,), (record,) = store.glob("*.npz"), store.glob("*.json")
    content = arrays.read_bytes()
    match harm:
        case "cut":
            arrays.write_bytes(content[:-20])
        case "flip":
            arrays.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])
        case "empty":
            arrays.write_bytes(b"")
        case "no arrays":
            arrays.unlink()
        case "no json":
            record.write_text("{")
        case "other json":
            record.write_text(json.dumps([1]))
    with pytest.warns(UserWarning, match=r"\.npz: damaged \(.*\), it is computed again"):
        found = sweep.sweep(count_calls, grid, seeds=1, executor=here, store=store)
    pd.testing.assert_frame_equal(found, expected)
    assert calls(log) == 2


def test_a_record_vouches_for_itself_and_for_its_cell(tmp_path: Path, here: Here) -> None:
    store = tmp_path / "store"
    expected = sweep.sweep(draw, {"n": [2, 3]}, seeds=1, executor=here, store=store)
    records = sorted(store.glob("*.json"))
    text = records[0].read_bytes()
    flipped = text.replace(b"largest", b"larges5")
    assert flipped != text
    records[0].write_bytes(flipped)
    with pytest.warns(UserWarning, match=r"damaged \(its record is changed, or another cell's\), it is computed again"):
        found = sweep.sweep(draw, {"n": [2, 3]}, seeds=1, executor=here, store=store)
    pd.testing.assert_frame_equal(found, expected)
    for suffix in (".json", ".npz"):
        records[0].with_suffix(suffix).write_bytes(records[1].with_suffix(suffix).read_bytes())
    with pytest.warns(UserWarning, match=r"its record is changed, or another cell's"):
        found = sweep.sweep(draw, {"n": [2, 3]}, seeds=1, executor=here, store=store)
    pd.testing.assert_frame_equal(found, expected)


SCRIPT = """
import sys, time, torch
from poly import sweep

def slow(*, n, generator):
    print("ran", file=sys.stderr)
    time.sleep(0.15)
    return torch.rand(3, generator=generator) + n

if __name__ == "__main__":
    table = sweep.sweep(slow, {"n": list(range(12))}, seeds=2, store=sys.argv[1] or None, progress=False)
    print(sum(float(row.sum()) for row in table.value).hex())
"""


def script(folder: Path, store: Path) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(path), str(store)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_killed_at_any_moment_a_sweep_goes_on_to_the_same_result(tmp_path: Path) -> None:
    whole, _ = script(tmp_path, tmp_path / "whole").communicate()
    store = tmp_path / "killed"
    for cells in (2, 9, 15):
        process = script(tmp_path, store)
        while process.poll() is None and len(list(store.glob("*.json"))) < cells:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()  # its workers hold the pipes until they see that it is gone
        time.sleep(0.3)
    done = len(list(store.glob("*.json")))
    assert 15 <= done < 24
    resumed, _ = script(tmp_path, store).communicate()
    assert resumed == whole != ""


def test_two_processes_share_a_store_and_the_work(tmp_path: Path) -> None:
    both = [script(tmp_path, tmp_path / "store") for _ in range(2)]
    (one, said), (other, said_too) = (process.communicate() for process in both)
    assert one == other != ""
    assert (said + said_too).count("ran") == 24
    assert sorted({path.suffix for path in (tmp_path / "store").iterdir()}) == [".json", ".npz"]
    assert len(list((tmp_path / "store").glob("*.json"))) == 24
