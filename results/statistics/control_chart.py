"""A control chart of single figures: whether the next one lies where those before it promise.

The centre is the median m of the earlier figures x_1..x_n, and sigma comes from the median of the moving ranges
|x_i - x_(i-1)|, which is 0.9539 sigma for normal figures (the median of |z| times sqrt(2)): neither a single far figure
nor a step moves it. The next figure is within

    m +- t(1 - alpha/2, n - 1) sigma sqrt(1 + c/n)

with probability of about 1 - alpha, where c = pi/2 is the variance of a median over that of a mean; alpha = 0.0027 is
that of three sigma.

W. A. Shewhart, Economic Control of Quality of Manufactured Product (1931); D. C. Montgomery, Introduction to
Statistical Quality Control, 8th ed. (2019), sections 6.4 and 3.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

LEAST = 8
"""Earlier figures without which there are no limits."""
ALPHA = 0.0027
_TO_SIGMA = 1 / 0.9538725524
_MEDIAN = math.pi / 2
"""The variance of a median over that of a mean."""


@dataclass(frozen=True, slots=True)
class ControlChart:
    """`low` to `high` is where the next figure belongs, all in the unit of the figures; `n` were there before."""

    centre: float
    low: float
    high: float
    n: int

    def holds(self, figure: float) -> bool:
        """Whether a figure is in control."""
        return self.low <= figure <= self.high


def control_chart(earlier: Sequence[float], least_width: float = 0.0, alpha: float = ALPHA) -> ControlChart | None:
    """Of earlier figures, oldest first; None for fewer than `LEAST`. The limits are at least `least_width` from the
    centre. Raises ValueError for a figure that is not finite."""
    from scipy.special import stdtrit

    if not all(math.isfinite(figure) for figure in earlier):
        raise ValueError("a figure is not finite")
    n = len(earlier)
    if n < LEAST:
        return None
    sigma = _TO_SIGMA * median(abs(after - before) for before, after in pairwise(earlier))
    width = float(stdtrit(n - 1, 1 - alpha / 2)) * sigma * math.sqrt(1 + _MEDIAN / n)
    centre = float(median(earlier))
    width = max(width, least_width)
    return ControlChart(centre, centre - width, centre + width, n)
