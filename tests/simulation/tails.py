"""The interval of the 99th percentile of executions, on processes whose true figure is known.

Each repetition is a case of 7 processes of 1,000 executions each. What is true is the median of the 99 % quantile over
20,000 processes of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.level import level
from bnnbench.results.statistics.proportion import proportion_interval
from bnnbench.results.statistics.tail import tail

PROCESSES, EXECUTIONS, _TRUTH = 7, 1000, 20_000
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """`drawn` makes [processes, executions] times around 1."""

    name: str
    drawn: Callable[[int, np.random.Generator], Array]


def _calm(n: int, rng: np.random.Generator) -> Array:
    return np.exp(rng.normal(0, 0.01, (n, EXECUTIONS)) + rng.normal(0, 0.007, (n, 1)))


def _heavy(n: int, rng: np.random.Generator) -> Array:
    """One execution of 50 is disturbed, by a Pareto-distributed time (exponent 1.5)."""
    return _calm(n, rng) + (rng.random((n, EXECUTIONS)) < 0.02) * rng.pareto(1.5, (n, EXECUTIONS))


def _bimodal(n: int, rng: np.random.Generator) -> Array:
    """Three of ten processes are 20 % slower, and 1 % of the executions twice as slow: the quantile is where they
    begin."""
    slow = 1 + 0.2 * (rng.random((n, 1)) < 0.3)
    return _calm(n, rng) * slow * (1 + (rng.random((n, EXECUTIONS)) < 0.01))


def _clustered(n: int, rng: np.random.Generator) -> Array:
    """Load by others in stretches of 50 executions on average, 5 % of the time, of which many processes see none."""
    on = rng.random((n, 1)) < 0.05
    loaded = np.empty((n, EXECUTIONS), bool)
    for place in range(EXECUTIONS):
        loaded[:, place : place + 1] = on
        on = np.where(rng.random((n, 1)) < np.where(on, 1 / 50, 0.05 / 0.95 / 50), ~on, on)
    return _calm(n, rng) * (1 + 0.5 * loaded)


def _throttled(n: int, rng: np.random.Generator) -> Array:
    """A random walk of the clock, correlated over the whole process."""
    return _calm(n, rng) * np.exp(np.cumsum(rng.normal(0, 0.002, (n, EXECUTIONS)), axis=1))


KINDS = (
    Kind("calm", _calm),
    Kind("heavy-tailed", _heavy),
    Kind("bimodal", _bimodal),
    Kind("in bursts", _clustered),
    Kind("random walk", _throttled),
)


@dataclass(frozen=True)
class Outcome:
    """How often the interval holds what is true, out of `n`, and how wide it is, as a share of it (median)."""

    kind: Kind
    n: int
    covered: float
    stated: float
    width: float

    @property
    def covered_interval(self) -> tuple[float, float]:
        return proportion_interval(round(self.covered * self.n), self.n)


@cache
def truth(kind: Kind) -> float:
    rng = np.random.default_rng([11, sum(map(ord, kind.name))])
    parts = [np.quantile(kind.drawn(1000, rng), 0.99, axis=1) for _ in range(_TRUTH // 1000)]
    return float(np.median(np.concatenate(parts)))


def simulate(kind: Kind, repetitions: int, seed: int = 2) -> Outcome:
    """Seeded."""
    right, held, widths, stated = truth(kind), 0, [], 0.0
    for number in range(repetitions):
        rng = np.random.default_rng([seed, sum(map(ord, kind.name)), number])
        figures = [tail(row.tolist(), 0.99) for row in kind.drawn(PROCESSES, rng)]
        found = level([figure for figure in figures if figure is not None])
        held += found.low <= right <= found.high
        widths.append((found.high - found.low) / right)
        stated = found.coverage
    return Outcome(kind, repetitions, held / repetitions, stated, float(np.median(widths)))
