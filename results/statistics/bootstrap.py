"""Bootstrap interval of a level: bias-corrected and accelerated (BCa).

The figures are drawn again with replacement many times; quantiles of the medians of these, corrected for bias and skew,
are the interval. B. Efron, "Better bootstrap confidence intervals", Journal of the American Statistical Association 82
(1987), 171-185. It covers too little with fewer than about ten figures: `level` then has the order-statistic interval.
"""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 2000


def bootstrap_interval(figures: Sequence[float], confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """The interval of the median of `figures`, in their unit; with equal figures it has no width.

    Raises ValueError for no figures.
    """
    if not len(figures):
        raise ValueError("the interval of no figures is not defined")
    x = np.asarray(figures, float)
    if len(x) == 1 or (x == x[0]).all():
        return float(x[0]), float(x[0])
    from scipy.stats import bootstrap

    found = bootstrap(
        (x,), np.median, n_resamples=RESAMPLES, confidence_level=confidence, rng=np.random.default_rng(seed)
    ).confidence_interval
    middle = float(np.median(x))
    # Where resampled medians take few values, the correction is not defined.
    low, high = (float(end) if np.isfinite(end) else middle for end in (found.low, found.high))
    return min(low, middle), max(high, middle)
