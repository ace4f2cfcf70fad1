"""Whether one of two classifiers is right more often on the same images: McNemar's test, exact.

Of n images, b are right on the base alone and c on the head alone; images on which both are right, or both wrong, say
nothing. If neither were better, each of the b + c images would be either's with probability 1/2, so

    p = min(1, 2 P(X <= min(b, c))),  X ~ Bin(b + c, 1/2).

The exact test holds its level for any counts. How often a true difference d is called, when a share q >= |d| of the
images is right on one side alone: m ~ Bin(n, q) such images are drawn, of which the worse side has Bin(m, (1 - |d| / q)
/ 2).

Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika
12 (1947), 153-157. What exactness costs: M. W. Fagerland, S. Lydersen and P. Laake, "The McNemar test for binary
matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Medical Research Methodology 13 (2013),
91.
"""

import math
from functools import lru_cache

import numpy as np

POWER = 0.9
_TAIL = 1e-10
"""Probability of counts that are left out of a sum."""


def p_value(base_only: int, head_only: int) -> float:
    """Two-sided; 1.0 where no image is right on one side alone. Raises ValueError for negative counts."""
    from scipy.special import bdtr

    if min(base_only, head_only) < 0:
        raise ValueError("counts of images are not negative")
    return min(1.0, 2 * float(bdtr(min(base_only, head_only), base_only + head_only, 0.5)))


def power(n: int, discordant: float, difference: float, alpha: float, floor: float = 0.0) -> float:
    """How often a true `difference` (a share of the `n` images) is called in its direction: with p below `alpha`, and
    by `floor` at least. `discordant` is the share of images that are right on one side alone.

    Raises ValueError unless 0 < |difference| <= discordant <= 1.
    """
    from scipy.stats import binom

    size = abs(difference)
    if not 0 < size <= discordant <= 1:
        raise ValueError(f"a difference of {difference} needs at least as many images that differ, not {discordant}")
    m = np.arange(int(binom.ppf(_TAIL, n, discordant)), int(binom.isf(_TAIL, n, discordant)) + 1)
    # The most of m that may be the worse side's: p is below alpha, and the difference reaches the floor.
    significant = binom.ppf(alpha / 2, m, 0.5) - 1
    reached = np.floor((m - n * floor) / 2 + 1e-9)
    called = binom.cdf(np.minimum(significant, reached), m, (1 - size / discordant) / 2)
    return float((binom.pmf(m, n, discordant) * np.where(m > 0, called, 0.0)).sum())


@lru_cache(maxsize=1000)
def detectable_difference(n: int, discordant: int, alpha: float, floor: float = 0.0) -> float | None:
    """The least true difference (a share) that is called with `POWER`, when `discordant` of `n` images are right on one
    side alone, or more where the difference itself needs more. None when `n` images show no difference at all."""

    def called(difference: float) -> bool:
        return power(n, max(discordant / n, difference), difference, alpha, floor) >= POWER

    if not n or not called(1.0):
        return None
    low, high = 0.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (low, middle) if called(middle) else (middle, high)
    return math.nextafter(high, 1.0)
