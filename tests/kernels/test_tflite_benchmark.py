"""Summaries of benchmark_model; the texts here are written after the documented format, not recorded from a board."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnnbench.kernels.engines.tflite_benchmark import parse_summary
from bnnbench.kernels.errors import EngineError

OLDER = """STARTING!
INFO: Loaded model quicknet.tflite
INFO: The input model file size (MB): 4.36803
INFO: Initialized session in 52.687ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=35 first=19105 curr=14021 min=13990 max=19105 avg=14452.5 std=846

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=70 first=14941 curr=14066 min=13728 max=16145 avg=14290.9 std=452

INFO: Inference timings in us: Init: 52687, First inference: 19105, Warmup (avg): 14452.5, Inference (avg): 14290.9
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
INFO: Memory footprint delta from the start of the tool (MB): init=21.9492 overall=34.5234
"""
NEWER = OLDER.replace("avg=14290.9 std=452", "avg=14290.9 std=452 p5=13801 median=14177 p95=15092")


def test_the_measured_line_counts_and_not_the_warm_up() -> None:
    summary = parse_summary(OLDER)
    assert summary.latency_ns == pytest.approx(14_290_900)
    assert not summary.is_median
    assert summary.runs == 70
    assert (summary.min_ns, summary.max_ns) == pytest.approx((13_728_000, 16_145_000))
    assert summary.first_ns == pytest.approx(19_105_000)
    assert summary.load_ns == pytest.approx(52_687_000)
    assert summary.memory_bytes == 34_523_400


def test_a_median_is_preferred() -> None:
    summary = parse_summary(NEWER)
    assert summary.is_median
    assert summary.latency_ns == pytest.approx(14_177_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no line with count="),
        ("ERROR: Failed to load the model\n", "no line with count="),
        (OLDER.replace("avg=14290.9", "avg=nan"), "avg=nan"),
        (OLDER.replace("avg=14290.9", "avg=fast"), "no number"),
        (OLDER.replace("max=16145 avg", "avg"), "no max="),
        (OLDER.replace("min=13728", "min=99999"), "cannot be"),
        (OLDER.replace("min=13728", "min=0"), "cannot be"),
        (OLDER.replace("min=13728", "min=-5"), "cannot be"),
        (OLDER.replace("count=70", "count=0"), "cannot be"),
    ],
)
def test_what_is_no_summary_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(EngineError, match=says) as caught:
        parse_summary(text)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(NEWER) - 1), st.text(max_size=6), st.integers(0, 30))
def test_damaged_text_is_a_summary_or_a_sentence(place: int, inserted: str, cut: int) -> None:
    try:
        summary = parse_summary(NEWER[:place] + inserted + NEWER[place + cut :])
    except EngineError as error:
        assert str(error).endswith(".")
    else:
        assert 0 < summary.min_ns <= summary.max_ns
