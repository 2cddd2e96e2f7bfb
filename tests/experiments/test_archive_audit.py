"""Stored sweeps after a change of code: each is named, recomputed in part, and then accepted or refused."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poly import sweep
from poly.experiments import archive_audit
from poly.sweep import archive
from poly.sweep.hashing import code_hash

MODULE = "kept_by_user"
SOURCE = """
import torch


def draw(*, n, generator):
    return {"x": SCALE * torch.rand(n, generator=generator), "k": n}


SCALE = 1.0
"""


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> Any:
    """Write this source as a module, import it, and return it."""
    (folder / f"{MODULE}.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    for name in [name for name in sys.modules if name.startswith(MODULE)]:
        monkeypatch.delitem(sys.modules, name)
    return __import__(MODULE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with one stored sweep of a module that tests can edit; sweeps run in this process."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    module = load(tmp_path, monkeypatch, SOURCE)
    archive.compute_missing(tmp_path, "a", module.draw, {"n": [3, 4]}, seeds=3, paired=(), store=None)
    return tmp_path


def audits(folder: Path) -> list[dict[str, Any]]:
    known = json.loads((folder / archive.PROVENANCE).read_text())
    return list(known["kept-a.npz"].get("audits", []))


def test_what_todays_code_made_is_not_stale(folder: Path) -> None:
    assert archive_audit.stale(folder) == []
    assert archive_audit.audit(folder) == []
    assert audits(folder) == []


def test_an_argument_may_be_several_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    source = SOURCE.replace("*, n, generator", "*, n, scales, generator")
    module = load(tmp_path, monkeypatch, source.replace("SCALE * torch", "sum(scales) * torch"))
    grid: dict[str, list[Any]] = {"n": [3], "scales": [(1.0, 2.0), (3.0, 4.0)]}
    archive.compute_missing(tmp_path, "a", module.draw, grid, seeds=3, paired=(), store=None)
    assert archive_audit.audit(tmp_path, every=True) == []
    assert [(each["cells"], each["largest"]) for each in audits(tmp_path)] == [(2, 0.0)]


def test_another_way_to_the_same_numbers_is_noted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = json.loads((folder / archive.PROVENANCE).read_text())["kept-a.npz"]["code"]
    module = load(folder, monkeypatch, SOURCE.replace("SCALE * torch", "2 * SCALE / 2 * torch"))
    (line,) = archive_audit.stale(folder)
    hashes = f"{old[:8]}, now {code_hash(module.draw)[:8]}"
    assert line == f"{folder / 'kept-a.npz'}: stale: it was made by other code ({hashes})"
    assert archive_audit.audit(folder, cells=2) == []
    (seen,) = audits(folder)
    assert (seen["old"], seen["new"]) == (old, code_hash(module.draw))
    assert (seen["cells"], seen["of"], seen["largest"]) == (2, 6, 0.0)
    assert archive_audit.stale(folder) == []


@pytest.mark.parametrize(
    ("old", "new", "largest"), [("SCALE = 1.0", "SCALE = 1.0 + 1e-7", "e-0"), ('"k": n', '"k": n + 1', "None")]
)
def test_other_numbers_are_refused_and_stay_stale(
    old: str, new: str, largest: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(folder, monkeypatch, SOURCE.replace(old, new))
    (line,) = archive_audit.audit(folder)
    assert "kept-a.npz: cells computed again differ" in line
    assert largest in line
    assert audits(folder) == []
    assert len(archive_audit.stale(folder)) == 1


def test_on_other_instructions_rounding_is_allowed_and_no_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = json.loads((folder / archive.PROVENANCE).read_text())
    known["kept-a.npz"]["capability"] = "of another processor"
    (folder / archive.PROVENANCE).write_text(json.dumps(known))
    load(folder, monkeypatch, SOURCE.replace("SCALE = 1.0", "SCALE = 1.0 + 1e-3"))
    assert len(archive_audit.audit(folder)) == 1
    load(folder, monkeypatch, SOURCE.replace("SCALE = 1.0", "SCALE = 1.0 + 3e-7"))
    assert archive_audit.audit(folder) == []
    assert 0 < audits(folder)[0]["largest"] < 1e-6


PURE = SOURCE.replace('"k": n}', '"impurity": SHIFT + torch.rand(n, generator=generator)}\n\n\nSHIFT = 0.0')


def test_on_other_instructions_the_mean_impurity_may_move_a_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    module = load(tmp_path, monkeypatch, PURE)
    archive.compute_missing(tmp_path, "a", module.draw, {"n": [3]}, seeds=3, paired=(), store=None)
    load(tmp_path, monkeypatch, PURE.replace("SHIFT = 0.0", "SHIFT = 0.05"))
    assert len(archive_audit.audit(tmp_path)) == 1
    known = json.loads((tmp_path / archive.PROVENANCE).read_text())
    known["kept-a.npz"]["capability"] = "of another processor"
    (tmp_path / archive.PROVENANCE).write_text(json.dumps(known))
    load(tmp_path, monkeypatch, PURE.replace("SHIFT = 0.0", "SHIFT = 0.2"))
    assert len(archive_audit.audit(tmp_path)) == 1
    load(tmp_path, monkeypatch, PURE.replace("SHIFT = 0.0", "SHIFT = 0.05"))
    assert archive_audit.audit(tmp_path) == []


COUNTED = SOURCE.replace('"k": n}', '"shared": n + SHIFT}\n\n\nSHIFT = 0')


@pytest.mark.parametrize(("method", "shift", "holds"), [("adamw", 1, True), ("adamw", 2, False), ("flow", 1, False)])
def test_on_other_instructions_counts_of_adamw_may_move_a_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, shift: int, holds: bool
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    module = load(tmp_path, monkeypatch, COUNTED)
    monkeypatch.setitem(archive_audit._METHODS, "draw", method)
    archive.compute_missing(tmp_path, "a", module.draw, {"n": [3]}, seeds=3, paired=(), store=None)
    known = json.loads((tmp_path / archive.PROVENANCE).read_text())
    known["kept-a.npz"]["capability"] = "of another processor"
    (tmp_path / archive.PROVENANCE).write_text(json.dumps(known))
    load(tmp_path, monkeypatch, COUNTED.replace("SHIFT = 0", f"SHIFT = {shift}"))
    assert (archive_audit.audit(tmp_path) == []) is holds


def test_a_renamed_function_is_an_error_until_its_files_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to recompute the sweep silently, which could take hours."""
    before = archive.read(folder / "kept-a.npz")
    module = load(folder, monkeypatch, SOURCE.replace("def draw", "def drawn"))
    with pytest.raises(ValueError, match=rf"kept-a\.npz: was made by {MODULE}\.draw, which does not exist"):
        archive.load_or_run(folder, module.drawn, {"n": [3, 4]}, seeds=3)
    (line,) = archive_audit.stale(folder)
    assert line.endswith(f"was made by {MODULE}.draw, which does not exist; see --rename")
    with pytest.raises(ValueError, match="no such function"):
        archive.rename(folder, f"{MODULE}.draw", f"{MODULE}.gone")
    assert archive.rename(folder, f"{MODULE}.draw", f"{MODULE}.drawn") == [folder / "kept-a.npz"]
    monkeypatch.setattr(sweep, "sweep", lambda *_, **__: pytest.fail("was run"))
    after = archive.load_or_run(folder, module.drawn, {"n": [3, 4]}, seeds=3)
    assert all(np.array_equal(a, b) for a, b in zip(before.x, after.x, strict=True))


