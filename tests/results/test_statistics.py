"""The interval covers what it says, and the quantile is the one of the citation."""

import itertools
import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from bnnbench.results.statistics.level import coverage, depth, level
from bnnbench.results.statistics.midranks import midranks
from bnnbench.results.statistics.quantile import quantile

FIGURES = st.lists(st.floats(-1e300, 1e300, allow_nan=False), min_size=1, max_size=40)


def test_seven_invocations_give_their_range_with_98_percent() -> None:
    result = level([5.0, 1.0, 4.0, 2.0, 7.0, 3.0, 6.0])
    assert (result.value, result.low, result.high, result.n) == (4.0, 1.0, 7.0, 7)
    assert result.coverage == pytest.approx(0.984375)
    assert result.spread == pytest.approx(1.5)


@pytest.mark.parametrize("n", range(1, 13))
def test_coverage_counted_out(n: int) -> None:
    """Every figure falls below or above the median, each with one half: 2^n equally likely cases."""
    for k in range(1, n // 2 + 1):
        enclosed = sum(1 for sides in itertools.product((0, 1), repeat=n) if k <= sum(sides) <= n - k)
        assert coverage(n, k) == pytest.approx(enclosed / 2**n)


@pytest.mark.parametrize("n", range(1, 200))
def test_the_interval_is_the_narrowest_that_is_wide_enough(n: int) -> None:
    k = depth(n)
    assert 1 <= k <= max(1, n / 2)
    if n >= 7:
        assert coverage(n, k) >= 0.98
    if 2 * (k + 1) <= n:
        assert coverage(n, k + 1) < 0.98


def test_simulated_coverage() -> None:
    dice = random.Random(20260102)  # noqa: S311
    rounds = 4000
    for n in (7, 15):
        hits = 0
        for _ in range(rounds):
            result = level([dice.lognormvariate(0, 0.3) for _ in range(n)])
            hits += result.low <= 1.0 <= result.high
        expected = coverage(n, depth(n))
        assert abs(hits / rounds - expected) < 4 * math.sqrt(expected * (1 - expected) / rounds)


def test_one_figure_covers_nothing() -> None:
    result = level([3.0])
    assert (result.value, result.low, result.high, result.coverage, result.spread) == (
        3.0,
        3.0,
        3.0,
        0.0,
        0.0,
    )


@given(FIGURES)
def test_low_value_high_are_in_order(figures: list[float]) -> None:
    result = level(figures)
    assert min(figures) <= result.low <= result.high <= max(figures)
    assert result.value == statistics.median(figures)
    if math.isfinite(result.value):
        assert result.low <= result.value <= result.high


@pytest.mark.parametrize("figures", [[], [math.nan], [1.0, math.inf]])
def test_what_has_no_level(figures: list[float]) -> None:
    with pytest.raises(ValueError, match=r"not (defined|finite)"):
        level(figures)


@given(st.lists(st.floats(-1e150, 1e150, allow_nan=False), min_size=1, max_size=40), st.floats(0, 1))
def test_quantile_is_numpys(figures: list[float], p: float) -> None:
    scale = max(abs(figure) for figure in figures)
    assert quantile(figures, p) == pytest.approx(float(np.quantile(figures, p)), rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize(("figures", "p"), [([], 0.5), ([1.0], -0.1), ([1.0], 1.1), ([1.0], math.nan)])
def test_what_has_no_quantile(figures: list[float], p: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile(figures, p)


@given(st.lists(st.one_of(st.floats(-1e300, 1e300), st.integers(-3, 3).map(float)), max_size=60))
def test_midranks_as_scipy_ranks(figures: list[float]) -> None:
    x = np.array(figures)
    assert (midranks(x) == rankdata(x)).all()
