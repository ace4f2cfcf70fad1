"""What a check or a run was asked for and did not measure is named, and the exit status says so."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from bnnbench.harness.cli.exit_status import exit_status
from bnnbench.harness.run.execute import RunResult
from bnnbench.harness.tasks.remarks import doubts, remarks_on
from bnnbench.results.records import Status, Verdict, Verdicts
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.remarks import Unmeasured
from bnnbench.results.verdict.rows import verdict_rows
from tests.harness.bench import SMALL_SUITE, Bench

AWAY = '[device.off]\ntransport = "ssh"\nhost = "127.0.0.1"\nport = 1\nuser = "pi"\n'
CHECK = ("check", "--baseline", "main", "--store", "store", "--budget", "1s")


QUICK = SMALL_SUITE.replace("min_sample_ms = 1\n", "min_sample_ms = 0.1\n")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the baseline `main` of one case of a suite, and `other` of another."""
    bench = Bench(tmp_path_factory.mktemp("saved"))
    bench.write("quick.toml", QUICK)
    for name, pattern in (("other", "bconv"), ("main", "maxpool")):
        bench.measure("quick.toml", "--filter", pattern, "--engine", "native", "--invocations", "1")
        assert bench.run("baseline", "save", name, "--store", "store").returncode == 0
    return bench.folder


@pytest.fixture
def ours(bench: Bench, saved: Path) -> Bench:
    """A copy of it, of the same user."""
    for name in ("store", "user-home/.local"):
        shutil.copytree(saved / name, bench.folder / name)
    return bench


def verdicts(text: str) -> set[str]:
    return {one["workload"] for one in json.loads(text)["verdicts"]}


def test_a_device_that_was_off_is_named_by_a_check_on_stderr_too(ours: Bench) -> None:
    ours.write("devices.toml", AWAY)
    done = ours.run(*CHECK, "-d", "local", "-d", "off", "--format", "json")
    assert done.returncode == 3, done.stderr
    (one,) = json.loads(done.stdout)["not_measured"]
    assert one["what"] == "device 'off'"
    assert one["reason"] in done.stderr
    shown = ours.run(*CHECK, "-d", "local", "-d", "off", "-o", "out.md", "--format", "markdown")
    assert "not measured: device 'off'" in shown.stdout.splitlines()[0]
    assert "not measured**: device 'off'" in (ours.folder / "out.md").read_text()


def test_a_device_that_was_off_is_not_forgotten_by_a_run_or_its_resume(bench: Bench) -> None:
    bench.write("devices.toml", AWAY)
    bench.write("quick.toml", QUICK)
    words = ("run", "quick.toml", "--filter", "maxpool", "--engine", "native", "--invocations", "1")
    done = bench.run(*words, "-d", "local", "-d", "off", "--store", "store")
    assert done.returncode == 3
    assert "not measured: device 'off'" in done.stdout
    again = bench.run("run", "--resume", "latest", "--store", "store")
    assert again.returncode == 3, again.stdout + again.stderr
    assert "device 'off' did not answer when the run began; measure it in a new run" in again.stdout
    (bench.folder / "devices.toml").unlink()
    assert bench.run("run", "--resume", "latest", "--store", "store").returncode == 3


def test_a_check_is_of_the_cases_that_the_baseline_was_measured_of(ours: Bench) -> None:
    """An own filter narrows them; where it leaves none of one baseline, the others are measured."""
    none = ours.run(*CHECK, "--filter", "bconv")
    assert none.returncode == 2
    assert "matches the filter 'bconv' and 'maxpool'" in none.stderr
    for names in (("main", "other"), ("other", "main")):
        words = [word for name in names for word in ("--baseline", name)]
        two = ours.run("check", *words, *CHECK[3:], "--filter", "8x8x33", "--format", "json", "-o", "out.json")
        assert two.returncode == 3
        document = json.loads((ours.folder / "out.json").read_text())
        assert {one["base"] for one in document["verdicts"]} == {"native@main"}
        assert len({one["workload"] for one in document["verdicts"]}) == 1
        (left,) = document["not_measured"]
        assert left["what"] == "baseline 'other'"
        assert "matches the filter" in left["reason"]


