"""The least effect that these pairs would have shown: the comparison repeated on pairs drawn from them.

Differences about their centre, with either sign, are drawn again for the last look and for the confirmation; delta is
added to them, and the least delta that passes both in 90 % of the draws is the minimum detectable effect. No shape of
the noise is assumed: where some pairs lie far out, the tests see less than any formula with a sigma says. After the
bootstrap power estimate of B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapter 25.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.hodges_lehmann import hodges_lehmann
from bnnbench.results.statistics.robust_sigma import effective_sigma
from bnnbench.results.statistics.sequential import MDE_POWER, Rules, confirming_pairs, taken_for_equivalent

_DRAWS = 300
_STEPS = 14


def detectable_effect(rules: Rules, differences: Sequence[float] | NDArray[np.float64]) -> float | None:
    """A ratio minus 1; None for fewer than four differences (logarithms)."""
    d = np.asarray(differences, float)
    if len(d) < 4:
        return None
    sigma = effective_sigma(d)
    about = d - hodges_lehmann(d).value
    rng = np.random.default_rng(len(d))
    screen = _drawn(about, rules.looks[-1], rng)
    confirm = _drawn(about, confirming_pairs(rules, sigma), rng)
    estimates = np.array([hodges_lehmann(row).value for row in confirm])

    def called(shift: float) -> float:
        passes = _passes(screen + shift, rules.screen_alpha) & _passes(confirm + shift, rules.last_alpha)
        passes &= estimates + shift >= math.log1p(rules.floor)
        return float(passes.mean()) * (1 - taken_for_equivalent(rules, shift, sigma))

    low, high = 0.0, max(2 * math.log1p(rules.floor), float(np.abs(about).max()))
    while called(high) < MDE_POWER:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if called(middle) < MDE_POWER else (low, middle)
    return math.expm1(high)


def _drawn(about: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    drawn = rng.choice(about, (_DRAWS, n)) * rng.choice([-1.0, 1.0], (_DRAWS, n))
    # A trace of noise: what is drawn twice would tie.
    return np.asarray(drawn + rng.normal(0, 1e-3 * (np.abs(about).mean() + 1e-9), drawn.shape))


def _passes(rows: NDArray[np.float64], alpha: float) -> NDArray[np.bool_]:
    """Whether the rows' signed ranks lie above zero at `alpha`, two-sided, by the normal approximation."""
    n = rows.shape[1]
    ranks = np.argsort(np.argsort(np.abs(rows), axis=1), axis=1) + 1
    statistic = np.where(rows > 0, ranks, 0).sum(axis=1)
    mean, deviation = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return np.asarray((statistic - 0.5 - mean) / deviation > NormalDist().inv_cdf(1 - alpha / 2))
