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
    with pytest.raises(PressError, match=r"claims\.json: no claims\.json of this book: 'id'$"):
        verify.verify(built, published)
