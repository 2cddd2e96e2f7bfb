"""Test entries: values that YAML reads in another way than JSON, and fingerprints."""

import json
from pathlib import Path
from typing import Any

import pytest

from poly.press.claims import Prediction, entries, registry
from press.claims.test_claims import ALTERNATIVE, ENTRY, write

ROOT = Path(__file__).parents[3]


def loaded(folder: Path, change: dict[str, Any]) -> entries.Claim:
    write(folder, {"C1": ENTRY | change})
    return entries.load(folder / "claims.yml")["C1"]


@pytest.mark.parametrize("word", ["1e-6", "1E-6", "0.000001", "+1e-6", "0.1e-5"])
def test_a_number_may_stand_there_as_a_word(tmp_path: Path, word: str) -> None:
    claim = loaded(tmp_path, {"prediction": {"value": word, "tolerance": word, "says": word}})
    assert claim.prediction == Prediction(1e-6, 1e-6, word)


def test_an_empty_alternative_is_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"alternative": None}).alternative is None
    assert loaded(tmp_path, {"alternative": ALTERNATIVE}).alternative == Prediction(3.0, 0.25, "about 3")


def test_a_whole_number_binds_as_the_float_that_it_is(tmp_path: Path) -> None:
    whole = loaded(tmp_path, {"prediction": ENTRY["prediction"] | {"value": 1}})
    assert entries.fingerprint(whole) == entries.fingerprint(loaded(tmp_path, {}))


def test_faults_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    names = [f"C{number}" for number in range(9, 0, -1)]
    path = tmp_path / "claims.yml"
    path.write_text("".join(f"{name}: {{}}\n" for name in names), encoding="utf-8")
    with pytest.raises(ValueError, match=r"^claims\.yml, C9: field 'blind' is missing$"):
        entries.load(path)


def test_the_book_s_own_entries_are_those_that_are_bound() -> None:
    bound = json.loads((ROOT / registry.FILE).read_text(encoding="utf-8"))
    found = entries.load(ROOT / "book" / "claims.yml")
    assert {name: entries.fingerprint(found[name]) for name in bound} == {
        name: record["entry"] for name, record in bound.items()
    }
