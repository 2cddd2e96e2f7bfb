"""Check that no registered entry is removed, and that none changes without a dated amendment.

``book/data/registered.json`` holds a fingerprint of each entry, and its amendments. They are as they were when the
chapters were last recorded.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from poly.press import claims
from poly.press.chapters import PressError, atomic_write
from poly.press.claims import Claim, Record

FILE = Path("book") / "data" / "registered.json"


def unamended_change(claim: Claim, record: Record) -> str:
    """Report that an entry has changed since it was checked, without a new amendment; else return an empty text."""
    before = str(record.get("amended", ""))
    if not claim.amended.startswith(before):
        return f"claim {claim.id}: its field amended has changed, must begin with {before!r}"
    if record.get("entry") in (None, claims.fingerprint(claim)):
        return ""
    if len(claims.amendments(claim.amended)) > len(claims.amendments(before)):
        return ""
    return f"claim {claim.id}: its entry has changed since it was checked; say when and why in its field amended"


def read(root: Path) -> dict[str, Record]:
    """Read the fingerprints and amendments that were last recorded. Claims never leave this list.

    Raises:
        PressError: the file is not such a list.
    """
    path = root / FILE
    if not path.is_file():
        return {}
    try:
        return {name: {"entry": was["entry"], "amended": was["amended"]} for name, was in _load(path).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PressError(f"{FILE.as_posix()}: not the list of registered claims ({error!r})") from None


def _load(path: Path) -> dict[str, Record]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def bind(root: Path, ledger: Mapping[str, Claim]) -> None:
    """Write the fingerprints and amendments of all entries; those of entries that are gone stay."""
    bound = {name: {"entry": claims.fingerprint(claim), "amended": claim.amended} for name, claim in ledger.items()}
    text = json.dumps(read(root) | bound, indent=1, ensure_ascii=False, sort_keys=True)
    atomic_write(root / FILE, f"{text}\n")


def violations(root: Path, ledger: Mapping[str, Claim]) -> list[str]:
    """List the registered entries that are gone, and those that have changed without an amendment."""
    found = []
    for name, record in read(root).items():
        if name not in ledger:
            found.append(f"claim {name}: was registered and is gone; an entry stays, amended, and its verdict with it")
        elif silent := unamended_change(ledger[name], record):
            found.append(silent)
    return found
