"""What other tools conclude from the same samples: n invocations a side of ten samples each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
"""Invocations x samples, of one side."""


def mean_5_percent(base: Samples, head: Samples) -> bool:
    """pytest-benchmark --benchmark-compare-fail=mean:5%: the mean of all samples grew by more than 5 %."""
    return bool(head.mean() > 1.05 * base.mean())


def u_test(base: Samples, head: Samples) -> bool:
    """google-benchmark's compare.py: Mann-Whitney's U on the repetitions, p < 0.05, and the head's are slower."""
    from scipy.stats import mannwhitneyu

    p = mannwhitneyu(head.ravel(), base.ravel(), alternative="two-sided").pvalue
    return bool(p < 0.05 and np.median(head) > np.median(base))


def alert_200_percent(base: Samples, head: Samples) -> bool:
    """github-action-benchmark's default alert: the last value is twice the one before."""
    return bool(head.mean() > 2 * base.mean())


RIVALS: dict[str, Callable[[Samples, Samples], bool]] = {
    "pytest-benchmark, mean:5%": mean_5_percent,
    "google-benchmark, U test": u_test,
    "github-action-benchmark, 200 %": alert_200_percent,
}
"""Tool -> whether it says that the head is slower."""
