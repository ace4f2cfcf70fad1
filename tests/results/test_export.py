"""Every export against its own consumer, or its published shape."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bnnbench.results.errors import StoreError
from bnnbench.results.export import EXPORTS
from bnnbench.results.export.chrome_trace import spans
from bnnbench.results.export.pytest_benchmark import from_json, statistics_of
from bnnbench.results.frames import load
from bnnbench.results.measurements import finish
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun


def timed(run: StoredRun) -> int:
    return int(load(run)["latency_ns"].notna().sum())


def test_pytest_benchmark_compares_it(synthetic: StoredRun, tmp_path: Path) -> None:
    """Its own command line reads the file and prints every case."""
    for name in ("0001_a.json", "0002_b.json"):
        (tmp_path / name).write_text(EXPORTS["pytest-benchmark"](synthetic))
    command = [str(Path(sys.executable).with_name("pytest-benchmark")), "compare", "--columns=median,rounds"]
    done = subprocess.run(
        [*command, "0001_a.json", "0002_b.json"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(0001_a)") == done.stdout.count("(0002_b)") == timed(synthetic)


def test_statistics_are_those_of_pytest_benchmark() -> None:
    from pytest_benchmark.stats import Stats

    data = [1.0, 1.1, 0.9, 1.05, 1.02, 3.0, 0.98]
    theirs = Stats()
    for value in data:
        theirs.update(value)
    ours = statistics_of(data, 5)
    for name in ("min", "max", "mean", "stddev", "rounds", "median", "ops", "total", "outliers"):
        assert ours[name] == pytest.approx(theirs.as_dict()[name]) or ours[name] == theirs.as_dict()[name], name


def test_pytest_benchmark_and_back(synthetic: StoredRun, tmp_path: Path) -> None:
    record, entries = from_json(EXPORTS["pytest-benchmark"](synthetic), "x.json")
    with Store(tmp_path).create(record) as writer:
        for entry in entries:
            writer.append(entry)
        finish(writer)
    frame = load(tmp_path)
    assert len(frame) == timed(synthetic)
    assert set(frame["status"]) == {"unverified"}
    before = load(synthetic)
    assert sorted(frame["latency_ns"]) == pytest.approx(sorted(before["latency_ns"].dropna()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"benchmarks": []}',
        '{"datetime": "x", "benchmarks": []}',
        '{"datetime": "x", "benchmarks": [1]}',
        '{"datetime": "x", "benchmarks": [{"fullname": "a", "stats": {"data": [-1]}}]}',
    ],
)
def test_what_is_no_such_file_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(StoreError, match="bad"):
        from_json(text, "bad.json")


def test_google_benchmark(synthetic: StoredRun) -> None:
    document = json.loads(EXPORTS["google-benchmark"](synthetic))
    runs = [one for one in document["benchmarks"] if one["run_type"] == "iteration"]
    medians = [one for one in document["benchmarks"] if one.get("aggregate_name") == "median"]
    assert len(medians) == timed(synthetic)
    assert {one["repetitions"] for one in runs} == {
        len([one for one in runs if one["run_name"] == runs[0]["run_name"]])
    }
    for one in document["benchmarks"]:
        assert one["time_unit"] == "ns"
        assert one["real_time"] >= 0


class _Measure(msgspec.Struct, forbid_unknown_fields=True):
    """Of Bencher's BMF JSON."""

    value: float
    lower_value: float | None = None
    upper_value: float | None = None


def test_bmf(synthetic: StoredRun) -> None:
    document = msgspec.json.decode(EXPORTS["bmf"](synthetic), type=dict[str, dict[str, _Measure]])
    assert len(document) == timed(synthetic)
    for measures in document.values():
        latency = measures["latency"]
        assert latency.lower_value is not None
        assert latency.upper_value is not None
        assert latency.lower_value <= latency.value <= latency.upper_value


def events(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["traceEvents"]
    return found


def test_chrome_trace(synthetic: StoredRun) -> None:
    """As the Trace Event Format asks: complete events have ts and dur in us, counters have numbers."""
    found = events(EXPORTS["chrome-trace"](synthetic))
    assert {one["ph"] for one in found} <= {"M", "X", "C"}
    processes = {one["pid"]: one["args"]["name"] for one in found if one["name"] == "process_name"}
    assert set(processes.values()) == set(synthetic.record.devices)
    for one in found:
        assert one["pid"] in processes
        if one["ph"] == "X":
            assert one["ts"] > 0
            assert one["dur"] > 0
        if one["ph"] == "C":
            assert all(isinstance(value, int | float) for value in one["args"].values())


def test_steps_are_one_after_another() -> None:
    found = [
        one for one in events(spans("m", "local", [("a", 2000, {}), ("b", 3000, {"gops": 1})])) if one["ph"] == "X"
    ]
    assert [(one["ts"], one["dur"]) for one in found] == [(0, 2), (2, 3)]


def test_csv(synthetic: StoredRun) -> None:
    rows = list(csv.DictReader(io.StringIO(EXPORTS["csv"](synthetic))))
    assert len(rows) == len(load(synthetic))
