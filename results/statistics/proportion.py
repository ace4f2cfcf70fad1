"""The interval of a share, such as an accuracy: Wilson's score interval.

With p = k/n and z the normal quantile of the wanted confidence, it holds the shares q for which |p - q| is at most
z * sqrt(q (1 - q) / n):

    (p + z^2/2n +- z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n).

E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
Statistical Association 22 (1927), 209-212.
"""

CONFIDENCE = 0.95


def proportion_interval(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of a share of which `successes` of `n` independent trials are known.

    Raises ValueError unless 0 <= successes <= n and n >= 1.
    """
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)
