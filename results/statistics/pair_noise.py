"""How differences of pairs scatter about their level: Student's t, whose tails a single far pair does not move.

Pairs of several levels share scale and tail. Both are those of the greatest likelihood, by the EM algorithm for each of
a few tails: K. L. Lange, R. J. A. Little and J. M. G. Taylor, "Robust statistical modeling using the t distribution",
JASA 84 (1989), 881-896. As with the usual estimate of a variance, the scale is enlarged for the levels that were
estimated, too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TAILS = (1.5, 2.0, 3.0, 5.0, 10.0, 40.0)
_ITERATIONS = 25
_LEAST_SCALE = 1e-5
"""Logarithms: times are not known better than to 0.001 %."""


@dataclass(frozen=True, slots=True)
class PairNoise:
    """`scale` in logarithms, `tail` in degrees of freedom."""

    scale: float
    tail: float

    def log_density(self, residuals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of differences minus their level; up to what does not depend on them."""
        return -(self.tail + 1) / 2 * np.log1p((residuals / self.scale) ** 2 / self.tail)


def pair_noise(groups: Sequence[Sequence[float]]) -> PairNoise:
    """Of the pairs of each level. Raises ValueError when no level has two of them."""
    kept = [np.asarray(group, float) for group in groups if len(group) > 1]
    if not kept:
        raise ValueError("at least two pairs of a level are needed")
    d = np.concatenate(kept)
    of = np.repeat(np.arange(len(kept)), [len(group) for group in kept])
    middles = np.array([np.median(group) for group in kept])
    start = max(1.4826 * float(np.median(np.abs(d - middles[of]))), _LEAST_SCALE)
    found = max((_fitted(d, of, middles, start, tail) for tail in _TAILS), key=lambda item: item[0])
    _, scale, tail = found
    return PairNoise(scale * math.sqrt(len(d) / max(len(d) - len(kept), 1)), tail)


def level_of(noise: PairNoise, d: Sequence[float]) -> float:
    """The likeliest level of these differences."""
    values = np.asarray(d, float)
    level = float(np.median(values))
    for _ in range(_ITERATIONS):
        weights = 1 / (noise.tail + ((values - level) / noise.scale) ** 2)
        level = float((weights * values).sum() / weights.sum())
    return level


def _fitted(
    d: NDArray[np.float64], of: NDArray[np.int_], middles: NDArray[np.float64], scale: float, tail: float
) -> tuple[float, float, float]:
    """Log-likelihood, scale and tail, with the levels fitted."""
    levels = middles
    for _ in range(_ITERATIONS):
        residuals = d - levels[of]
        weights = (tail + 1) / (tail + (residuals / scale) ** 2)
        levels = np.bincount(of, weights * d) / np.bincount(of, weights)
        scale = max(math.sqrt(float((weights * (d - levels[of]) ** 2).mean())), _LEAST_SCALE)
    constant = math.lgamma((tail + 1) / 2) - math.lgamma(tail / 2) - math.log(math.pi * tail) / 2 - math.log(scale)
    fit = PairNoise(scale, tail)
    return float(fit.log_density(d - levels[of]).sum()) + len(d) * constant, scale, tail
