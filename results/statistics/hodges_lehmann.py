"""The Hodges-Lehmann estimate of a shift and its distribution-free interval.

For paired differences d_1..d_n the Walsh averages are (d_i + d_j) / 2 for i <= j. Their median estimates the centre of
symmetry; with M = n (n + 1) / 2 averages in order, the k-th smallest to the k-th largest enclose it with probability
1 - 2 P(W <= k - 1), W the null distribution of the signed-rank statistic.

J. L. Hodges and E. L. Lehmann, "Estimates of location based on rank tests", Annals of Mathematical Statistics 34
(1963), 598-611; the interval: M. Hollander, D. A. Wolfe and E. Chicken, Nonparametric Statistical Methods, 3rd ed.,
section 3.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.signed_rank import null_counts


@dataclass(frozen=True, slots=True)
class Shift:
    """`low` to `high` covers the centre with probability `level`, which is at least what was asked for unless `n` is
    too small for it: then it is the widest there is."""

    value: float
    low: float
    high: float
    level: float
    n: int


def hodges_lehmann(differences: Sequence[float] | NDArray[np.float64], level: float = 0.99) -> Shift:
    """The shift of paired differences. Raises ValueError for none, or one that is not finite."""
    d = np.asarray(differences, float)
    if not len(d) or not np.isfinite(d).all():
        raise ValueError("the Hodges-Lehmann estimate needs finite differences")
    rows, columns = np.triu_indices(len(d))
    averages = np.sort((d[rows] + d[columns]) / 2)
    counts = null_counts(len(d))
    below = np.cumsum(counts) / counts.sum()
    k = max(1, int(np.searchsorted(below, (1 - level) / 2, side="right")))
    return Shift(
        value=float(np.median(averages)),
        low=float(averages[k - 1]),
        high=float(averages[-k]),
        level=float(1 - 2 * below[k - 1]),
        n=len(d),
    )
