"""Read the registered claims: ``book/claims.yml`` maps an id to an entry, and no key stands there twice."""

import functools
import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from poly.press import safe_yaml
from poly.press.claims import schema
from poly.press.metadata import Verdict

Kind = Literal["identity", "replication", "prediction", "exploration"]


class Prediction(NamedTuple):
    """A predicted number.

    Attributes:
        value: the number.
        tolerance: the margin on both sides within which a measurement agrees.
        says: the prediction in a few words, as readers see it.
        margin: the rule that gives the tolerance; see ``rules``.
        why: the reason for a tolerance that no fixed rule gives.
    """

    value: float
    tolerance: float
    says: str
    margin: str = "about"
    why: str = ""


class Claim(NamedTuple):
    """One registered claim.

    Attributes:
        id: its name, a part of addresses.
        statement: what is claimed, as a sentence.
        prediction: the number that follows from the statement.
        alternative: another prediction, which may hold where the first is refuted.
        test: how the number is measured.
        chapter: the name of the chapter that measures it.
        expected: the verdict that the stored chapters show.
        blind: whether the number was unknown when the claim was registered.
        registered: the date of the registration.
        digits: the number of decimals that are shown and compared.
        amended: what was changed later, and when, as in "2026-01-31: why; 2026-02-01: why again".
        kind: an identity (a theorem, or a check of the code), a replication of a published number, a prediction, or an
            exploration, which has an interval and no verdict.
        with_number: whether the entry and its number came in one commit. Such an entry is not blind.
        precision: the planned half-width of the interval; None for entries that are older than this rule.
        succeeds: the id of the retired claim whose place this one takes.
        retired: why the claim is measured no more, and since when, as in "2026-01-31: why".
    """

    id: str
    statement: str
    prediction: Prediction
    alternative: Prediction | None
    test: str
    chapter: str
    expected: Verdict
    blind: bool
    registered: str
    digits: int
    amended: str = ""
    kind: Kind = "prediction"
    with_number: bool = False
    precision: float | None = None
    succeeds: str = ""
    retired: str = ""


class _Loader(safe_yaml.Decimal):
    """Load YAML, but refuse a key that is there twice: YAML itself keeps the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"claims.yml, {key}: registered twice")
        return super().construct_mapping(node, deep)


def load(path: Path | str = "claims.yml") -> dict[str, Claim]:
    """Load all registered claims, by id. A chapter runs in ``book/``, which holds the file.

    Raises:
        ValueError: the file is missing, or an entry has a missing, unknown or unfit field.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such ledger; chapters run in the folder book/")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}, byte {error.start}: not valid UTF-8") from None
    return dict(_parsed(text, path.name))


@functools.lru_cache(maxsize=4)
def _parsed(text: str, name: str) -> dict[str, Claim]:
    """Parse a ledger. A chapter asks for it at every claim, and reading YAML takes a third of a second."""
    try:
        entries = yaml.load(text, _Loader)  # a SafeLoader
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from None
    if not isinstance(entries, dict):
        raise ValueError(f"{name}: {schema.SCHEMA['description']}")
    entries = {str(key): _json(entry) for key, entry in entries.items()}
    for key, entry in entries.items():
        schema.validate(key, entry)
    return {key: _claim(key, entry) for key, entry in entries.items()}


def fingerprint(claim: Claim) -> str:
    """Hash what an entry promises: all of it but its amendments, its retirement and the page that measures it.

    SHA-256, in hexadecimal digits.
    """
    bound = claim._asdict()
    del bound["amended"], bound["retired"], bound["chapter"]
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()


def _json(entry: Any) -> Any:
    """Replace what YAML reads in another way than JSON: a date, a number such as 1e-6, an empty alternative."""
    if not isinstance(entry, dict):
        return entry
    found = {field: value for field, value in entry.items() if field != "alternative" or value is not None}
    if isinstance(found.get("registered"), date):
        found["registered"] = str(found["registered"])
    for field in ("prediction", "alternative"):
        if isinstance(found.get(field), dict):
            numbers = {key: _number(value) for key, value in found[field].items() if key in ("value", "tolerance")}
            found[field] = found[field] | numbers
    if "precision" in found:
        found["precision"] = _number(found["precision"])
    return found


def _number(value: Any) -> Any:
    """Read a number that YAML takes for a word, because it has no point."""
    written = isinstance(value, str) and re.fullmatch(r"[-+]?(0|[1-9]\d*)(\.\d*)?([eE][-+]?\d+)?", value, re.ASCII)
    return float(value) if written else value


def _claim(name: str, entry: dict[str, Any]) -> Claim:
    predictions = {field: _prediction(entry[field]) for field in ("prediction", "alternative") if field in entry}
    return Claim(id=name, **({"alternative": None} | entry | predictions))


def _prediction(entry: dict[str, Any]) -> Prediction:
    return Prediction(**(entry | {key: float(entry[key]) for key in ("value", "tolerance")}))
