"""Summaries of `benchmark_model` and `lce_benchmark_model`: texts made from the documented format, not from a board."""

from __future__ import annotations

import re
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.kernels.engines.base import Start
from bnnbench.kernels.engines.tflite_benchmark import (
    ONE_RUN,
    Summary,
    SummaryEngine,
    ignored_flag,
    output_flags,
    parse_summary,
)
from bnnbench.kernels.errors import EngineError

WITH_PREFIX = """\
STARTING!
Log parameter values verbosely: [0]
Graph: [quicknet.tflite]
INFO: The input model file size (MB): 4.38
INFO: Initialized session in 52.687ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=35 first=19105 curr=14052 min=13901 max=19105 avg=14452.5 std=861

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=70 first=14941 curr=14066 min=13728 max=16145 avg=14290.9 std=452

INFO: Inference timings in us: Init: 52687, First inference: 19105, Warmup (avg): 14452.5, Inference (avg): 14290.9
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
INFO: Memory footprint delta from the start of the tool (MB): init=21.9492 overall=34.5234
"""
PLAIN = WITH_PREFIX.replace("INFO: ", "")
LOGCAT = "\n".join(f"01-02 03:04:05.678 1234 1234 I tflite  : {line}" for line in PLAIN.splitlines())
NEWER = WITH_PREFIX.replace("std=861", "std=861 p5=13950 median=14300 p95=16000").replace(
    "std=452", "std=452 p5=13800 median=14201 p95=15012"
)
OLDER = (
    PLAIN[: PLAIN.index("Inference timings")]
    + "Average inference timings in us: Warmup: 14452.5, Init: 52687, no stats: 14290.9\n"
)
PROFILED = (
    WITH_PREFIX
    + """\
INFO: Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
               [node type]    [first]   [avg ms]       [%]    [cdf%]    [mem KB]  [times called]  [Name]
               LceBconv2d      5.567      7.237   86.679%   86.679%       0.000          1  [layer]:0

Timings (microseconds): count=70 first=99941 curr=99066 min=93728 max=996145 avg=99290.9 std=452
Memory (bytes): count=0
31 nodes observed
"""
)


@pytest.mark.parametrize("text", [WITH_PREFIX, PLAIN, LOGCAT, PROFILED], ids=["prefix", "plain", "logcat", "profiled"])
def test_a_summary(text: str) -> None:
    assert parse_summary(text) == Summary(
        latency_ns=14_290_900,
        is_median=False,
        runs=70,
        min_ns=13_728_000,
        max_ns=16_145_000,
        std_ns=452_000,
        first_ns=19_105_000,
        load_ns=52_687_000,
        memory_bytes=36_200_408,  # 34.5234 MiB, which it calls MB
    )


def test_lines_of_a_phone_s_log_are_read_by_their_figures() -> None:
    """`logcat -v brief` puts the process's number before each line."""
    assert parse_summary(re.sub(r"(?m)^INFO: ", "I/tflite  ( 1234): ", WITH_PREFIX)) == parse_summary(WITH_PREFIX)


def test_newer_versions_give_the_median() -> None:
    found = parse_summary(NEWER)
    assert (found.latency_ns, found.is_median) == (14_201_000, True)


def test_older_versions() -> None:
    found = parse_summary(OLDER)
    assert (found.latency_ns, found.load_ns, found.first_ns, found.memory_bytes) == (14_290_900, 52_687_000, None, None)


@pytest.mark.parametrize("line", ["count=1 curr=40000", "count=4 curr=40000(all same)"])
def test_runs_that_are_all_the_same(line: str) -> None:
    text = (
        f"INFO: count=1 curr=90000\n\nINFO: {line}\n\nINFO: Inference timings in us: Init: 5, First inference: 90000, "
    )
    found = parse_summary(text + "Warmup (avg): 90000, Inference (avg): 40000\n")
    assert (found.latency_ns, found.min_ns, found.max_ns, found.std_ns) == (40_000_000, 40_000_000, 40_000_000, None)
    assert found.runs == int(line[6])


def test_averages_have_six_digits() -> None:
    text = PLAIN.replace(
        "count=70 first=14941 curr=14066 min=13728 max=16145 avg=14290.9 std=452",
        "count=2 first=1234567 curr=1234568 min=1234567 max=1234568 avg=1.23457e+06 std=0",
    ).replace("Inference (avg): 14290.9", "Inference (avg): 1.23457e+06")
    assert parse_summary(text).latency_ns == 1_234_570_000


