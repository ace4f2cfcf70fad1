"""The procedure on simulated noise, in short; `make statistics` is the long form, with its table in
docs/statistics.md."""

from __future__ import annotations

import pytest

from bnnbench.results.statistics.sequential import Rules
from tests.simulation.noise import Noise
from tests.simulation.scenarios import (
    BASE,
    BIMODAL,
    CALM,
    SHARED,
    WILD,
    Scenario,
    rivalry,
    scaled,
    simulate,
    throttling,
)


@pytest.mark.parametrize(
    "noise",
    [BASE, CALM, *(pytest.param(noise, marks=pytest.mark.slow) for noise in (BIMODAL, SHARED, WILD))],
    ids=lambda noise: noise.name,
)
def test_no_false_alarms(noise: Noise) -> None:
    done = simulate(Scenario("nothing changed", noise), 100, workers=1)
    assert done.called == 0
    if noise is BASE:
        assert done.pairs <= 14
        assert done.equivalent > 0.97
    if noise is CALM:
        assert done.equivalent >= 0.9


@pytest.mark.parametrize(("noise", "least"), [(BASE, 0.95), (scaled(BASE, 1.5), 0.9)], ids=["1.2 %", "1.8 %"])
def test_two_per_cent_are_called_and_never_equivalent(noise: Noise, least: float) -> None:
    done = simulate(Scenario("2 % slower", noise, 0.02), 100, workers=1)
    assert done.called >= least
    assert done.equivalent <= 0.02


SLOW = [pytest.param(noise, marks=pytest.mark.slow) for noise in (scaled(BASE, 3), SHARED, CALM, WILD)]


@pytest.mark.parametrize("noise", [BASE, *SLOW], ids=lambda noise: noise.name)
def test_the_stated_mde_is_called_about_nine_times_in_ten(noise: Noise) -> None:
    done = simulate(Scenario("one MDE slower", noise, 1.0, of_mde=True), 100, workers=1)
    low, high = done.called_interval
    assert low <= 0.97
    assert high >= 0.88


def test_a_head_that_throttles_more_is_never_equivalent() -> None:
    done = simulate(Scenario("throttling", throttling(0.6)), 100, workers=1)
    assert done.equivalent == 0
    assert done.called == 0
    assert done.unstable > 0.95


def test_other_tools_on_the_same_samples() -> None:
    found = {one.tool: one for one in rivalry(BASE, 40)}
    assert found["google-benchmark, U test"].false_alarms > 0.4
    assert found["pytest-benchmark, mean:5%"].power < 0.2
    assert found["bnnbench"].false_alarms == 0
    assert found["bnnbench"].power > 0.9


def test_saying_nothing_would_fail() -> None:
    """The rates above are of a program that decides: one that never does, calls nothing and finds nothing
    equivalent."""
    silent = Rules(looks=(10,), screen_alpha=0.0, equivalence_alpha=0.0)
    from numpy.random import default_rng

    from tests.simulation.comparison import compare

    words = {compare(BASE, 0.02, silent, default_rng(number)).verdict.verdict for number in range(10)}
    assert words == {"inconclusive"}
