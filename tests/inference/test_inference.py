import math
from collections.abc import Callable
from typing import Any

import pytest

from inference.draws import rng
from poly import inference


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("confidence", [0, 1, -0.5, 1.5, math.nan, math.inf, None])
def test_bad_confidence(confidence: Any) -> None:
    calls: list[Callable[[], inference.Estimate]] = [
        lambda: inference.bootstrap([1.0, 2.0], generator=rng(), confidence=confidence),
        lambda: inference.wilson(1, 2, confidence=confidence),
        lambda: inference.poisson_rate([1], confidence=confidence),
        lambda: inference.rate_ratio([1, 2], [3], confidence=confidence),
        lambda: inference.dispersion([1, 2], confidence=confidence).estimate,
        lambda: inference.equivalence([1.0, 2.0], 1, 1, confidence=confidence).estimate,
        lambda: inference.slope([1, 2, 3], [1, 2, 4], confidence=confidence),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=rf"^confidence={confidence!r}: must "):
            call()
