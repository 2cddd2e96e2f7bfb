from pathlib import Path
from typing import Any

import pytest

from poly.press import claims
from poly.press.chapters import PressError
from poly.press.claims import Prediction, registry
from press.claims.test_ledger import LEDGER, record


def test_an_entry_changes_with_a_new_amendment_only() -> None:
    before = record("B")
    looser = LEDGER["B"]._replace(prediction=Prediction(1.0, 0.9, "1"))
    assert registry.unamended_change(looser, before)
    assert not registry.unamended_change(looser._replace(amended="2026-02-03: the tolerance was too strict"), before)
    assert not registry.unamended_change(
        LEDGER["B"]._replace(chapter="09-last"), before
    )  # another page, the same claim
    first = "2026-02-03: first"
    again = before | {"entry": claims.fingerprint(looser), "amended": first}
    for amended in (first, f"{first}.", "", "2026-02-03: other; 2026-02-04: second"):
        assert registry.unamended_change(LEDGER["B"]._replace(amended=amended), again)
    assert registry.unamended_change(looser._replace(amended=""), again)
    assert not registry.unamended_change(LEDGER["B"]._replace(amended=f"{first}; 2026-02-04: second"), again)


def test_bound_entries_stay(tmp_path: Path) -> None:
    assert registry.violations(tmp_path, LEDGER) == []
    registry.store_fingerprints(tmp_path, LEDGER)
    assert registry.violations(tmp_path, LEDGER) == []
    renamed = {"Z" if name == "B" else name: claim for name, claim in LEDGER.items()}
    (line,) = registry.violations(tmp_path, renamed)
    assert line.startswith("claim B: was registered and is gone")
    registry.store_fingerprints(tmp_path, renamed)
    assert set(registry.read(tmp_path)) == {*LEDGER, "Z"}
    looser = LEDGER | {"B": LEDGER["B"]._replace(prediction=Prediction(1.0, 0.9, "1"))}
    assert [line[:8] for line in registry.violations(tmp_path, looser) if "changed" in line] == ["claim B:"]
    (tmp_path / registry.FILE).write_text('{"B": 3}', encoding="utf-8")
    with pytest.raises(PressError, match=r"^book/data/registered\.json: not the list of registered claims"):
        registry.read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"statement": "It is two."},
        {"prediction": Prediction(1.0, 0.6, "1")},
        {"prediction": Prediction(1.1, 0.5, "1")},
        {"alternative": Prediction(2.0, 0.5, "2")},
        {"test": "look twice"},
        {"expected": "open"},
        {"blind": False},
        {"digits": 3},
        {"registered": "2026-01-03"},
    ],
)
def test_whatever_binds_an_entry_is_in_its_fingerprint(change: dict[str, Any]) -> None:
    assert claims.fingerprint(LEDGER["A"]._replace(**change)) != claims.fingerprint(LEDGER["A"])
