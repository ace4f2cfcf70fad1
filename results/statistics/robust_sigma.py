"""The scale of differences, whatever their tails do.

From the median absolute deviation, sigma = 1.4826 median |d - median(d)| (F. R. Hampel, Journal of the American
Statistical Association 69 (1974), 383-393), times a factor for few figures, by which it is low on average (C. Croux and
P. J. Rousseeuw, Computational Statistics 1 (1992), 411-428: n / (n - 0.8) beyond nine).
"""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.detectable import standard_error
from bnnbench.results.statistics.hodges_lehmann import hodges_lehmann

_TO_SIGMA = 1.482602218505602


def robust_sigma(figures: Sequence[float] | NDArray[np.float64]) -> float:
    """Sigma of `figures`, in their unit; 0 for fewer than two."""
    x = np.asarray(figures, float)
    if len(x) < 2:
        return 0.0
    few = len(x) / (len(x) - 0.8)
    return float(few * _TO_SIGMA * np.median(np.abs(x - np.median(x))))


def effective_sigma(differences: Sequence[float] | NDArray[np.float64]) -> float:
    """The sigma of normal differences that signed ranks would see as well as they see these; 0 for fewer than two.

    From the 90 % interval of the Hodges-Lehmann estimate, whose half width is z times the standard error. Where some
    pairs lie far out, as on a machine with busy neighbours, they take high ranks on both sides, and the test sees less
    than the median absolute deviation promises.
    """
    if len(differences) < 2:
        return 0.0
    shift = hodges_lehmann(differences, 0.9)
    z = NormalDist().inv_cdf((1 + shift.level) / 2)
    return (shift.high - shift.low) / 2 / z / standard_error(1.0, len(differences))
