"""The score: blind predictions first, and no identity among the confirmations."""

from typing import Any

import pytest

from poly.press.claims import scores
from poly.press.claims.lines import Line, Place, line
from poly.press.metadata import Verdict
from press.claims.test_forest import claim


def scored(verdict: Verdict, **changes: Any) -> Line:
    return line(claim(**changes), None, Place("01-one", "chapter 1"))._replace(verdict=verdict, measured=True)


PREDICTIONS = [scored("confirmed"), scored("confirmed"), scored("refuted"), scored("open")]


def test_blind_predictions_are_counted_alone() -> None:
    more = [scored("confirmed", blind=False), scored("holds", kind="identity"), scored("agrees", kind="replication")]
    assert scores.blind([*PREDICTIONS, *more]) == (
        "4 predictions were registered blind, before the number was known: 2 are confirmed, none is refined, "
        "1 is refuted and 1 is open."
    )
    assert scores.blind(more) == "No prediction was registered blind."
    assert scores.blind(PREDICTIONS[:1]).startswith("1 prediction was registered blind")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            [scored("refined", blind=False)],
            "1 prediction was not blind, because the number, or one close to it, was known: none is confirmed, "
            "1 is refined, none is refuted and none is open.",
        ),
        (
            [scored("confirmed", blind=False, with_number=True)] * 2,
            "2 predictions were registered together with the number, and so not blind either: 2 are confirmed, "
            "none is refined, none is refuted and none is open.",
        ),
        (
            [scored("agrees", kind="replication"), scored("differs", kind="replication")] * 2,
            "4 replications compare a new measurement with a published number: 2 agree, 2 differ and none is open.",
        ),
        (
            [scored("holds", kind="identity")],
            "1 identity is a theorem or a check of the code, and is never counted as a confirmation: 1 holds, none is "
            "broken and none is open.",
        ),
        ([scored("measured", kind="exploration")], "1 exploration has an interval and no verdict."),
    ],
)
def test_all_others_have_a_sentence_for_each_kind(lines: list[Line], sentence: str) -> None:
    assert scores.others([*PREDICTIONS, *lines]) == [sentence]


def test_claims_that_nobody_has_measured_are_not_open() -> None:
    waiting = [scored("open")._replace(measured=False), scored("open", blind=False)._replace(measured=False)]
    assert scores.blind([*PREDICTIONS, *waiting]) == scores.blind(PREDICTIONS)
    assert scores.others([*PREDICTIONS, *waiting]) == ["2 claims are registered and not measured yet."]
    assert scores.others([*PREDICTIONS, *waiting[:1]]) == ["1 claim is registered and not measured yet."]


def test_retired_claims_are_only_numbered() -> None:
    assert scores.others(PREDICTIONS) == []
    assert scores.others([], 1) == ["1 claim is retired and not counted here."]
    assert scores.others([], 2) == ["2 claims are retired and not counted here."]
