"""Suites of 20 models with every metric gated and budgets on all figures: how often they fail by chance, and what they
detect.

Latency comes from the simulated pairs of `comparison.py`. The other figures of each process are lognormal: peak memory
within 0.5 %, load time and first run within 12 % (interquartile ranges of 7 to 28 % were measured), energy within 3 %.
The two models of a case have equal accuracies and are right on 5 % of the images alone. Sizes are equal. Every budget
is the true figure itself, which is the worst one that is kept; that of latency is the level of the session, of which 7
processes are known, as of a run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bnnbench.results.image_flags import packed
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Accuracy, CaseRecord, SuiteRules, Verdict
from bnnbench.results.statistics.proportion import proportion_interval
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.verdict.budget import budget, of_exact, of_processes, of_share
from bnnbench.results.verdict.other_metrics import Measured, other_verdicts
from bnnbench.results.verdict.policy import Policy
from bnnbench.results.verdict.standing import Standing
from tests.simulation.accuracy import Setting, drawn
from tests.simulation.comparison import compare
from tests.simulation.noise import Noise, session

CASES, IMAGES, PLANNED, _SLOTS = 20, 10_000, 7, 140
_NOISE = {"peak_rss": 0.005, "load": 0.12, "first": 0.12, "energy": 0.03}
_LEVEL = {"peak_rss": 3e7, "load": 1e6, "first": 2e6, "energy": 4.0}
_POLICY = Policy(SuiteRules(gate=[]), "2026-01-01", CASES)
_BUDGETED = ("latency", "size", "accuracy", *_NOISE)
_AMONG = CASES * len(_BUDGETED)
_RIGHT = 0.905
"""The true accuracy of the base: 88 % are right on both, and half of the 5 % on it alone."""


@dataclass(frozen=True)
class Change:
    """What is worse in one of the cases: `by` is a ratio minus 1, of accuracies a difference. Without a metric nothing
    is. With `of_budget` the budget is lower by that much instead."""

    name: str
    metric: str | None = None
    by: float = 0.0
    of_budget: bool = False


CHANGES: tuple[Change, ...] = (
    Change("nothing changed"),
    Change("latency +2 %", "latency", 0.02),
    Change("latency +5 %", "latency", 0.05),
    Change("size +2 %", "size", 0.02),
    Change("accuracy -1 point", "accuracy", 0.01),
    Change("accuracy -2 points", "accuracy", 0.02),
    Change("peak memory +3 %", "peak_rss", 0.03),
    Change("load time +100 %", "load", 1.0),
    Change("first run +100 %", "first", 1.0),
    Change("energy +15 %", "energy", 0.15),
    Change("latency 3 % over its budget", "latency", 0.03, of_budget=True),
    Change("latency 10 % over its budget", "latency", 0.1, of_budget=True),
    Change("accuracy 2 points under its budget", "accuracy", 0.02, of_budget=True),
)


@dataclass(frozen=True)
class Outcome:
    """Shares of `n` suites: in which a metric that had not changed failed (or a budget that was kept), and in which
    what had changed was called."""

    change: Change
    noise: Noise
    n: int
    false: float
    detected: float

    def interval(self, share: float) -> tuple[float, float]:
        return proportion_interval(round(share * self.n), self.n)


def simulate(change: Change, noise: Noise, repetitions: int, seed: int = 5, workers: int | None = None) -> Outcome:
    """Seeded; the same figures on any number of workers."""
    seeds = [[seed, sum(map(ord, change.name + noise.name)), number] for number in range(repetitions)]
    one = partial(_suite, change, noise)
    if workers == 1:
        found = [one(item) for item in seeds]
    else:
        with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
            found = list(pool.map(one, seeds, chunksize=10))
    return Outcome(change, noise, repetitions, *(float(np.mean(column)) for column in zip(*found, strict=True)))


def _suite(change: Change, noise: Noise, seed: Sequence[int]) -> tuple[bool, bool]:
    """Whether something failed by chance, and whether the change was called."""
    false = detected = False
    for number in range(CASES):
        mine = change if number == 0 else CHANGES[0]
        failing = _failing(mine, noise, np.random.default_rng([*seed, number]))
        right = {(mine.metric, mine.of_budget)} if mine.metric else set()
        false |= bool(failing - right)
        detected |= bool(failing & right)
    return false, detected


def _failing(change: Change, noise: Noise, rng: np.random.Generator) -> set[tuple[str, bool]]:
    """What fails of a case: (metric, whether by its budget)."""
    by = {} if change.of_budget or change.metric is None else {change.metric: change.by}
    done = compare(noise, by.get("latency", 0.0), Rules(), rng)
    base, head = (_measured(side, by, len(done.pairs), rng) for side in ("base", "head"))
    worse = Setting("", IMAGES, by.get("accuracy", 0.0), 0.05)
    sides = [_with_answers(side, right) for side, right in zip((base, head), drawn(worse, rng), strict=True)]
    tuned = lambda metric: _POLICY.tuned(metric, "w", "d")  # noqa: E731
    verdicts: list[Verdict] = [done.verdict, *other_verdicts("c", *sides, "", tuned)]
    failing = {(item.metric, False) for item in verdicts if Standing.of(_POLICY, item, "w", "d").fails(item)}
    return failing | _over_budget(change, by, _times(noise, rng), sides[1])


def _times(noise: Noise, rng: np.random.Generator) -> list[float]:
    """Of 7 processes of a run, over the level of its session."""
    medians = np.median(session(noise, _SLOTS, rng).samples, axis=1)
    chosen = rng.choice(_SLOTS, PLANNED, replace=False)
    return (1e6 * medians[chosen] / np.median(medians)).tolist()


def _over_budget(change: Change, by: dict[str, float], times: list[float], head: Measured) -> set[tuple[str, bool]]:
    failing = set()
    for key in _BUDGETED:
        if key in by:
            continue  # its budget is over for a reason
        share = 1.0 if change.metric != key or not change.of_budget else 1 + change.by
        if key == "accuracy":
            assert head.accuracy is not None
            assert head.accuracy.correct is not None
            limit = _RIGHT if share == 1 else _RIGHT + change.by
            judged = of_share(budget(f"accuracy >= {limit}"), head.accuracy.correct, IMAGES, _AMONG)
        elif key == "size":
            judged = of_exact(budget(f"size_bytes <= {head.case.size_bytes}"), [float(head.case.size_bytes or 0)])
        elif key == "latency":
            judged = of_processes(budget(f"latency_ns <= {1e6 / share}"), times, _AMONG)
        else:
            asked = budget(f"{key}_{METRICS[key].unit} <= {_LEVEL[key] / share}")
            judged = of_processes(asked, head.figures[key], _AMONG)
        if judged.outcome == "fail":
            failing.add((key, True))
    return failing


def _measured(side: str, by: dict[str, float], processes: int, rng: np.random.Generator) -> Measured:
    worse = by if side == "head" else {}
    figures = {
        key: (_LEVEL[key] * (1 + worse.get(key, 0.0)) * np.exp(rng.normal(0, sigma, processes))).tolist()
        for key, sigma in _NOISE.items()
    }
    size = round(3_000_000 * (1 + worse.get("size", 0.0)))
    case = CaseRecord(
        id=side, workload="w", kind="model", engine="native", device="d", threads=1, size_bytes=size, plan_sha256=side
    )
    return Measured(case, None, figures)


def _with_answers(side: Measured, right: Any) -> Measured:
    found = Accuracy(
        case_id=side.case.id,
        status="ok",
        dataset="simulated",
        dataset_sha256="0",
        images=IMAGES,
        of_images=IMAGES,
        correct=int(right.sum()),
        right=packed(right),
    )
    return Measured(side.case, found, side.figures)