def test_a_broken_head_stays_one_where_another_baseline_cannot_be_measured(ours: Bench) -> None:
    ours.write("broken", f"#!{sys.executable}\nraise SystemExit('broken')\n").chmod(0o755)
    words = (*CHECK, "--baseline", "other", "--filter", "maxpool", "--head", "native@broken")
    done = ours.run(*words, "--format", "junit", "-o", "out.xml")
    assert done.returncode == 1, done.stderr
    assert "baseline 'other'" in (ours.folder / "out.xml").read_text()


@pytest.fixture
def judged(ours: Bench) -> StoredRun:
    ours.run(*CHECK)
    return ours.store.run("latest")


def told(run: StoredRun, status: Status | None, **compare: object) -> tuple[int, list[str]]:
    """Exit status and doubts where latency's verdict is another one; None: it is not there yet."""
    (one,) = run.record.comparisons
    entries = [entry for entry in run.entries if not isinstance(entry, Verdicts)]
    if status:
        word = "inconclusive" if status == "ok" else None
        verdict = Verdict(comparison_id=one.id, metric="latency", unit="ns", status=status, verdict=word)
        entries.insert(-1, Verdicts(comparison_id=one.id, verdicts=[verdict]))
    suite = {**run.record.suite, "compare": {**run.record.suite["compare"], **compare}}
    changed = StoredRun(msgspec.structs.replace(run.record, suite=suite), entries, run.path)
    result, rows = RunResult(changed, "complete"), verdict_rows(changed)
    return exit_status(result, rows), doubts(result, rows)


def test_every_status_3_has_a_reason(judged: StoredRun) -> None:
    (workload,) = {one.workload for one in judged.record.comparisons}
    assert told(judged, "ok") == (0, [])
    assert told(judged, "skipped") == (3, ["no case was judged"])
    assert told(judged, "unverified") == (3, ["no case was judged"])
    assert told(judged, "ok", most_unclear=0.2) == (3, ["1 of 1 case without a verdict, 20 % allowed"])
    assert told(judged, "ok", strict=True) == (3, [f"1 without a verdict, and --strict allows none: {workload}"])
    assert told(judged, "unstable") == (3, [f"not measured: {workload} (unstable)"])
    assert told(judged, None) == (3, [f"1 case not finished: {workload}", "no case was judged"])


def test_a_case_that_an_interrupted_check_did_not_finish_is_named(judged: StoredRun, ours: Bench) -> None:
    entries = [entry for entry in judged.entries if not isinstance(entry, Verdicts)]
    cut = RunResult(StoredRun(judged.record, entries, judged.path), "interrupted")
    (workload,) = {one.workload for one in judged.record.comparisons}
    (left,) = remarks_on(cut, [], ours.store).unmeasured
    assert left == Unmeasured(f"{workload} on local", "not finished, the run is interrupted")


def test_an_own_engine_is_run_as_its_suite_declares_it_today(bench: Bench) -> None:
    from tests.harness.test_own_baseline import SUITE, engine

    bench.write("own.toml", SUITE)
    engine(bench, "1")
    bench.measure("own.toml")
    assert bench.run("baseline", "save", "main", "--store", "store").returncode == 0
    bench.write("wrong", "wrong")
    bench.write("own.toml", SUITE.replace('files = ["settings"]', 'files = ["wrong"]'))
    done = bench.run(*CHECK)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "has changed" not in done.stderr
    bench.write("own.toml", SUITE.replace("[8, 8, 33]", "[8, 8, 34]"))
    changed = bench.run(*CHECK, "--format", "json")
    said = "the suite has changed since main was saved; the baseline's cases are checked"
    assert said in changed.stderr
    assert said in json.loads(changed.stdout)["notes"]
    assert all("33" in name for name in verdicts(changed.stdout))
    (bench.folder / "own.toml").unlink()
    gone = bench.run(*CHECK)
    assert "own.toml does not exist" in gone.stderr
    assert "its saved version is checked" in gone.stderr


def test_a_model_is_no_suite_that_changed(bench: Bench) -> None:
    from bnnbench.kernels.models.shipped import shipped_models

    shutil.copy(shipped_models()["quicknet_xs"], bench.folder / "m.tflite")
    bench.write("quick.toml", QUICK)
    bench.measure("m.tflite", "quick.toml", "--engine", "native", "--invocations", "1")
    assert bench.run("baseline", "save", "main", "--store", "store").returncode == 0
    (path,) = bench.store.run("latest").record.models
    assert Path(path).name == "m.tflite"
    done = bench.run(*CHECK)
    assert "suite" not in done.stderr, done.stderr
