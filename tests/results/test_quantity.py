"""Quantities have three digits and the unit that fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.results import quantity


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (0.5, "0.500 ns"),
        (456, "456 ns"),
        (456_000, "456 µs"),
        (1_234_000, "1.23 ms"),
        (999.4, "999 ns"),
        (999.6, "1.00 µs"),
        (999_600, "1.00 ms"),
        (9.996e6, "10.0 ms"),
        (61.2e9, "61.2 s"),
        (4e12, "4,000 s"),
    ],
)
def test_durations(ns: float, text: str) -> None:
    assert quantity.duration(ns) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (quantity.duration(1500, plain=True), "1.50 us"),
        (quantity.rate(1849.4), "1,849 GOPS"),
        (quantity.rate(54.05), "54.0 GOPS"),
        (quantity.rate(0.1234), "0.123 GOPS"),
        (quantity.size(64), "64 B"),
        (quantity.size(4096), "4,096 B"),
        (quantity.size(40_960), "41.0 kB"),
        (quantity.size(3_100_000), "3.10 MB"),
        (quantity.size(999_999), "1.00 MB"),
        (quantity.count(115_605_504), "116 M"),
        (quantity.clock(1.8e9), "1.80 GHz"),
        (quantity.ratio(3.54), "3.5×"),
        (quantity.ratio(12.34), "12.3×"),
        (quantity.ratio(9.99), "9.99×"),
        (quantity.ratio(1.0, plain=True), "1.0x"),
        (quantity.percentage(0.784), "78 %"),
        (quantity.percentage(0.0042), "0.4 %"),
        (quantity.tick("1.00 ms"), "1 ms"),
        (quantity.tick("300 µs"), "300 µs"),
        (quantity.significant(float("nan")), "nan"),
    ],
)
def test_others(text: str, expected: str) -> None:
    assert text == expected


@given(st.floats(1e-6, 1e15))
def test_a_duration_can_be_read_back_within_half_a_percent(ns: float) -> None:
    number, unit = quantity.duration(ns).split(" ")
    factor = {"ns": 1.0, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit]
    assert float(number.replace(",", "")) * factor == pytest.approx(ns, rel=0.0051)
    assert float(number.replace(",", "")) < 1000 or unit == "s"
