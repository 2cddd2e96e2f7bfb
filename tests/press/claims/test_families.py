"""Chances of false verdicts, adjusted for their number in two families."""

import subprocess
import sys

import pytest
from scipy import stats

from poly.press.claims import families
from poly.press.claims.families import Adjusted, Families
from press.claims.test_p_values import CLAIM, RECORD


def test_families_are_adjusted_apart() -> None:
    near = RECORD | {"measured": 1.4, "low": 1.3, "high": 1.49}  # 0.1 from the edge, half of the interval 0.09
    found = {"A": RECORD, "B": near, "D": near, "E": RECORD | {"verdict": "open"}}
    ledger = dict.fromkeys("ABDE", CLAIM)
    (_, second), (third, last) = adjusted = families.adjust(ledger, found, ["A", "B"], ["D", "E"])
    raw = float(stats.norm.sf(0.1 / 0.09 * 1.96))
    assert [row.id for rows in adjusted for row in rows] == ["A", "B", "D", "E"]
    assert second.p_value == pytest.approx(raw, rel=1e-3)
    assert second.adjusted == pytest.approx(raw, rel=1e-3)  # the larger of two stays
    assert third.adjusted == pytest.approx(2 * raw, rel=1e-3)
    assert (last.p_value, last.adjusted) == (1.0, 1.0)
    assert families.text(adjusted).startswith("2 of 2 primary verdicts stand after Holm’s adjustment, and 1 of 2 ")


def test_a_claim_without_a_number_has_the_p_value_1() -> None:
    missing = families.adjust({"A": CLAIM, "X": CLAIM}, {"A": RECORD}, ["A"], ["X"]).others
    assert missing == [Adjusted("X", "no number", 1.0, 1.0, alike=False)]


def test_networks_that_are_all_alike_are_said_to_have_no_spread() -> None:
    alike = {"A": RECORD | {"low": 1.1, "high": 1.1, "interval": "exact"}}
    assert "A  confirmed  no spread  no spread" in families.text(families.adjust({"A": CLAIM}, alike, ["A"], []))
    far = {"A": RECORD | {"measured": 1.0, "low": 0.99999, "high": 1.00001}}
    assert "A  confirmed  < 0.0001  < 0.0001" in families.text(families.adjust({"A": CLAIM}, far, ["A"], []))


def test_adjusted_p_values_are_summed_up() -> None:
    one, other = Adjusted("A", "confirmed", 1e-6, 1e-6, alike=False), Adjusted("B", "refuted", 0.04, 0.08, alike=False)
    text = families.text(Families([one], [other]))
    assert text.startswith("1 of 1 primary verdicts stand after Holm’s adjustment, and 0 of 1 others after Benjamini")
    assert "B  refuted  0.0400  0.0800" in text
    page = families.html(Families([], [one, other]))
    assert "1 of 2 verdicts stand after Benjamini and Hochberg’s adjustment." in page
    assert '<a href="ledger.html#ledger-B">B</a>' in page


def test_cards_do_not_load_statistics() -> None:
    code = "import sys, poly.press.claims; print('scipy.stats' in sys.modules, 'statsmodels' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
