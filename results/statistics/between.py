"""Which of two levels the differences of pairs have: Wald's sequential test, with a robust likelihood.

After each two pairs the odds of the two levels are those before times the ratio of the likelihoods. It stops when
either is `sure`, or at `most` pairs. A. Wald, Sequential Analysis (1947). Noise that earlier pairs told is taken for
known; where these pairs scatter more, the bisection, which estimates noise from all of them, asks again.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from bnnbench.results.statistics.pair_noise import PairNoise, pair_noise

_LEAST_KNOWN = 8
"""Pairs from which a scale can be estimated, where no other is known."""


class Between(msgspec.Struct, frozen=True, kw_only=True):
    """Levels and `scale` in logarithms; `scale` 0: unknown, estimated from these pairs alone. `odds`: of the higher
    level before the first pair. `least` and `most`: even numbers of pairs;
    `sure` 1: always `most`."""

    low: float
    high: float
    scale: float = 0.0
    tail: float = 3.0
    odds: float = 1.0
    sure: float = 0.99
    least: int = 4
    most: int = 60


def pairs_wanted(test: Between, d: Sequence[float]) -> int | None:
    """How many pairs are needed before the next decision; None where nothing more is."""
    least = test.least if test.scale else max(test.least, _LEAST_KNOWN)
    least = min(least, test.most)
    enough = math.log(test.sure / (1 - test.sure)) if test.sure < 1 else math.inf
    for seen in range(least, test.most + 1, 2):
        if len(d) < seen:
            return seen
        if abs(_log_odds(test, d[:seen])) > enough:
            return None
    return None


def _log_odds(test: Between, d: Sequence[float]) -> float:
    """Of the higher level."""
    noise = PairNoise(test.scale, test.tail) if test.scale else pair_noise([d])
    values = np.asarray(d, float)
    ratio = noise.log_density(values - test.high) - noise.log_density(values - test.low)
    return math.log(test.odds) + float(ratio.sum())
