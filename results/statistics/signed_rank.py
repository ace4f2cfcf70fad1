"""The Wilcoxon signed-rank test: whether paired differences lie about zero.

With the ranks of |d_i|, W+ is the sum of the ranks of positive differences. If the d_i are independent and symmetric
about zero, every difference is positive or negative with probability 1/2 whatever its size, so W+ is the sum of a
random subset of the ranks 1..n; `null_counts` counts the subsets for each sum.

F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945), 80-83.
Zeros are kept with the lowest ranks and count against the hypothesis that is to be shown, so that a flood of equal
figures never proves a difference: after J. W. Pratt, Journal of the American Statistical Association 54 (1959),
655-667.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.midranks import midranks

EXACT_UP_TO = 200
"""Pairs up to which the distribution is counted out; more than any comparison takes."""


def p_value(differences: Sequence[float] | NDArray[np.float64], shift: float = 0.0) -> float:
    """One-sided: how likely such a W+ or a larger one is when the differences lie about `shift` or below it.

    1.0 for no differences. Raises ValueError for more than `EXACT_UP_TO` or one that is not finite.
    """
    d = np.asarray(differences, float) - shift
    if len(d) > EXACT_UP_TO or not np.isfinite(d).all():
        raise ValueError(f"the signed-rank test takes up to {EXACT_UP_TO} finite differences")
    if not len(d):
        return 1.0
    doubled = _doubled_ranks(np.abs(d))
    statistic = int(doubled[d > 0].sum())
    counts = _counts_of(doubled)
    return float(counts[statistic:].sum() / counts.sum())


def two_sided_p(differences: Sequence[float] | NDArray[np.float64]) -> float:
    """That they lie about zero, against both sides."""
    d = np.asarray(differences, float)
    return min(1.0, 2.0 * min(p_value(d), p_value(-d)))


@lru_cache(maxsize=EXACT_UP_TO)
def null_counts(n: int) -> NDArray[np.float64]:
    """How many of the 2^n subsets of 1..n have the sum 0, 1, ..., n (n + 1) / 2; exact up to 2^53, then rounded."""
    return _subset_sums(np.arange(1, n + 1))


def _doubled_ranks(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Twice the midranks, which are whole numbers also where sizes are equal."""
    return np.asarray(np.rint(2 * midranks(sizes)), np.int64)


def _counts_of(doubled: NDArray[np.int64]) -> NDArray[np.float64]:
    n = len(doubled)
    if len(np.unique(doubled)) == n:
        spread = np.zeros(n * (n + 1) + 1)
        spread[::2] = null_counts(n)
        return spread
    return _subset_sums(doubled)


def _subset_sums(ranks: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.zeros(int(ranks.sum()) + 1)
    counts[0] = 1.0
    for rank in ranks:
        counts[rank:] = counts[rank:] + counts[: len(counts) - rank]
    return counts
