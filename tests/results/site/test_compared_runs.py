"""The data of compare pages: pairs of runs, engines and devices, and comparison runs."""

from __future__ import annotations

import math
import re
import shlex
from pathlib import Path

import msgspec
import pytest

from bnnbench.results.frames import load
from bnnbench.results.ratios import compare
from bnnbench.results.site.comparing.ab_command import Case, KeptBaseline, filter_of, of_comparison, of_runs
from bnnbench.results.site.comparing.of_runs import compare_runs
from bnnbench.results.site.comparing.of_verdicts import compare_verdicts
from bnnbench.results.site.comparing.pairs import (
    device_pairs,
    engine_pairs,
    groups,
    pairs_of_path,
    path_of,
)
from bnnbench.results.site.comparing.rows import Compared
from bnnbench.results.site.comparing.sides import PairName, SideName, side_of
from bnnbench.results.store.listing import list_runs
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.rows import verdict_rows
from tests.results.generated_store import Team

RUNS = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    path = tmp_path_factory.mktemp("store")
    Team(RUNS).write(path)
    return Store(path)


def _last_two(store: Store) -> tuple[StoredRun, StoredRun]:
    group = next(one for one in groups(list_runs(store), 10) if one.suite == "models" and len(one.runs) > 1)
    return store.run(group.runs[1].run_id), store.run(group.runs[0].run_id)


def _pair(base: StoredRun, head: StoredRun) -> PairName:
    return PairName(SideName(base.record.run_id), SideName(head.record.run_id))


def _compared(pair: PairName, base: StoredRun, head: StoredRun) -> Compared:
    return compare_runs(side_of(base, pair.base), side_of(head, pair.head))


def test_ratios_are_those_of_the_compare_command(store: Store) -> None:
    base, head = _last_two(store)
    made = _compared(_pair(base, head), base, head)
    expected = compare(load(base), load(head))
    assert {(r.workload, r.engine, r.threads, r.base, r.head) for r in made.rows} == {
        (r.workload, r.engine, r.threads, r.base, r.head) for r in expected.ratios
    }
    assert len(made.rows) == len(expected.ratios) > 3
    assert not any(row.is_verdict for row in made.rows)


def test_rows_are_sorted_by_what_the_intervals_leave_no_doubt_of(store: Store) -> None:
    base, head = _last_two(store)
    slower = _slowed(head, 1.5, only=1)
    rows = _compared(_pair(base, slower), base, slower).rows
    keys = [(row.order, -row.least, -row.size) for row in rows]
    assert keys == sorted(keys)
    assert rows[0].word == "slower"
    assert rows[0].is_changed
    assert rows[0].is_worse
    assert math.log(1.3) < rows[0].least < rows[0].size
    for row in rows:
        assert row.is_changed == (row.word in ("slower", "faster"))


def test_a_row_opens_into_samples_clocks_temperatures_and_differences(store: Store) -> None:
    base, head = _last_two(store)
    details = _compared(_pair(base, head), base, head).rows[0].details
    assert details is not None
    assert details.base.clock == "1.80 GHz"
    assert details.head.temperature == "51 to 52 °C"
    assert details.head.samples == 15
    for side in ("base", "head"):
        line = [(step.ns, step.share) for step in details.steps if step.side == side]
        assert line == sorted(line)
        assert line[-1][1] == 1.0


def test_two_engines_of_a_run(store: Store) -> None:
    _, head = _last_two(store)
    run_id, device = head.record.run_id, head.record.cases[0].device
    pair = engine_pairs(run_id, device, ["native", "lce"])[0]
    assert (pair.base.engine, pair.head.engine) == ("lce", "native")
    made = _compared(pair, head, head)
    assert made.rows
    assert {row.engine for row in made.rows} == {"lce -> native"}
    assert all(row.word == "faster" for row in made.rows)
    assert made.rows[0].details is not None
    assert "--base=lce --head=native" in made.rows[0].details.ab.command


def test_two_devices_of_a_suite(store: Store) -> None:
    pairs = device_pairs(groups(list_runs(store), 10))
    assert pairs
    pair = pairs[0]
    assert pair.across_devices
    base, head = store.run(pair.base.run_id), store.run(pair.head.run_id)
    made = _compared(pair, base, head)
    for row in made.rows:
        assert row.device == f"{pair.base.device} -> {pair.head.device}"
        assert row.details is not None
        assert not row.details.ab.command
        assert row.details.ab.notes


def test_a_comparison_run_shows_its_verdicts(store: Store) -> None:
    run = next(run for run in reversed(store.runs()) if run.record.comparisons and run.verdicts)
    made = compare_verdicts(run)
    expected = [row for row in verdict_rows(run) if row.is_news]
    assert sorted((r.workload, r.word, r.effect) for r in made.rows) == sorted(
        (r.record.workload, r.word, r.effect) for r in expected
    )
    assert all(row.is_verdict for row in made.rows)
    details = made.rows[0].details
    assert details is not None
    assert {step.side for step in details.steps} == {"base", "head"}
    assert "--base=native@main --head=native" in details.ab.command


