import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from poly.press import claims
from poly.press.claims import Claim, Prediction

Shown = list[tuple[dict[str, Any], dict[str, Any]]]

ENTRY: dict[str, Any] = {
    "statement": "the slope < 2",
    "prediction": {"value": 1.0, "tolerance": 0.5, "says": "about 1"},
    "test": "slope over starts",
    "chapter": "03",
    "expected": "confirmed",
    "blind": True,
    "registered": "2026-01-02",
    "digits": 2,
}
ALTERNATIVE = {"value": 3.0, "tolerance": 0.25, "says": "about 3"}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Collect the data and metadata of everything that is displayed."""
    seen: Shown = []

    def display(data: dict[str, Any], *, raw: bool, metadata: dict[str, Any] | None = None) -> None:
        assert raw
        seen.append((data, metadata or {}))

    monkeypatch.setattr(claims, "display", display)
    return seen


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make and enter a folder like book/ with a ledger of two entries: C1, and C2 with an alternative."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"C1": ENTRY, "C2": ENTRY | {"alternative": ALTERNATIVE, "blind": False}})
    return tmp_path


def write(folder: Path, entries: Any) -> None:
    (folder / "claims.yml").write_text(yaml.safe_dump(entries), encoding="utf-8")


# The ledger


def test_load(ledger: Path) -> None:
    found = claims.load()
    assert list(found) == ["C1", "C2"]
    assert found["C1"] == Claim(
        "C1", "the slope < 2", Prediction(1.0, 0.5, "about 1"), None, "slope over starts", "03", "confirmed", True,
        "2026-01-02", 2,
    )  # fmt: skip
    assert found["C2"].alternative == Prediction(3.0, 0.25, "about 3")
    assert claims.load(ledger / "claims.yml") == found


def test_a_date_that_yaml_understands_stays_text(ledger: Path) -> None:
    (ledger / "claims.yml").write_text(yaml.safe_dump({"C1": ENTRY}).replace("'2026-01-02'", "2026-01-02"))
    assert claims.load()["C1"].registered == "2026-01-02"


def test_the_book_s_own_ledger_loads() -> None:
    assert claims.load(Path(__file__).parents[3] / "book" / "claims.yml")


def test_a_missing_ledger(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"claims\.yml: no such ledger; chapters run in the folder book/$"):
        claims.load(tmp_path / "claims.yml")


@pytest.mark.parametrize("field", list(ENTRY))
def test_a_missing_field(ledger: Path, field: str) -> None:
    write(ledger, {"C1": {key: value for key, value in ENTRY.items() if key != field}})
    with pytest.raises(ValueError, match=rf"^claims\.yml, C1: field '{field}' is missing$"):
        claims.load()


BAD_PREDICTIONS: list[tuple[Any, str]] = [
    ({"value": True, "tolerance": 1, "says": "x"}, r": value=True, must be a number$"),
    ({"value": 1, "tolerance": 1, "says": ""}, r": says='', must be a few words$"),
    ({"value": 1, "tolerance": 1, "says": "x", "sys": "y"}, r": unknown field 'sys', allowed are "),
    ({"value": 1}, r"must have a number value, a number tolerance, and says$"),
    ({"value": "one", "tolerance": 1, "says": "x"}, r": value='one', must be a number$"),
    (3, r"must have a number value, a number tolerance, and says$"),
    ({"value": math.nan, "tolerance": 1, "says": "x"}, r"must be finite, with tolerance > 0$"),
    ({"value": math.inf, "tolerance": 1, "says": "x"}, r"must be finite, with tolerance > 0$"),
    ({"value": 1, "tolerance": math.inf, "says": "x"}, r"must be finite, with tolerance > 0$"),
    ({"value": 1, "tolerance": 0, "says": "x"}, r"must be finite, with tolerance > 0$"),
    ({"value": 1, "tolerance": -1, "says": "x"}, r"must be finite, with tolerance > 0$"),
]


@pytest.mark.parametrize("field", ["prediction", "alternative"])
@pytest.mark.parametrize(("value", "message"), BAD_PREDICTIONS)
def test_a_bad_prediction(ledger: Path, field: str, value: Any, message: str) -> None:
    write(ledger, {"C1": ENTRY | {field: value}})
    with pytest.raises(ValueError, match=rf"^claims\.yml, C1: {field}:? ?{message.removeprefix(': ')}"):
        claims.load()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (ENTRY | {"colour": "red"}, r"^claims\.yml, C1: unknown field 'colour', allowed are alternative, amended, "),
        (ENTRY | {"expected": "true"}, r"^claims\.yml, C1: expected='true', must be one of the verdicts of its kind$"),
        (ENTRY | {"prediction": None}, r"^claims\.yml, C1: prediction is empty$"),
        ("statement", r"^claims\.yml, C1: must be a mapping of fields$"),
    ],
)
def test_a_bad_entry(ledger: Path, entry: Any, message: str) -> None:
    write(ledger, {"C1": entry})
    with pytest.raises(ValueError, match=message):
        claims.load()


# Cards


def test_predict_shows_what_is_claimed(ledger: Path, shown: Shown) -> None:
    claims.predict("C1", "C2")
    ((data, metadata),) = shown
    assert metadata == {}
    assert data["text/plain"].splitlines() == [
        "C1: the slope < 2",
        "    predicted: about 1 (tolerance ±0.5)",
        "    test: slope over starts",
        "C2: the slope < 2",
        "    predicted: about 1 (tolerance ±0.5), or else about 3 (tolerance ±0.25)",
        "    test: slope over starts",
    ]
    page = data["text/html"]
    assert 'id="predict-C1"' in page
    assert 'id="predict-C2"' in page
    assert page.count("the slope &lt; 2") == 2
    assert "slope < 2" not in page


def test_check_shows_a_card_and_leaves_a_record(ledger: Path, shown: Shown) -> None:
    claims.check("C1", 1.23456, 1.1, 1.376, seeds=1200)
    ((data, metadata),) = shown
    assert metadata["poly"]["claim"] == {
        "id": "C1", "statement": "the slope < 2", "chapter": "03", "predicted": 1.0, "measured": 1.23, "low": 1.1,
        "high": 1.38, "verdict": "confirmed", "seeds": 1200, "blind": True, "interval": "95 % interval",
        "entry": claims.fingerprint(claims.load()["C1"]), "amended": "",
    }  # fmt: skip
    assert data["text/plain"].splitlines() == [
        "C1: confirmed",
        "the slope < 2",
        "predicted: about 1 (tolerance ±0.5)",
        "measured: 1.23 (95 % interval 1.10 to 1.38)",
        "starts: 1,200",
        "blind: yes",
    ]
    assert 'class="claim claim-confirmed" id="claim-C1"' in data["text/html"]
    assert "the slope &lt; 2" in data["text/html"]


def test_check_names_the_alternative(ledger: Path, shown: Shown) -> None:
    claims.check("C2", 3.0, 3.0, 3.0, seeds=0)
    ((data, metadata),) = shown
    assert metadata["poly"]["claim"]["verdict"] == "refined"
    assert metadata["poly"]["claim"]["blind"] is False
    # A computation without randomness has neither starts nor an interval.
    assert data["text/plain"].splitlines()[2:] == [
        "predicted: about 1 (tolerance ±0.5)",
        "alternative: about 3 (tolerance ±0.25)",
        "measured: 3.00",
        "blind: no",
    ]


def test_the_verdict_is_of_the_numbers_before_rounding(ledger: Path, shown: Shown) -> None:
    claims.check("C1", 1.0, 0.9, 1.5001, seeds=3)
    record = shown[0][1]["poly"]["claim"]
    assert (record["high"], record["verdict"]) == (1.5, "open")


def test_numbers_have_a_true_minus_and_no_negative_zero(ledger: Path, shown: Shown) -> None:
    claims.check("C1", -0.001, -2.0, 0.5, seeds=3)
    data, metadata = shown[0]
    assert math.copysign(1, metadata["poly"]["claim"]["measured"]) == 1
    assert "measured: 0.00 (95 % interval −2.00 to 0.50)" in data["text/plain"]


def test_unknown_claims_and_bad_measurements(ledger: Path, shown: Shown) -> None:
    calls: list[Callable[[], None]] = [
        lambda: claims.predict("C1", "C7"),
        lambda: claims.check("C7", 1, 1, 1, seeds=1),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"^claim 'C7': not in claims\.yml, which has C1, C2$"):
            call()
    for measured in (0.8, 1.2, math.nan):
        with pytest.raises(ValueError, match=r"^claim C1: measured .* must lie in its interval \[0\.9, 1\.1\]$"):
            claims.check("C1", measured, 0.9, 1.1, seeds=1)
    assert not shown


@pytest.mark.parametrize(
    ("field", "value"),
    [("digits", "three"), ("digits", -3), ("digits", 1.5), ("blind", "maybe"), ("statement", None), ("test", "")],
)
def test_fields_of_the_wrong_kind(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump({"C1": ENTRY | {field: value}}), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"^claims\.yml, C1: {field}=.*, must be "):
        claims.load(path)


def test_a_ledger_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "claims.yml"
    path.write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^claims\.yml: must map ids to claims$"):
        claims.load(path)
    entry = yaml.safe_dump({"C1": ENTRY})
    path.write_text(entry + entry, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^claims\.yml, C1: registered twice$"):
        claims.load(path)


def test_an_interval_much_narrower_than_the_tolerance_is_called_exact(ledger: Path, shown: Shown) -> None:
    claims.check("C1", 1.0, 0.9951, 1.0049, seeds=3)  # with other numbers of starts, rounding may hide an interval
    claims.check("C1", 1.0, 0.9999, 1.0001, seeds=3)
    assert [each[1]["poly"]["claim"]["interval"] == "exact" for each in shown] == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C1: 1\n'C1': 2\n", r"^claims\.yml, C1: registered twice$"),
        ("C-1: 1\nC-1: 2\n", r"^claims\.yml, C-1: registered twice$"),
        ("C1: {digits: 1, digits: 2}\n", r"^claims\.yml, digits: registered twice$"),
        ("C1: [\n", r"^claims\.yml: while parsing"),
    ],
)
def test_yaml_that_would_lose_something(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "claims.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        claims.load(tmp_path / "claims.yml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["2026-13-01: why", "9999-01-01: why", "2026-01-01 why", "why; 2026-01-01: why"])
def test_an_amendment_has_a_date_that_has_been(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"C1": ENTRY | {"amended": text}})
    with pytest.raises(ValueError, match=r"^claims\.yml, C1: amended=.*, must begin with a date"):
        claims.load(tmp_path / "claims.yml")
