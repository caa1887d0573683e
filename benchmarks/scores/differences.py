"""Paired differences of a study."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mipdesign.analysis.rank_correlation import CONFIDENCE, Estimate


def paired(differences: Sequence[float]) -> Estimate:
    """Mean of paired differences with Student's interval, and the two-sided p of Wilcoxon's signed-rank test."""
    from scipy.stats import t, wilcoxon

    values = np.array(differences, dtype=float)
    if len(values) < 2:
        return Estimate(math.nan, math.nan, math.nan)
    mean, error = float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    p = float(wilcoxon(values).pvalue) if values.any() else 1.0
    return Estimate(mean, mean - reach, mean + reach, p)
