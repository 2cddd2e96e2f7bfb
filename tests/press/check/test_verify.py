import json
from pathlib import Path

import pytest

from poly.press import build
from poly.press.chapters import PressError
from poly.press.check import verify
from small_book import RECORD


def test_verify_holds_everything_against_the_published_ledger(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build.record_chapters(built, [], dry_run=False)
    capsys.readouterr()
    verify.verify(built)
    assert "1 of 1 claims held to the last digit shown, 0 moved" in capsys.readouterr().out
    assert not (built / "_build/verify/html").exists()

    published = tmp_path / "claims.json"
    published.write_text(json.dumps([RECORD | {"measured": 0.25}]), encoding="utf-8")
    verify.verify(built, published)
    assert "0 of 1 claims held to the last digit shown, 1 moved" in capsys.readouterr().out
    published.write_text(json.dumps([RECORD | {"verdict": "confirmed"}]), encoding="utf-8")
    with pytest.raises(PressError, match=r"^the verdict changed for C2$"):
        verify.verify(built, published)
    published.write_text("[{}]", encoding="utf-8")
    with pytest.raises(PressError, match=r"claims\.json: no claims\.json of this book: KeyError\('id'\)$"):
        verify.verify(built, published)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, r"--against .*claims\.json: No such file or directory$"),
        ("{", r"--against .*claims\.json: no claims\.json of this book: JSONDecodeError"),
        ('[{"id": "C1"}]', r"--against .*claims\.json: no claims\.json of this book: KeyError\('measured'\)$"),
    ],
)
def test_a_file_that_is_no_ledger_is_one_line(tmp_path: Path, text: str | None, line: str) -> None:
    path = tmp_path / "claims.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(PressError, match=line):
        verify._read(path)
