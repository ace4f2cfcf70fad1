"""A median is never shown alone: its interval, its trust and why stand beside it, in digits that the interval bears."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.results import quantity
from bnnbench.results.certainty import duration_text, interval_meaning, median_with_interval
from bnnbench.results.frames import load
from bnnbench.results.store.stored_run import StoredRun

ROW: dict[str, Any] = {
    "latency_ns": 2.89e6,
    "latency_low_ns": 2.57e6,
    "latency_high_ns": 4.31e6,
    "latency_n": 7,
    "trust": "low",
    "trust_words": "VM; load",
}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "2.89 ms (2.57-4.31), low trust: VM, load"),
        ({"trust": "high", "trust_words": pd.NA}, "2.89 ms (2.57-4.31), high trust"),
        ({"latency_n": 1}, "2.89 ms (no interval: 1 invocation), low trust: VM, load"),
        ({"latency_n": pd.NA}, "2.89 ms (2.57-4.31), low trust: VM, load"),
        ({"latency_low_ns": pd.NA}, "2.89 ms (no interval), low trust: VM, load"),
        ({"latency_ns": pd.NA, "trust": pd.NA}, ""),
    ],
)
def test_a_line_has_interval_and_trust_with_its_reason(changes: dict[str, Any], text: str) -> None:
    assert median_with_interval({**ROW, **changes}) == text


def test_every_row_of_a_run_has_them(synthetic: StoredRun) -> None:
    frame = load(synthetic)
    timed = frame[frame["latency_ns"].notna()]
    for row in timed.to_dict("records"):
        assert re.fullmatch(r"[\d.]+ [nµm]?s \([\d.]+-[\d.]+\), high trust", median_with_interval(row))


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((16.6e3, 14.5e3, 31e3), "16.6 µs (14.5-31.0)"),
        ((1.2345e6, 4e3, 99e6), "1.2 ms (0.0-99.0)"),
        ((456e3, 100e3, 5e6), "460 µs (100-5,000)"),
        ((141e3, 140.9e3, 141.2e3), "141.0 µs (140.9-141.2)"),
        ((999.6, 998.0, 1002.0), "1.000 µs (0.998-1.002)"),
        ((820.0, 820.0, 820.0), "820 ns (820-820)"),
        ((0.0, 0.0, 0.0), "0 ns (0-0)"),
    ],
)
def test_digits_fit_the_interval(figures: tuple[float, float, float], text: str) -> None:
    assert quantity.duration_between(*figures) == text


@given(st.floats(1, 1e12), st.floats(0, 0.9), st.floats(0, 10))
def test_no_digit_is_finer_than_the_interval_bears(ns: float, below: float, above: float) -> None:
    low, high = ns * (1 - below), ns * (1 + above)
    text = quantity.duration_between(ns, low, high, plain=True)
    match = re.fullmatch(r"([\d.,]+) (ns|us|ms|s) \(([\d.,]+)-([\d.,]+)\)", text)
    assert match
    factor = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}[match[2]]
    decimals = len(match[1].partition(".")[2])
    assert all(len(figure.partition(".")[2]) == decimals for figure in (match[3], match[4]))
    width = (high - low) / factor
    assert not decimals or width == 0 or 10**-decimals >= width / 1000
    for shown, figure in ((match[1], ns), (match[3], low), (match[4], high)):
        assert abs(float(shown.replace(",", "")) * factor - figure) <= max(0.0051 * ns, (high - low) * 0.051)


def test_one_figure_has_no_interval() -> None:
    assert duration_text(2e6, 2e6, 2e6, 1, what="run") == "2.00 ms (no interval: 1 run)"


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([7, 7], "in brackets: the 98 % interval of the median"),
        ([3, 7, 1], "in brackets: the 75 % to 98 % interval of the median, as few as 3 invocations"),
        ([1, pd.NA], ""),
    ],
)
def test_what_the_brackets_mean(counts: list[Any], text: str) -> None:
    assert interval_meaning(counts) == text
