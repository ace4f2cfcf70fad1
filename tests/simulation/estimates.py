"""Estimates before a comparison, beside what came: the power and the number of pairs that `planning.py` promises from
three earlier comparisons of the same case, and what one more comparison of it shows.

Each case has its own noise: a board's, scaled by a factor between 0.5 and 2.5 (uniform in its logarithm), every other
one bimodal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bnnbench.results.statistics.planning import of_sessions, outlook
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.verdict.paired import difference
from tests.simulation.comparison import compare
from tests.simulation.noise import Noise
from tests.simulation.scenarios import BASE, BIMODAL

_EARLIER = 3


@dataclass(frozen=True)
class Outcome:
    """Means over `n` cases: the promised probability that the effect is called, and the share that was; the promised
    number of pairs if nothing changed, and the real one."""

    n: int
    promised: float
    called: float
    promised_pairs: float
    pairs: float


def simulate(see: float, cases: int, seed: int = 8, workers: int | None = None) -> Outcome:
    """Seeded; the same figures on any number of workers."""
    seeds = [[seed, round(see * 1e4), number] for number in range(cases)]
    one = partial(_case, see)
    if workers == 1:
        rows = [one(item) for item in seeds]
    else:
        with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
            rows = list(pool.map(one, seeds, chunksize=10))
    return Outcome(cases, *(float(np.mean(column)) for column in zip(*rows, strict=True)))


def _case(see: float, seed: Sequence[int]) -> tuple[float, bool, float, int]:
    rng = np.random.default_rng(list(seed))
    noise: Noise = replace(
        BIMODAL if seed[-1] % 2 else BASE, scale=float(np.exp(rng.uniform(np.log(0.5), np.log(2.5))))
    )
    sessions = []
    for _ in range(_EARLIER):
        done = compare(noise, 0.0, Rules(), rng)
        sessions.append([difference(pair) for pair in done.pairs if pair.dropped is None and pair.stage == "screen"])
    promised = outlook(Rules(), of_sessions(sessions), see, repetitions=60, seed=seed[-1])
    changed, same = compare(noise, see, Rules(), rng), compare(noise, 0.0, Rules(), rng)
    return promised.power, changed.called, promised.pairs_same, same.verdict.pairs
