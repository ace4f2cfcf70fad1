"""A comparison that is killed and resumed ends as one that is not: the same verdicts, the same exit status."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bnnbench.results.records import Verdict, Verdicts
from bnnbench.results.store.runs import Store
from tests.harness.bench import Bench
from tests.harness.replaying import replayed
from tests.harness.test_check import ci, replay
from tests.harness.test_run import journal, wait_for

KILLED_AFTER = """
import os, signal, sys
from bnnbench.results.store.journal import Journal
left, append = int(sys.argv.pop(1)), Journal.append
def append_and_die(self, entry):
    global left
    append(self, entry)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
Journal.append = append_and_die
from bnnbench.harness.cli.main import main
sys.exit(main())
"""
"""`bnnbench`, killed right after so many records of the journal."""


def words_of(store: Store) -> dict[tuple[str, str], str | None]:
    """The verdicts of the store's only run."""
    run = store.run("latest")
    names = {record.id: record.workload for record in run.record.comparisons}
    return {(names[one.comparison_id], one.metric): one.verdict for one in run.verdicts}


def journal_of(store: Store) -> Path:
    (folder,) = [path for path in store.runs_path.iterdir() if path.is_dir()]
    return folder / "journal.jsonl"


def resumed(bench: Bench, *words: str) -> int:
    done = bench.run("run", "--resume", "latest", "--store", "store", *words)
    assert done.returncode in (0, 1, 3), done.stderr
    return done.returncode


def kill_after(bench: Bench, records: int, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER, str(records), *words],
        cwd=bench.folder,
        env=bench.environment,
        timeout=110,
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def a_regression_in_memory_alone(bench: Bench) -> list[str]:
    """A case that is as fast as before, and takes twice the memory."""
    return replayed(bench, memory=2)


@pytest.fixture
def finished(bench: Bench) -> Bench:
    done = bench.run(*a_regression_in_memory_alone(bench))
    assert done.returncode == 1, done.stderr
    assert {metric for _, metric in words_of(bench.store)} == {"latency", "peak_rss", "first"}
    return bench


def test_all_verdicts_of_a_comparison_are_one_record(finished: Bench) -> None:
    """Whatever is cut off at the end of the journal, a resume ends as the whole run did."""
    whole, path = words_of(finished.store), journal_of(finished.store)
    lines = path.read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["type"] for line in lines[-2:]] == ["verdicts", "end"]
    for cut in (1, 2):
        path.write_bytes(b"".join(lines[:-cut]))
        assert resumed(finished) == 1
        assert words_of(finished.store) == whole


def test_a_journal_with_verdicts_one_by_one_is_read_and_judged_again(finished: Bench) -> None:
    """As older versions wrote it, killed after the first verdict of several."""
    whole, path = words_of(finished.store), journal_of(finished.store)
    older = ("sealed", "sum", "seq")  # what versions of then did not write
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    documents = [{key: value for key, value in each.items() if key not in older} for each in documents]
    flat = [one for each in documents for one in (each["verdicts"] if each["type"] == "verdicts" else [each])]
    record = json.loads((path.parent / "run.json").read_text())
    (path.parent / "run.json").write_text(json.dumps({k: v for k, v in record.items() if k not in older}))
    (path.parent / "journal.end").unlink()
    path.write_text("".join(json.dumps(one) + "\n" for one in flat))
    assert not any(isinstance(one, Verdicts) for one in finished.store.run("latest").entries)
    assert words_of(finished.store) == whole
    assert resumed(finished, "--trust") == 1  # complete: nothing is measured
    (path.parent / "journal.end").unlink(missing_ok=True)
    first = next(number for number, one in enumerate(flat) if one["type"] == "verdict")
    path.write_text("".join(json.dumps(one) + "\n" for one in flat[: first + 1]))
    assert len([one for one in finished.store.run("latest").entries if isinstance(one, Verdict)]) == 1
    assert resumed(finished, "--trust") == 1
    assert words_of(finished.store) == whole


def test_a_strict_check_of_two_baselines_is_as_strict_when_resumed(repository: Bench) -> None:
    """Killed in the first: the second baseline was never measured, and nothing may say that all is fine."""
    head = replay(repository)
    shutil.copytree(repository.folder / "store/baselines/main", repository.folder / "store/baselines/v1")
    for path in (repository.folder / "store/runs").iterdir():
        shutil.rmtree(path)
    check = ["check", "--baseline", "main", "--baseline", "v1", "--head", head, "--store", "store", "--strict"]
    kill_after(repository, 6, *check)
    done = repository.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 3, done.stdout
    assert "not measured: baseline v1" in done.stdout


def test_a_device_that_was_away_is_not_forgotten_by_a_resume(bench: Bench) -> None:
    (bench.folder / "devices.toml").write_text(
        '[device.pi4]\ntransport = "ssh"\nhost = "127.0.0.1"\nport = 1\nuser = "pi"\n'
    )
    words = [*replayed(bench), "-d", "local", "-d", "pi4"]
    kill_after(bench, 6, *words)
    for _ in range(2):  # the second time nothing is left to measure
        assert resumed(bench) == 3
        assert bench.store.run("latest").end is not None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_any_record_it_ends_as_if_it_were_not(bench: Bench) -> None:
    words = a_regression_in_memory_alone(bench)
    assert bench.run(*words).returncode == 1
    whole = words_of(bench.store)
    records = len(journal_of(bench.store).read_bytes().splitlines())
    drawn = sorted(random.Random(11).sample(range(1, records - 3), 9))  # noqa: S311
    for after in [*drawn, records - 3, records - 2, records - 1, records]:
        shutil.rmtree(bench.folder / "store")
        shutil.rmtree(bench.folder / "replay")
        (bench.folder / "replay").mkdir()
        kill_after(bench, after, *words)
        assert resumed(bench) == 1, after
        assert words_of(bench.store) == whole, after


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_check_killed_at_any_moment_fails_when_it_is_resumed(repository: Bench) -> None:
    """A real SIGKILL from outside, at random moments of a check whose head takes twice the memory."""
    head = replay(repository, memory=2)
    assert ci(repository, head) == 1
    draw = random.Random(12)  # noqa: S311
    for _ in range(6):
        shutil.rmtree(repository.folder / "store/runs")
        process = repository.start("check", "--baseline", "main", "--head", head, "--store", "store")
        records, pause_s = draw.randrange(1, 32), draw.uniform(0, 0.2)
        wait_for(lambda: process.poll() is not None or len(journal(repository)) >= records, 60)  # noqa: B023
        time.sleep(pause_s)
        process.kill()
        process.communicate(timeout=30)
        assert resumed(repository) == 1
