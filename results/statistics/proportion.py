"""The interval of a share, such as an accuracy: Wilson's score interval, and the exact one for errors that are rare.

With p = k/n and z the normal quantile of the wanted confidence, it holds the shares q for which |p - q| is at most
z * sqrt(q (1 - q) / n):

    (p + z^2/2n +- z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n).

E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
Statistical Association 22 (1927), 209-212.

The exact interval ends where as many successes, or more extreme ones, have the probability alpha: quantiles of beta
distributions. C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26 (1934), 404-413.
"""

import math
from statistics import NormalDist

CONFIDENCE = 0.95


def proportion_interval(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of a share of which `successes` of `n` independent trials are known.

    Raises ValueError unless 0 <= successes <= n and n >= 1.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n} is no share of trials")
    z, p = NormalDist().inv_cdf((1 + confidence) / 2), successes / n
    middle, scale = p + z * z / (2 * n), 1 + z * z / n
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / scale, (middle + half) / scale
    return (0.0 if successes == 0 else low), (1.0 if successes == n else high)


def exact_interval(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """The interval of which each end is wrong with a probability of at most `alpha`. Raises ValueError as above."""
    from scipy.special import betaincinv

    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n} is no share of trials")
    low = float(betaincinv(successes, n - successes + 1, alpha)) if successes else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1 - alpha)) if successes < n else 1.0
    return low, high
