"""Limits of the next figure by those before it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bnnbench.results.statistics.control_chart import ALPHA, LEAST, control_chart


def test_few_figures_have_no_limits() -> None:
    assert control_chart([1.0] * (LEAST - 1)) is None
    assert control_chart([1.0] * LEAST) is not None
    assert control_chart([]) is None


def test_the_limits_by_hand() -> None:
    figures = [10.0, 11.0, 10.0, 12.0, 10.0, 11.0, 10.0, 11.0, 10.0]
    chart = control_chart(figures)
    assert chart is not None
    ranges = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    sigma = np.median(ranges) / (math.sqrt(2) * stats.norm.ppf(0.75))
    width = stats.t(len(figures) - 1).ppf(1 - ALPHA / 2) * sigma * math.sqrt(1 + math.pi / 2 / len(figures))
    assert (chart.centre, chart.n) == (10.0, 9)
    assert chart.low == pytest.approx(10.0 - width)
    assert chart.high == pytest.approx(10.0 + width)


def test_equal_figures_have_the_least_width() -> None:
    chart = control_chart([5.0] * 10, least_width=0.02)
    assert chart is not None
    assert chart.holds(5.02)
    assert chart.holds(4.98)
    assert not chart.holds(5.0201)


def test_one_far_figure_and_a_step_do_not_widen_it() -> None:
    rng = np.random.default_rng(1)
    steady = list(rng.normal(0, 1, 24))
    plain = control_chart(steady)
    far = control_chart([*steady[:10], 500.0, *steady[10:]])
    step = control_chart([value + 20 * (place >= 12) for place, value in enumerate(steady)])
    assert plain is not None
    assert far is not None
    assert step is not None
    assert far.high - far.low < 1.5 * (plain.high - plain.low)
    assert step.high - step.low < 1.5 * (plain.high - plain.low)


@pytest.mark.parametrize(("n", "most"), [(LEAST, 0.02), (20, 0.012), (60, 0.008)])
def test_how_often_a_steady_device_is_called_out_of_control(n: int, most: float) -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for figures in rng.normal(0, 1, (4000, n + 1)):
        chart = control_chart(figures[:-1].tolist())
        wrong += chart is not None and not chart.holds(float(figures[-1]))
    assert 0.0005 < wrong / 4000 < most


def test_a_step_of_six_sigma_is_seen() -> None:
    rng = np.random.default_rng(3)
    seen = 0
    for figures in rng.normal(0, 1, (500, 20)):
        chart = control_chart(figures.tolist())
        seen += chart is not None and not chart.holds(6.0 + float(rng.normal()))
    assert seen > 450


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(figure: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        control_chart([figure] * 9)