def test_a_renamed_argument_keeps_its_draws_and_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = archive.read(folder / "kept-a.npz")
    renamed = SOURCE.replace(
        "def draw(*, n,", 'from poly import sweep\n\n\n@sweep.drawn_as(size="n")\ndef draw(*, size,'
    )
    module = load(folder, monkeypatch, renamed.replace("rand(n,", "rand(size,").replace('"k": n', '"k": size'))
    run = sweep.sweep(module.draw, {"size": [3, 4]}, seeds=3)
    read = archive.load_or_run(folder, module.draw, {"size": [3, 4]}, seeds=3)
    for found in (run, read):
        assert next(iter(found)) == "size"
        assert all(np.array_equal(a, b) for a, b in zip(before.x, found.x, strict=True))
    (row,) = run[(run["size"] == 3) & (run.seed == 1)].to_dict("records")
    again = module.draw(size=3, generator=sweep.stream({"size": 3}, 1, module.draw))
    assert np.array_equal(row["x"], again["x"])
    assert archive_audit.audit(folder) == []


def test_names_in_the_stream_are_one_each() -> None:
    with pytest.raises(ValueError, match="must have another name for each argument"):
        sweep.drawn_as(a="x", b="x")
    run = sweep.drawn_as(a="x")(lambda **_: 0)
    with pytest.raises(ValueError, match="two arguments of one name"):
        sweep.stream({"a": 1, "x": 1}, 0, run)


@pytest.mark.parametrize("text", [None, "5", "{", '{"kept-a.npz": 5}'])
def test_a_folder_without_provenance_is_told(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / archive.PROVENANCE).write_text(text)
    with pytest.raises(ValueError, match="no provenance of kept files"):
        archive_audit.stale(tmp_path)
    with pytest.raises(ValueError, match="cells=0"):
        archive_audit.audit(tmp_path, cells=0)


def test_a_kept_file_that_is_gone_is_named(folder: Path) -> None:
    (folder / "kept-a.npz").unlink()
    (line,) = archive_audit.stale(folder)
    assert line == f"{folder / 'kept-a.npz'}: stale: it is gone, and provenance.json has it"


def test_by_the_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    load(folder, monkeypatch, SOURCE.replace("SCALE = 1.0", "SCALE = 2.0"))
    monkeypatch.setattr(sys, "argv", ["audit", "--list", str(folder)])
    assert archive_audit.main() == 1
    assert "was made by other code" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["audit", str(folder / "none")])
    assert archive_audit.main() == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_renamed_result_is_renamed_in_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = archive.read(folder / "kept-a.npz")
    monkeypatch.setattr(
        "sys.argv", ["audit", "--rename", f"{MODULE}.draw", f"{MODULE}.draw", "--columns", "x=y", "--list", str(folder)]
    )
    assert archive_audit.main() == 0
    after = archive.read(folder / "kept-a.npz")
    assert list(after) == ["y" if name == "x" else name for name in before]
    assert all(np.array_equal(a, b) for a, b in zip(before.x, after.y, strict=True))


def test_a_new_name_without_an_old_one_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["audit", "--rename", f"{MODULE}.draw", "x.y", "--columns", "y", "--", str(folder)])
    assert archive_audit.main() == 1
    assert capsys.readouterr().err == "error: columns: y, must be of the form OLD=NEW\n"


def test_a_name_that_made_no_file_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["audit", "--rename", "draw", f"{MODULE}.draw", str(folder)])
    assert archive_audit.main() == 1
    assert capsys.readouterr().err.startswith("error: --rename draw: no file was made by it; give the full name")