def micro(line: str, mean: str) -> str:
    """The output for a model of about 1 us, whose runs are kept in whole us."""
    end = f"Inference timings in us: Init: 12, First inference: 3, Warmup (avg): 1.1, Inference (avg): {mean}"
    return f"INFO: count=9000 first=3 curr=1 min=0 max=9 avg=1.1 std=0\n\nINFO: {line}\n\nINFO: {end}\n"


@pytest.mark.parametrize(
    ("line", "mean", "latency_ns", "is_median"),
    [
        ("count=65536 first=3 curr=1 min=0 max=41 avg=1.03452 std=0", "1.03452", 1034.52, False),
        ("count=65536 first=3 curr=1 min=0 max=41 avg=1.03452 std=1 p5=0 median=1 p95=2", "1.03452", 1000, True),
        ("count=65536 first=1 curr=0 min=0 max=41 avg=0.40123 std=0 p5=0 median=0 p95=1", "0.40123", 401.23, False),
        ("count=65536 first=1 curr=1 min=0 max=1 avg=0.999985 std=-nan", "0.999985", 999.985, False),
        ("count=65536 first=1 curr=1 min=0 max=1 avg=0.999985 std=-9223372036854775808", "0.999985", 999.985, False),
        ("count=65536 first=1 curr=1 min=0 max=1 avg=0.999985", "0.999985", 999.985, False),
        ("count=2 first=0 curr=1 min=0 max=1 avg=0.5 std=0", "0.5", 500, False),
        ("count=1 curr=1", "1", 1000, False),
        ("count=65536 curr=1(all same)", "1", 1000, False),
    ],
)
def test_a_model_of_a_microsecond(line: str, mean: str, latency_ns: float, is_median: bool) -> None:
    found = parse_summary(micro(line, mean))
    assert isclose(found.latency_ns, latency_ns)
    assert found.is_median == is_median
    assert found.runs == int(line[6:].split()[0])
    assert found.min_ns == (0 if "min=0" in line else 1000)
    assert (found.first_ns, found.load_ns) == (3000, 12_000)


@pytest.mark.parametrize(
    ("figures", "std_ns"),
    [("std=-nan", None), ("std=nan", None), ("std=-9223372036854775808", None), ("std=1.2e+03", 1.2e6), ("", None)],
)
def test_a_deviation_that_is_none_costs_only_itself(figures: str, std_ns: float | None) -> None:
    found = parse_summary(WITH_PREFIX.replace("std=452", f"{figures} p5=-nan p95=-1 other=words"))
    assert (found.latency_ns, found.std_ns) == (14_290_900, std_ns)


@pytest.mark.parametrize("line", ["count=9 curr=0", "count=9 first=0 curr=0 min=0 max=0 avg=0 std=0", "count=1 curr=0"])
def test_a_model_that_is_too_fast_to_time_says_so(line: str) -> None:
    with pytest.raises(EngineError, match="0 us each: the model is faster than it can tell"):
        parse_summary(micro(line, "0"))


def test_whole_and_scientific_numbers() -> None:
    text = WITH_PREFIX.replace(
        RUNS, "count=70 first=1.2e+06 curr=1.2e+06 min=1.1e+06 max=1.3e+06 avg=1.2e+06 std=3e+04"
    )
    found = parse_summary(text.replace("Inference (avg): 14290.9", "Inference (avg): 1.2e+06"))
    assert (found.latency_ns, found.min_ns, found.max_ns, found.std_ns) == (1.2e9, 1.1e9, 1.3e9, 3e7)


RUNS = "count=70 first=14941 curr=14066 min=13728 max=16145 avg=14290.9 std=452"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (WITH_PREFIX, "", "nothing was measured"),
        (WITH_PREFIX, "sh: ./benchmark_model: not found\n", "nothing was measured"),
        (WITH_PREFIX[WITH_PREFIX.index("INFO: Running benchmark for at least 50") :], "", "its warm-up only"),
        (RUNS, "count=0", "count=0"),
        ("min=13728 ", "", "has no min="),
        ("max=16145 ", "", "has no max="),
        (" avg=14290.9", "", "has no avg="),
        ("avg=14290.9", "avg=nan", "avg=nan, which cannot be"),
        ("avg=14290.9", "avg=-inf", "avg=-inf, which cannot be"),
        ("avg=14290.9", "avg=1e300", "avg=1e300, which cannot be"),
        ("avg=14290.9", "avg=fast", "avg='fast', not a number"),
        ("avg=14290.9 ", "avg=1429 ", "cannot be"),
        ("min=13728", "min=0", "cannot be"),
        ("min=13728", "min=-5", "cannot be"),
        ("std=452", "std=452 median=99999", "cannot be"),
        ("Inference (avg): 14290.9", "Inference (avg): 20000", "contradicts itself"),
        ("Init: 52687", "Init: soon", "Init='soon'"),
        ("overall=34.5234", "overall=1e308", "overall=1e308"),
    ],
)
def test_a_summary_that_cannot_be_is_one_sentence(old: str, new: str, reason: str) -> None:
    assert old in WITH_PREFIX
    with pytest.raises(EngineError, match=reason) as caught:
        parse_summary(WITH_PREFIX.replace(old, new))
    assert "\n" not in str(caught.value)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_is_a_summary_or_an_engine_error(text: str) -> None:
    sensible_or_refused(text)
    sensible_or_refused(f"count=3 {text}\ntimings in us: {text}")


