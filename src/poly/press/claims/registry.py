"""Check that no registered entry is removed, that none changes without a dated amendment, and that it came first.

``book/data/registered.json`` holds for each entry its fingerprint and its amendments, as they were when the chapters
were last recorded, and the commit that registered it. The number of a claim is stored by a later commit; an entry
that came together with its number says ``with_number`` and is not blind.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from poly.press import claims
from poly.press.chapters import PressError
from poly.press.checkout import git
from poly.press.claims import Claim, Record
from poly.press.disk import atomic_write

FILE = Path("book") / "data" / "registered.json"
ENTRIES = "book/claims.yml"
NOTEBOOKS = "book/*.ipynb"
# A claim's record in a notebook; ids of cells look alike.
_ID = '"id": "[A-Za-z0-9_.-]+"'


def unamended_change(claim: Claim, record: Record) -> str:
    """Report that an entry has changed since it was checked, without a new amendment; else return an empty text."""
    before = str(record.get("amended", ""))
    if not claim.amended.startswith(before):
        return f"claim {claim.id}: its field amended has changed, must begin with {before!r}"
    if record.get("entry") in (None, claims.fingerprint(claim)):
        return ""
    if len(claims.amendment_dates(claim.amended)) > len(claims.amendment_dates(before)):
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
        return {
            name: {"entry": was["entry"], "amended": was["amended"], "commit": was.get("commit", "")}
            for name, was in _load(path).items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PressError(f"{FILE.as_posix()}: not the list of registered claims ({error!r})") from None


def _load(path: Path) -> dict[str, Record]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def store_fingerprints(root: Path, ledger: Mapping[str, Claim]) -> None:
    """Write the fingerprints and amendments of all entries; those of entries that are gone stay."""
    before = read(root)
    commits = {name: before.get(name, {}).get("commit", "") for name in ledger}
    _write(root, before | {name: _fingerprinted(claim, commits[name]) for name, claim in ledger.items()})


def _fingerprinted(claim: Claim, commit: str) -> Record:
    return {"entry": claims.fingerprint(claim), "amended": claim.amended, "commit": commit}


def _write(root: Path, bound: Mapping[str, Record]) -> None:
    text = json.dumps(bound, indent=1, ensure_ascii=False, sort_keys=True)
    atomic_write(root / FILE, f"{text}\n")


def register(root: Path, ledger: Mapping[str, Claim]) -> list[str]:
    """Store the commit that registers each new entry, and return the names of the new entries.

    Raises:
        PressError: ``claims.yml`` has changes that are not committed, or a new claim has its number already and does
            not say so.
    """
    before = read(root)
    new = {name: claim for name, claim in ledger.items() if not before.get(name, {}).get("commit")}
    commit = (git(root, "rev-parse", "HEAD") or b"").decode().strip()
    if not commit or git(root, "diff", "--quiet", "HEAD", "--", ENTRIES) is None:
        raise PressError(f"{ENTRIES} has changes that no commit holds: commit them, then register")
    if faults := [fault for claim in new.values() for fault in _order(root, claim, commit)]:
        raise PressError("; ".join(faults))
    _write(root, before | {name: _fingerprinted(claim, commit) for name, claim in new.items()})
    return sorted(new)


def order(root: Path, ledger: Mapping[str, Claim]) -> tuple[list[str], int]:
    """Check that each entry was registered before its number was stored.

    Returns:
        The faults, a line each, and the number of entries that cannot be verified because the history is not here.
    """
    faults, unverified = [], 0
    for name, record in read(root).items():
        if name not in ledger:
            continue
        if not record["commit"]:
            faults.append(f"claim {name}: no commit has registered it: `make register`")
        elif git(root, "cat-file", "-e", f"{record['commit']}^{{commit}}") is None:
            unverified += 1
        else:
            faults += _order(root, ledger[name], record["commit"])
    return faults, unverified


def _order(root: Path, claim: Claim, commit: str) -> list[str]:
    """Check that the commit holds the entry, and its number only if the entry says so."""
    entries, numbers = _held(root, commit)
    if claim.id not in entries:
        return [f"claim {claim.id}: its registering commit {commit[:12]} has no such entry"]
    if claim.id in numbers and not claim.with_number:
        return [f"claim {claim.id}: its number was stored when it was registered, in {commit[:12]}: say with_number"]
    return []


def violations(root: Path, ledger: Mapping[str, Claim]) -> list[str]:
    """List the registered entries that are gone, and those that have changed without an amendment."""
    found = []
    for name, record in read(root).items():
        if name not in ledger:
            found.append(f"claim {name}: was registered and is gone; an entry stays, amended, and its verdict with it")
        elif silent := unamended_change(ledger[name], record):
            found.append(silent)
    return found


@cache
def _held(root: Path, commit: str) -> tuple[frozenset[str], frozenset[str]]:
    """Read the ids of a commit's entries, and of the claims whose numbers its notebooks hold."""
    entries = (git(root, "show", f"{commit}:{ENTRIES}") or b"").decode(errors="replace")
    shown = (git(root, "grep", "-hoE", _ID, commit, "--", NOTEBOOKS) or b"").decode()
    return frozenset(re.findall(r"^([\w.-]+):", entries, re.MULTILINE)), frozenset(
        re.findall(r'"([^"]+)"$', shown, re.MULTILINE)
    )
