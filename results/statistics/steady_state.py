"""Whether times are steady: two windows agree, or invocations drift on while they are timed.

Two windows of w samples each agree when their medians differ by at most a share of the first, or by twice the standard
error of such a difference, 1.2533 sigma sqrt(2 / w), sigma = 1.4826 MAD over both windows, each about its own median
(1.2533 = sqrt(pi / 2) is what a median's error is in that of a mean). The noise counts because on a busy machine two
windows never agree to half a per cent, however warm it is.

Drift is judged over invocations: the logarithm of the median of an invocation's last third of samples over that of its
first third, tested by signed ranks. After T. Kalibera and R. Jones, "Rigorous benchmarking in reasonable time", ISMM
2013.
"""

import math
import statistics
from collections.abc import Sequence

from bnnbench.results.statistics.hodges_lehmann import hodges_lehmann
from bnnbench.results.statistics.signed_rank import two_sided_p

WINDOW = 5
SHARE = 0.005
DRIFT = 0.01
"""A drift within the invocation that is reported: as large as what a verdict calls."""
DRIFT_ALPHA = 0.001
_TO_SIGMA = 1.4826
_MEDIAN_ERROR = 1.2533


def settled(*series: Sequence[float]) -> bool:
    """Whether the last two windows of each series are alike; empty ones say nothing, and a short one is not settled."""
    given = [item for item in series if item]
    return all(len(item) >= 2 * WINDOW and _alike(item[-2 * WINDOW : -WINDOW], item[-WINDOW:]) for item in given)


def _alike(before: Sequence[float], after: Sequence[float]) -> bool:
    first, second = statistics.median(before), statistics.median(after)
    deviations = [abs(value - first) for value in before] + [abs(value - second) for value in after]
    error = _MEDIAN_ERROR * _TO_SIGMA * statistics.median(deviations) * (2 / WINDOW) ** 0.5
    return bool(abs(second - first) <= max(SHARE * first, 2 * error))


def growth(samples: Sequence[float]) -> float | None:
    """The logarithm of the median of the last third of an invocation's samples over that of its first; None for fewer
    than three."""
    third = len(samples) // 3
    if not third:
        return None
    return math.log(statistics.median(samples[-third:]) / statistics.median(samples[:third]))


def drift(growths: Sequence[float]) -> float | None:
    """By how much times grow (0.02 is 2 %) within the invocations whose `growth` is given; None when they are steady,
    or too few to tell."""
    if not growths or two_sided_p(growths) > DRIFT_ALPHA:
        return None
    grown = math.expm1(hodges_lehmann(growths).value)
    return grown if abs(grown) >= DRIFT else None