@given(st.data())
def test_damaged_summaries_are_sensible_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([NEWER, PROFILED, OLDER]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 40))
        put = data.draw(st.sampled_from(["", "\n", "9", "-", "e9", "=", "nan", "inf", "1e308", "٣", "count=", "\0"]))
        text = text[:at] + put + text[at + cut :]
    sensible_or_refused(text)


def sensible_or_refused(text: str) -> None:
    try:
        found = parse_summary(text)
    except EngineError:
        return
    assert found.runs > 0
    assert found.latency_ns > 0
    assert 0 <= found.min_ns * (1 - 1e-4) <= found.latency_ns <= found.max_ns * (1 + 1e-4) < 1e16


@given(
    st.lists(st.integers(1, 10**8), min_size=2, max_size=9, unique=True),
    st.integers(1, 10**7),
    st.booleans(),
)
def test_what_is_printed_is_read_back(times: list[int], init: int, newer: bool) -> None:
    low, high, middle = min(times), max(times), sorted(times)[len(times) // 2]
    mean = f"{sum(times) / len(times):g}"
    line = f"count={len(times)} first={times[0]} curr={times[-1]} min={low} max={high} avg={mean} std=1"
    line += f" p5={low} median={middle} p95={high}" if newer else ""
    end = f"Inference timings in us: Init: {init}, First inference: 7, Warmup (avg): 7, Inference (avg): {mean}"
    found = parse_summary(f"count=1 curr=7\n\n{line}\n\n{end}\n")
    assert (found.runs, found.is_median, found.first_ns, found.load_ns) == (len(times), newer, 7e3, init * 1e3)
    assert (found.min_ns, found.max_ns) == (low * 1e3, high * 1e3)
    assert isclose(found.latency_ns, 1e3 * (middle if newer else sum(times) / len(times)), rel_tol=1e-5)


def test_the_command_that_measures() -> None:
    engine = SummaryEngine(
        "theirs", ("{binary}", "--graph={model}", "--num_threads={threads}", "{files}"), {}, accepts=frozenset()
    )
    assert engine.protocol is None
    assert engine.command(Start(["blobs/1", "blobs/2"], model="blobs/3", threads=4)) == [
        "./blobs/1",
        "--graph=blobs/3",
        "--num_threads=4",
        "blobs/2",
    ]


def test_flags_for_inputs_and_outputs_stand_behind_the_command() -> None:
    engine = SummaryEngine("theirs", ("{binary}", "--graph={model}"), {}, accepts=frozenset())
    flags = output_flags([("blobs/4", (1, 2, 3)), ("blobs/5", (7,))], "tmp/out")
    assert engine.command(Start(["blobs/1"], model="blobs/3", flags=[*flags, *ONE_RUN])) == [
        "./blobs/1",
        "--graph=blobs/3",
        "--input_layer=in0,in1",
        "--input_layer_shape=1,2,3:7",
        "--input_layer_value_files=in0:blobs/4,in1:blobs/5",
        "--output_filepath=tmp/out",
        *ONE_RUN,
    ]


@pytest.mark.parametrize(
    ("line", "ignored"),
    [
        ("Unconsumed cmdline flags: --output_filepath=tmp/out", "--output_filepath"),
        ("WARN: Unconsumed cmdline flags: --mine=1 --input_layer=in0 --output_filepath=x", "--input_layer"),
        ("01-02 03:04:05.678 1 1 W tflite  : Unconsumed cmdline flags: --output_filepath=x", "--output_filepath"),
        ("Unconsumed cmdline flags: --num_runs=1", None),
        ("Unconsumed cmdline flags: --output_filepath_too=x", None),
        ("File path to export outputs layer to: [tmp/out] --output_filepath", None),
        ("", None),
    ],
)
def test_which_of_our_flags_a_program_says_to_ignore(line: str, ignored: str | None) -> None:
    flags = output_flags([("blobs/4", (1,))], "tmp/out")
    assert ignored_flag(f"STARTING!\n{line}\nGraph: [x]", flags) == ignored
