"""The scenarios that docs/statistics.md tells of, each with what it must show; `repetitions` make its rates."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bnnbench.results.statistics.proportion import proportion_interval
from bnnbench.results.statistics.sequential import Rules
from tests.simulation.comparison import compare
from tests.simulation.noise import SAMPLES, Noise, session
from tests.simulation.rivals import RIVALS

BASE, BIMODAL = Noise("board"), Noise("bimodal, AR(1)", slow_kind=0.3)
SHARED = Noise("shared machine", scale=3, neighbours=0.1)
RULES = Rules()
CALM, WILD = Noise("recorded, a tenth", recorded=0.1), Noise("recorded", recorded=1.0)
CASES_PER_SUITE = 20


@dataclass(frozen=True)
class Scenario:
    """`effect` is a share, or the number of MDEs where `of_mde`."""

    name: str
    noise: Noise
    effect: float = 0.0
    of_mde: bool = False
    suites: bool = False
    """Repetitions are whole suites of `CASES_PER_SUITE` cases."""


@dataclass(frozen=True)
class Outcome:
    """Rates over the comparisons (or suites) of a scenario, and what they took."""

    scenario: Scenario
    n: int
    called: float
    equivalent: float
    inconclusive: float
    unstable: float
    pairs: float
    pairs_called: float | None
    sigma: float

    @property
    def called_interval(self) -> tuple[float, float]:
        return proportion_interval(round(self.called * self.n), self.n)


def scaled(noise: Noise, scale: float) -> Noise:
    return replace(noise, name=f"{noise.name} x{scale:g}", scale=scale)


def throttling(head: float, base: float = 0.05) -> Noise:
    return Noise(f"head throttles in {head:.0%}, base in {base:.0%}", base_throttles=base, head_throttles=head)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("suites of 20, nothing changed", BASE, suites=True),
    Scenario("suites of 20, nothing changed", BIMODAL, suites=True),
    Scenario("nothing changed", scaled(BASE, 0.5)),
    Scenario("nothing changed", scaled(BASE, 1.5)),
    Scenario("nothing changed", scaled(BASE, 3)),
    Scenario("nothing changed", SHARED),
    Scenario("nothing changed", CALM),
    Scenario("nothing changed", WILD),
    Scenario("2 % slower", scaled(BASE, 0.5), 0.02),
    Scenario("2 % slower", BASE, 0.02),
    Scenario("2 % slower", scaled(BASE, 1.5), 0.02),
    Scenario("2 % slower", BIMODAL, 0.02),
    Scenario("one MDE slower", scaled(BASE, 0.5), 1.0, of_mde=True),
    Scenario("one MDE slower", BASE, 1.0, of_mde=True),
    Scenario("one MDE slower", scaled(BASE, 3), 1.0, of_mde=True),
    Scenario("one MDE slower", BIMODAL, 1.0, of_mde=True),
    Scenario("one MDE slower", SHARED, 1.0, of_mde=True),
    Scenario("half an MDE slower", CALM, 0.5, of_mde=True),
    Scenario("one MDE slower", CALM, 1.0, of_mde=True),
    Scenario("three MDE slower", CALM, 3.0, of_mde=True),
    Scenario("one MDE slower", WILD, 1.0, of_mde=True),
    Scenario("three MDE slower", WILD, 3.0, of_mde=True),
    Scenario("86 % faster", BASE, -0.86),
    Scenario("86 % faster", SHARED, -0.86),
    Scenario("10 % slower", BASE, 0.1),
    Scenario("30 % slower", SHARED, 0.3),
    Scenario("30 % slower", WILD, 0.3),
    Scenario("only throttling", throttling(0.15)),
    Scenario("only throttling", throttling(0.3)),
    Scenario("only throttling", throttling(0.6)),
)


def simulate(scenario: Scenario, repetitions: int, seed: int = 1, workers: int | None = None) -> Outcome:
    """Runs a scenario, seeded; the same figures on any number of workers."""
    effect = scenario.effect
    if scenario.of_mde:
        effect *= stated_mde(scenario.noise)
    one = partial(_suite if scenario.suites else _case, scenario.noise, effect)
    seeds = [[seed, sum(map(ord, scenario.name + scenario.noise.name)), number] for number in range(repetitions)]
    rows = _map(one, seeds, workers)
    flat = [row for rows_ in rows for row in rows_]
    called = [any(row[0] == "called" for row in rows_) for rows_ in rows]
    share = lambda word: sum(row[0] == word for row in flat) / len(flat)  # noqa: E731
    counts = [row[1] for row in flat if row[0] == "called"]
    return Outcome(
        scenario=scenario,
        n=len(rows),
        called=sum(called) / len(rows),
        equivalent=share("equivalent"),
        inconclusive=share("inconclusive"),
        unstable=share("unstable"),
        pairs=float(np.mean([row[1] for row in flat])),
        pairs_called=float(np.median(counts)) if counts else None,
        sigma=float(np.median([row[2] for row in flat if row[2] is not None] or [math.nan])),
    )


Row = tuple[str, int, float | None]
"""Word, kept pairs, sigma."""


def _case(noise: Noise, effect: float, seed: Sequence[int]) -> list[Row]:
    done = compare(noise, effect, RULES, np.random.default_rng(list(seed)))
    word = "called" if done.called else done.verdict.verdict or done.verdict.status
    return [(word, done.verdict.pairs, done.verdict.sigma)]


def _suite(noise: Noise, effect: float, seed: Sequence[int]) -> list[Row]:
    return [_case(noise, effect, [*seed, case])[0] for case in range(CASES_PER_SUITE)]


def stated_mde(noise: Noise) -> float:
    """The median of what comparisons in which nothing changed say that they could have seen."""
    stated = [compare(noise, 0.0, RULES, np.random.default_rng([7, number]), with_mde=True) for number in range(60)]
    return float(np.median([one.verdict.mde for one in stated if one.verdict.mde is not None]))


def _map(one: Callable[[Sequence[int]], list[Row]], seeds: list[list[int]], workers: int | None) -> list[list[Row]]:
    if workers == 1:
        return [one(seed) for seed in seeds]
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        return list(pool.map(one, seeds, chunksize=25))


@dataclass(frozen=True)
class Rivalry:
    """Of one tool: how often it says slower when nothing changed, and when the head is 2 % slower."""

    tool: str
    false_alarms: float
    power: float


def rivalry(noise: Noise, repetitions: int, invocations: int = 20, seed: int = 3) -> list[Rivalry]:
    """The other tools, one side after the other as they run, and this one, interleaved; each from the same sessions."""
    said: dict[str, list[list[bool]]] = {tool: [[], []] for tool in [*RIVALS, "bnnbench"]}
    for number in range(repetitions):
        for place, effect in enumerate((0.0, 0.02)):
            during = session(noise, 2 * invocations, np.random.default_rng([seed, number]))
            slower = during.samples[invocations:] * (1 + effect)
            for tool, decides in RIVALS.items():
                said[tool][place].append(decides(during.samples[:invocations], slower))
            done = compare(noise, effect, RULES, np.random.default_rng([seed, number]))
            said["bnnbench"][place].append(done.verdict.verdict == "regression")
    assert during.samples.shape[1] == SAMPLES
    return [Rivalry(tool, *(float(np.mean(these)) for these in both)) for tool, both in said.items()]
