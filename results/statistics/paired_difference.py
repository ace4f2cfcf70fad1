"""The interval of the difference of two shares of the same images: Tango's score interval.

Of n images, b are right on the base alone and c on the head alone. The interval holds the differences d for which

    |c - b - n d| <= z sqrt(n (2 q + d (1 - d))),

z the normal quantile of the confidence and q the likeliest probability, given d, of an image that is right on the base
alone: q = (sqrt(B^2 - 8 n C) - B) / (4 n), with B = (2 n - c + b) d - b - c and C = -b d (1 - d). The interval holds 0
when McNemar's test without a correction is not significant, and it has a width also where b = c = 0.

T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
Statistics in Medicine 17 (1998), 891-908.
"""

import math
from statistics import NormalDist


def paired_difference_interval(base_only: int, head_only: int, n: int, confidence: float) -> tuple[float, float]:
    """Of the head's share minus the base's, from -1 to 1. Raises ValueError for counts that `n` images cannot have."""
    from scipy.optimize import brentq

    if n < 1 or min(base_only, head_only) < 0 or base_only + head_only > n:
        raise ValueError(f"of {n} images, {base_only} and {head_only} cannot be right on only one side")
    z, estimate = NormalDist().inv_cdf(0.5 + confidence / 2), (head_only - base_only) / n

    def score(d: float) -> float:
        linear = (2 * n - head_only + base_only) * d - base_only - head_only
        constant = -base_only * d * (1 - d)
        q = (math.sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)
        variance = n * (2 * q + d * (1 - d))
        distance = head_only - base_only - n * d
        return (
            distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance) if distance else 0.0
        )

    # The score falls from above z at -1 to below -z at 1, except where an end is the estimate itself.
    low = -1.0 if estimate == -1 else brentq(lambda d: max(-1e9, min(1e9, score(d))) - z, -1.0, estimate, xtol=1e-12)
    high = 1.0 if estimate == 1 else brentq(lambda d: max(-1e9, min(1e9, score(d))) + z, estimate, 1.0, xtol=1e-12)
    return float(low), float(high)
