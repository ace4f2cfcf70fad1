"""How often effects of different size are called: a probit curve through the rates.

P(called | x) = Phi((x - a) / b), fitted by maximum likelihood to k of n calls at several sizes x; its interval comes
from calls drawn again from the fitted curve (parametric bootstrap, seeded).

C. I. Bliss, "The method of probits", Science 79 (1934), 38-39.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class Point:
    """`called` of `n` comparisons at an effect of size `x`."""

    x: float
    called: int
    n: int


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate and its 95 % interval."""

    value: float
    low: float
    high: float


def interpolated(points: Sequence[Point], at: float, seed: int = 0) -> Rate:
    """The rate at a size between those measured. Raises ValueError for fewer than two sizes."""
    from scipy.stats import norm

    x = np.array([point.x for point in points], float)
    n = np.array([point.n for point in points], float)
    if len(set(x)) < 2 or not n.all():
        raise ValueError("a curve needs rates at two sizes at least")

    def rate(called: NDArray[np.float64]) -> float:
        a, b = _fit(x, called, n)
        return float(norm.cdf((at - a) / b))

    value = rate(np.array([point.called for point in points], float))
    a, b = _fit(x, np.array([point.called for point in points], float), n)
    rng = np.random.default_rng(seed)
    again = [rate(rng.binomial(n.astype(int), norm.cdf((x - a) / b)).astype(float)) for _ in range(_RESAMPLES)]
    low, high = np.quantile(again, [0.025, 0.975])
    return Rate(value, float(low), float(high))


def _fit(x: NDArray[np.float64], called: NDArray[np.float64], n: NDArray[np.float64]) -> tuple[float, float]:
    from scipy.optimize import minimize
    from scipy.stats import norm

    # A trace of both keeps the curve finite where all or none were called.
    hits, misses = called + 0.02, n - called + 0.02

    def loss(parameters: NDArray[np.float64]) -> float:
        z = (x - parameters[0]) / np.exp(parameters[1])
        return -float((hits * norm.logcdf(z) + misses * norm.logsf(z)).sum())

    found = minimize(loss, [float(x.mean()), float(np.log(np.ptp(x) / 2))], method="Nelder-Mead")
    return float(found.x[0]), float(np.exp(found.x[1]))