def test_last_runs_of_each_device_and_suite(store: Store) -> None:
    lines = list_runs(store)
    found = groups(lines, 3, {"main": lines[-1].run_id})
    assert {(one.device, one.suite) for one in found} == {(d, line.suite) for line in lines for d in line.devices}
    for one in found:
        assert len(one.runs) <= 3
        assert all(run.state == "complete" and not run.comparisons for run in one.runs)
        assert [run.created for run in one.runs] == sorted((run.created for run in one.runs), reverse=True)
    with_baseline = [one for one in found if one.baselines]
    assert [(one.device, one.suite) for one in with_baseline] == [(lines[-1].devices[0], lines[-1].suite)]


def test_paths_name_their_runs_and_nothing_else() -> None:
    pair = PairName(SideName("20260131-1"), SideName("20260201-1"))
    assert path_of(pair) == "compare/20260131-1--20260201-1.html"
    assert pairs_of_path(path_of(pair)) == [pair]
    dashed = PairName(SideName("a--b"), SideName("c"))
    assert dashed in pairs_of_path(path_of(dashed))
    engines = PairName(SideName("a", "pi4", "lce"), SideName("a", "pi4", "native"))
    assert re.fullmatch(r"compare/a--a--[0-9a-f]{10}\.html", path_of(engines))
    for path in (
        "compare/../x--y.html",
        "compare/index.html",
        "run/a--b.html",
        "compare/a/b--c.html",
        "compare/--.html",
    ):
        assert pairs_of_path(path) == []
    hostile = PairName(SideName("a", "<script>/../\n", "e"), SideName("a", "\udc80" * 10_000, "f"))
    assert re.fullmatch(r"compare/a--a--[0-9a-f]{10}\.html", path_of(hostile))
    long = PairName(SideName("a" * 128), SideName("b" * 128))
    assert re.fullmatch(r"compare/[0-9a-f]{32}\.html", path_of(long))


@pytest.mark.parametrize(
    "workload",
    [
        "bconv2d 56x56x64 to 64, 3x3",
        "a.b*c(d)[e]{2}|^$\\",
        "'; rm -rf ~ #",
        "tab\tand\nline",
        "\u202eright to left",
        "x" * 200,
    ],
)
def test_the_filter_finds_the_workload_alone(workload: str) -> None:
    pattern = filter_of(workload)
    assert pattern.isprintable()
    assert re.search(pattern, workload)
    assert not re.search(pattern, "y" + workload)
    assert len(workload) > 120 or not re.search(pattern, workload + "y")


def test_the_command_for_a_run_without_a_baseline_saves_one_first(store: Store) -> None:
    base, head = (run.record for run in _last_two(store))
    case = Case("some 'case'", "pi4", 2)
    without = of_runs(base, head, case, "native")
    assert not without.command
    built = _built(base)
    first = of_runs(built, head, case, "native")
    assert first.before == [f"bnnbench baseline save {base.run_id} {base.run_id}"]
    assert f"--base=native@{base.run_id}" in shlex.split(first.command)
    kept = of_runs(built, head, case, "native", [KeptBaseline("v1.2", base.run_id, ["native"])])
    assert kept.before == []
    assert "--base=native@v1.2" in shlex.split(kept.command)
    assert "--filter=^some 'case'$" in shlex.split(kept.command)


def test_the_command_names_no_path_of_the_machine(store: Store) -> None:
    record = _last_two(store)[1].record
    paths = {
        "/home/me/secret/suite.toml": "suite.toml",
        "bench/suite.toml": "bench/suite.toml",
        "~/x/suite.toml": "suite.toml",
    }
    for typed, shown in paths.items():
        made = msgspec.structs.replace(
            record, command=["bnnbench", "run", typed, "-d", "pi4"], suite={"sources": ["/home/me/secret/suite.toml"]}
        )
        words = shlex.split(of_comparison(made, Case("w", "pi4", 1), "a", "b").command)
        assert words[2] == shown
        assert not any("secret" in word for word in words)


def _built(record: object) -> object:
    from bnnbench.results.records import Build

    return msgspec.structs.replace(record, builds=[Build(engine="native", triple="t", sha256="0" * 64)])  # type: ignore[type-var]


def _slowed(run: StoredRun, factor: float, only: int) -> StoredRun:
    """The run with the times of its first cases multiplied."""
    from bnnbench.results.records import Invocation

    timed = [entry.case_id for entry in run.entries if isinstance(entry, Invocation)]
    slow = set(list(dict.fromkeys(timed))[:only])
    entries = [
        msgspec.structs.replace(entry, samples_ns=[ns * factor for ns in entry.samples_ns])
        if isinstance(entry, Invocation) and entry.case_id in slow
        else entry
        for entry in run.entries
    ]
    return StoredRun(run.record, entries, Path(), [])
