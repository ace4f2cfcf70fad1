"""Wilson's interval against published values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bnnbench.results.statistics.proportion import proportion_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_newcombes_table(successes: int, n: int, low: float, high: float) -> None:
    """R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998),
    table I, method 3."""
    assert proportion_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_holds_the_share_and_stays_within_bounds(case: tuple[int, int]) -> None:
    successes, n = case
    low, high = proportion_interval(successes, n)
    assert -1e-12 <= low <= successes / n <= high <= 1 + 1e-12
    mirrored = proportion_interval(n - successes, n)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_what_is_no_share(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        proportion_interval(successes, n)


@given(
    st.integers(1, 10_000_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from((0.5, 0.9, 0.95, 0.99, 0.9999)),
)
def test_as_scipy_says(case: tuple[int, int], confidence: float) -> None:
    successes, n = case
    judge = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    assert proportion_interval(successes, n, confidence) == pytest.approx((judge.low, judge.high), rel=1e-9, abs=1e-15)
