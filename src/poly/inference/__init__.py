"""Estimates with confidence intervals, and tests, as a thin layer over scipy and statsmodels.

Rows of one instance are not independent: pass one value per instance. Needs no torch.
"""

from poly.inference.counts import dispersion, poisson_rate, rate_ratio, wilson
from poly.inference.decisions import equivalence, false_discovery, holm, simultaneous, slope
from poly.inference.estimates import Estimate, Test, student
from poly.inference.resampling import (
    bootstrap,
    rank_correlation,
    ratio,
    ratio_of_counts,
    ratio_of_totals,
    variance_ratio,
)

__all__ = [
    "Estimate",
    "Test",
    "bootstrap",
    "dispersion",
    "equivalence",
    "false_discovery",
    "holm",
    "poisson_rate",
    "rank_correlation",
    "rate_ratio",
    "ratio",
    "ratio_of_counts",
    "ratio_of_totals",
    "simultaneous",
    "slope",
    "student",
    "variance_ratio",
    "wilson",
]
