"""Sample quantile by linear interpolation of the order statistics.

With x(1) <= ... <= x(n), h = (n - 1) p and j = floor(h), the quantile is x(j+1) + (h - j) (x(j+2) - x(j+1)).

R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American Statistician 50 (1996),
361-365, definition 7.
"""

import math
from collections.abc import Sequence


def quantile(figures: Sequence[float], p: float) -> float:
    """The `p` quantile (0 <= p <= 1) of `figures`, in their unit. Raises ValueError for no figures or
    such a p."""
    if not figures:
        raise ValueError("the quantile of no figures is not defined")
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"a quantile is between 0 and 1, not {p}")
    ordered = sorted(figures)
    position = (len(ordered) - 1) * p
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    fraction = position - below
    if fraction == 0.0 or ordered[below] == ordered[above]:
        return ordered[below]
    # A weighted mean instead of x + f * (y - x): the difference of two huge figures may overflow.
    return ordered[below] * (1.0 - fraction) + ordered[above] * fraction
