"""When a case counts as warm."""

from __future__ import annotations

import random

from bnnbench.harness.measure.warmup import WINDOW, settled

STEADY = [3e9] * 2 * WINDOW


def test_equal_windows_are_settled_and_too_few_samples_are_not() -> None:
    assert settled([100.0] * 2 * WINDOW, STEADY)
    assert not settled([100.0] * (2 * WINDOW - 1), STEADY[1:])


def test_a_trend_is_not_settled() -> None:
    assert not settled([100.0 - i for i in range(2 * WINDOW)], STEADY)
    assert not settled([100.0] * 2 * WINDOW, [3e9 * (1 - 0.01 * i) for i in range(2 * WINDOW)])


def test_a_step_between_the_windows_is_not_settled() -> None:
    assert not settled([110.0] * WINDOW + [100.0] * WINDOW, STEADY)
    assert settled([100.3] * WINDOW + [100.0] * WINDOW, STEADY)


def test_noise_alone_is_mostly_settled_and_an_engine_without_clock_is_judged_by_time() -> None:
    source = random.Random(3)  # noqa: S311 - noise, no secret
    calm = sum(settled([source.gauss(100, 20) for _ in range(2 * WINDOW)], []) for _ in range(500))
    assert calm > 350
