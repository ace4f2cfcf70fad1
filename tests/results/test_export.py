"""Every export against its own consumer, or its published shape."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bnnbench.harness.cli.main import main
from bnnbench.results.errors import StoreError
from bnnbench.results.export import EXPORTS
from bnnbench.results.export.chrome_trace import spans
from bnnbench.results.export.pytest_benchmark import from_json, statistics_of
from bnnbench.results.frames import load
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import MEASUREMENTS, StoredRun
from bnnbench.results.tables.run_files import finish


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


def imported(document: Any, store: Path) -> StoredRun:
    """As `bnnbench import` stores it."""
    record, entries = from_json(json.dumps(document), "x.json")
    with Store(store).create(record) as writer:
        writer.append(*entries)
        finish(writer)
    return Store(store).run(record.run_id)


def document(**changes: Any) -> dict[str, Any]:
    """What pytest-benchmark writes, with one benchmark."""
    stats = {"data": [1e-6, 2e-6, 3e-6], "median": 2e-6, "mean": 2e-6, "min": 1e-6, "max": 3e-6, "rounds": 3}
    one = {"fullname": "t.py::test_a", "name": "test_a", "group": None, "stats": stats}
    whole = {
        "datetime": "2026-01-31T14:25:01.5",
        "version": "5.1.0",
        "machine_info": {"node": "x"},
        "benchmarks": [one],
    }
    return {**whole, "commit_info": {"id": "abc"}, **changes}


def with_rounds(*data: float, **stats: Any) -> dict[str, Any]:
    return document(benchmarks=[{"fullname": "a", "stats": {"data": list(data), **stats}}])


@pytest.mark.parametrize("wrong", [0, 0.0, -1e-6, math.nan, math.inf, 1e9, None, "1e-6", True, [1]], ids=str)
def test_a_round_that_is_no_time_costs_only_itself(tmp_path: Path, wrong: Any) -> None:
    run = imported(with_rounds(1e-6, wrong, 3e-6, 2e-6), tmp_path)
    (row,) = load(run).to_dict("records")
    assert (row["status"], row["latency_ns"]) == ("unverified", pytest.approx(2000))
    assert "1 of 4 rounds left out: round 2 took" in row["reason"]
    assert [one.status for one in run.invocations] == ["unverified", "failed", "unverified", "unverified"]


def test_a_benchmark_without_times_costs_only_itself(tmp_path: Path) -> None:
    good = document()["benchmarks"][0]
    bad: list[Any] = [
        {},
        {"fullname": "no stats"},
        {"stats": None},
        {"stats": {}},
        {"name": "x", "stats": {"data": [0]}},
    ]
    rows = load(imported(document(benchmarks=[*bad, good]), tmp_path))
    assert list(rows["status"]) == ["failed"] * len(bad) + ["unverified"]
    assert list(rows["latency_ns"].dropna()) == [2000]
    assert list(rows["workload"])[:2] == ["benchmark 1", "no stats"]


@pytest.mark.parametrize("data", [None, []])
def test_without_data_the_median_counts_and_else_the_mean(tmp_path: Path, data: Any) -> None:
    rows = [{"fullname": "a", "stats": {"data": data, "median": 4e-6}}, {"fullname": "b", "stats": {"mean": 5e-6}}]
    found = load(imported(document(benchmarks=rows), tmp_path))
    assert list(found["latency_ns"]) == pytest.approx([4000, 5000])


def test_a_figure_alone_has_no_interval_and_one_outside_of_all_rounds_is_none(tmp_path: Path) -> None:
    """As --benchmark-save leaves it, without the rounds: their quartiles and ends are no interval of ours."""
    stats = {"median": 4e-6, "min": 1e-6, "q1": 3e-6, "q3": 5e-6, "max": 9e-6, "rounds": 5}
    rows = [{"fullname": "a", "stats": stats}, {"fullname": "b", "stats": {**stats, "median": 5.0}}]
    found = load(imported(document(benchmarks=rows), tmp_path))
    assert list(found["status"]) == ["unverified", "failed"]
    assert found["latency_ns"].iloc[0] == pytest.approx(4000)
    assert found[["latency_low_ns", "latency_high_ns"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("written", "created"),
    [
        ("2026-01-31T14:25:01.5", "2026-01-31T14:25:01.500+00:00"),  # UTC, as version 3 has it
        ("2026-01-31T14:25:01.123456+00:00", "2026-01-31T14:25:01.123+00:00"),
        ("2026-01-31T14:25:01+05:30", "2026-01-31T08:55:01.000+00:00"),
        ("2026-01-31T14:25:01Z", "2026-01-31T14:25:01.000+00:00"),
        *((other, None) for other in (None, "", "yesterday", 3, [], "0001-01-01T00:00:00+23:00")),
    ],
    ids=str,
)
def test_when_an_imported_run_was(tmp_path: Path, written: Any, created: str | None) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    record = imported(document(datetime=written), tmp_path).record
    if created is not None:
        assert record.created == created
    else:
        assert before <= datetime.fromisoformat(record.created) <= datetime.now(UTC)
    assert load(tmp_path)["created"].notna().all()


@pytest.mark.parametrize("empty", [None, {}])
def test_what_is_not_known_of_a_machine_or_commit_is_left_out(tmp_path: Path, empty: Any) -> None:
    odd = document(machine_info=empty, commit_info=empty, version=None)
    record = imported(odd, tmp_path).record
    assert (record.host, record.commit, record.version) == ({}, None, "")
    strange = document(commit_info={"id": 3}, version=5, machine_info={"cpu": {"count": 2}, "node": "n\ud800"})
    del strange["datetime"]
    record = imported(strange, tmp_path).record
    assert (record.host, record.commit, record.version) == ({"node": "n?"}, None, "")


def test_the_same_file_is_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also without a date, with a byte order mark, and where the first time was cut off."""
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(json.dumps(document()))
    Path("b.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(document(datetime=None), indent=1).encode())
    said = []
    for _ in range(3):
        for name in ("a.json", "b.json"):
            with pytest.raises(SystemExit) as ended:
                main(["import", name, "--store", "store"])
            assert not ended.value.code
            said.append(capsys.readouterr().out)
        folder = Store("store").runs()[0].path
        assert folder is not None
        (folder / MEASUREMENTS).unlink()  # as if it had been cut off
    assert len(Store("store").runs()) == 2
    assert list(load("store")["latency_ns"]) == pytest.approx([2000, 2000])
    assert "b.json is in the store already" in said[3]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_another_encoding_says_how_to_save_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_bytes('{"benchmarks": "ö"}'.encode(encoding))
    with pytest.raises(SystemExit) as ended:
        main(["import", "a.json", "--store", "store"])
    assert ended.value.code == 2
    assert "save it as UTF-8" in capsys.readouterr().err


def test_many_rounds_are_imported_at_once(tmp_path: Path) -> None:
    run = imported(with_rounds(*([1e-6] * 3000)), tmp_path)
    assert len(run.invocations) == 3000
    assert not run.warnings


def test_what_pytest_benchmark_itself_saves_is_imported(tmp_path: Path) -> None:
    """By the version that is installed, with its rounds and without."""
    (tmp_path / "test_it.py").write_text("def test_it(benchmark):\n    benchmark(lambda: sum(range(100)))\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--benchmark-max-time=0.01"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    words = [*command, "--benchmark-min-rounds=5", "--benchmark-json=it.json"]
    subprocess.run(words, cwd=tmp_path, env=alone, timeout=60, check=True, capture_output=True)
    kept = json.loads((tmp_path / "it.json").read_text())
    median = kept["benchmarks"][0]["stats"]["median"] * 1e9
    assert load(imported(kept, tmp_path / "all"))["latency_ns"][0] == pytest.approx(median)
    kept["benchmarks"][0]["stats"].pop("data", None)
    assert load(imported(kept, tmp_path / "short"))["latency_ns"][0] == pytest.approx(median)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"benchmarks": []}',
        '{"datetime": "x", "benchmarks": []}',
        '{"datetime": "x", "benchmarks": [1]}',
        '{"datetime": "x", "benchmarks": [{"fullname": "a", "stats": {"data": [0, 0]}}]}',
        '{"datetime": "x", "benchmarks": null}',
        '{"machine_info": [], "benchmarks": [{"stats": {"median": 1}}], "commit_info": 3}',
        "[" * 100_000,
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
