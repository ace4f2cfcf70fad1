"""Whole commands with a store in object storage: the connection is cut and mended, hosts write at once, a host is
killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

import bnnbench
from bnnbench.harness.bench.context import RunContext, Silent
from bnnbench.results.store.runs import RunWriter, Store
from tests.harness.bench import Bench, one_sentence
from tests.results.conftest import write_synthetic
from tests.s3 import ACCESS_KEY, SECRET_KEY, TOKEN, Storage, credentials, planted_in, s3_port, storage

__all__ = ["s3_port", "storage"]
pytestmark = pytest.mark.timeout(280)
TINY = ("small.toml", "--filter", "maxpool", "--engine", "native", "--invocations", "1")
FILES_OF_A_RUN = (
    *("run.json", "run.json.signature", "journal.jsonl", "journal.end", "files.json"),
    *("cases.parquet", "verdicts.parquet", "measurements.parquet"),
)
OFTEN = """
import sys
from bnnbench.results.store.remote import live_run
live_run.EVERY_S = 0.0
from bnnbench.harness.cli.main import main
main()
"""
MANY = """
name = "many"
engines = ["native"]
invocations = 40
samples = 3
min_sample_ms = 1
warmup_ms = 1

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]
"""


class Host:
    """A user on a machine of its own, with the planted credentials; `said` is all that its commands wrote."""

    def __init__(self, folder: Path, storage: Storage) -> None:
        folder.mkdir()
        self.bench, self.storage, self.said = Bench(folder), storage, ""
        self.bench.environment |= {
            **credentials(folder, storage.line.url),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def run(self, *words: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.bench.run(*words, "--store", self.storage.url, timeout=200)
        self.said += done.stdout + done.stderr
        assert done.returncode == status, done.stderr + done.stdout
        return done

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """A command that uploads whenever nothing is timed."""
        return subprocess.Popen(
            [sys.executable, "-c", OFTEN, *map(str, words), "--store", self.storage.url],
            cwd=self.bench.folder,
            env=self.bench.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str], status: int = 0) -> str:
        out, err = process.communicate(timeout=200)
        self.said += out + err
        assert process.returncode == status, out + err
        return out + err

    def runs(self) -> dict[str, str]:
        """The state of each run by its id."""
        return {line["run_id"]: line["state"] for line in json.loads(self.run("runs", "list", "--json").stdout)}

    @property
    def mirror(self) -> Path:
        (mirror,) = (self.bench.folder / "cache/bnnbench/s3").iterdir()
        return mirror


@pytest.fixture
def host(tmp_path: Path, storage: Storage) -> Callable[[str], Host]:
    return lambda name: Host(tmp_path / name, storage)


def wait_for(condition: Callable[[], object], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_run_is_on_another_host_and_no_credential_anywhere(
    host: Callable[[str], Host], storage: Storage, tmp_path: Path
) -> None:
    a, b = host("a"), host("b")
    out = a.run("run", *TINY).stdout
    run_id = next(iter(b.runs()))
    assert f"next: bnnbench report {run_id} --store {storage.url}\n" in out
    assert sorted(storage.names()) == sorted(f"runs/{run_id}/{name}" for name in FILES_OF_A_RUN)
    assert planted_in(tmp_path) == []
    for name in storage.names():
        (tmp_path / "object").write_bytes(storage.get(name))
        assert planted_in(tmp_path) == [], name
    assert not any(word in a.said + b.said for word in (ACCESS_KEY, SECRET_KEY, TOKEN))


def test_a_password_in_the_address_is_refused(bench: Bench) -> None:
    done = bench.run("run", *TINY, "--store", f"s3://user:{SECRET_KEY}@bucket/x")
    assert done.returncode == 2
    assert "no user and no password" in one_sentence(done.stderr)
    assert SECRET_KEY not in done.stderr + done.stdout


def test_nothing_is_uploaded_while_a_block_is_timed() -> None:
    shared: list[bool] = []

    class Writer:
        def share(self) -> str | None:
            # Another thread cannot begin to time anything meanwhile.
            begins = threading.Thread(target=lambda: shared.append(context.quiet.acquire(blocking=False)))
            begins.start()
            begins.join(10)
            return "the server is away"

    notes: list[str] = []
    watcher = Silent()
    watcher.note = notes.append  # type: ignore[method-assign]
    context = RunContext(Path(), cast("RunWriter", Writer()), watcher, 1, 1, True, 1, 1, 0)
    another = threading.Thread(target=context.show, args=("pi4", "timing", 0, 1))
    with context.quiet:  # a block is timed
        another.start()
        another.join(0.3)
        assert not shared
    another.join(10)
    assert shared == [False]
    assert notes == ["the server is away"]


def test_python_reads_it_by_its_address(storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**credentials(tmp_path, storage.line.url), "XDG_CACHE_HOME": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    written = write_synthetic(Store(storage.url))
    for place in (storage.url, Path(storage.url)):
        assert bnnbench.load(place)[-1].id == written.record.run_id
    with pytest.raises(bnnbench.CallError, match="no user and no password"):
        bnnbench.load(f"s3://{SECRET_KEY}@{storage.bucket}")


@pytest.mark.slow
def test_run_check_and_report_with_the_server_stopped_in_the_middle(
    host: Callable[[str], Host], storage: Storage
) -> None:
    a, b = host("a"), host("b")
    a.run("run", *TINY)
    saved = a.run("baseline", "save", "main").stdout
    assert "baseline main" in saved
    assert "baselines/main.json" in storage.names()

    # Stopped while it measures, and still away at its end.
    a.bench.write("many.toml", MANY)
    process = a.start("run", "many.toml")
    wait_for(lambda: any("/journal-" in name for name in storage.names()))
    (live,) = (state for state in b.runs().values() if state == "incomplete")
    assert live
    storage.line.cut()
    said = a.end(process)
    assert said.count("the run goes on, and is uploaded when it ends") == 1
    assert said.count("the next command with --store s3://") == 1
    away = a.run("runs", "list").stderr
    assert away.count("can't be reached") == 1
    before = {run_id: state for run_id, state in a.runs().items() if state == "complete"}
    assert len(before) == 2
    assert "can't be reached" in one_sentence(host("c").run("runs", "list", status=2).stderr)

    storage.line.mend()
    assert a.runs() == before
    assert b.runs() == before
    assert not [name for name in storage.names() if "/journal-" in name]

    # Stopped and mended while a comparison with the baseline goes on.
    a.bench.write("check.toml", MANY)
    process = a.start("check", "--baseline", "main", "--budget", "20s", "--max-inconclusive", "100%")
    wait_for(lambda: any("/journal-" in name for name in storage.names()))
    storage.line.cut()
    time.sleep(1)
    storage.line.mend()
    out, err = process.communicate(timeout=200)
    assert process.returncode in (0, 1, 3), out + err
    assert "the next command" not in err
    compared = set(b.runs()) - set(before)
    assert len(compared) == 1
    shown = json.loads(b.run("runs", "show", next(iter(compared)), "--json").stdout)
    assert shown["comparison"]

    b.run("report", "latest", "-o", b.bench.folder / "page")
    assert (b.bench.folder / "page/index.html").is_file()
    storage.line.cut()
    b.run("report", "latest", "-o", b.bench.folder / "again")
    assert (b.bench.folder / "again/index.html").is_file()
    assert not any(word in a.said + b.said + out + err for word in (ACCESS_KEY, SECRET_KEY, TOKEN))


@pytest.mark.slow
def test_two_hosts_write_at_once(host: Callable[[str], Host], storage: Storage) -> None:
    hosts = [host("a"), host("b")]
    for _ in range(2):
        for each, process in [(each, each.start("run", *TINY)) for each in hosts]:
            each.end(process)
    found = [each.runs() for each in hosts]
    assert found[0] == found[1]
    assert list(found[0].values()) == ["complete"] * 4
    for run_id in found[0]:
        journals = [(each.mirror / "runs" / run_id / "journal.jsonl").read_bytes() for each in hosts]
        assert journals[0] == journals[1] == storage.get(f"runs/{run_id}/journal.jsonl")


@pytest.mark.slow
def test_a_host_that_is_killed_while_it_uploads(host: Callable[[str], Host], storage: Storage) -> None:
    a, b = host("a"), host("b")
    a.runs()
    storage.line.hangs = True
    process = a.bench.start("run", *TINY, "--store", storage.url)
    wait_for(lambda: (a.mirror / "runs").is_dir() and any((a.mirror / "runs").glob("*/run.json")))
    storage.line.allowed = 3000  # within the journal
    assert storage.line.is_hanging.wait(60)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    storage.line.allowed, storage.line.hangs = None, False
    assert not [name for name in storage.names() if name.endswith("run.json")]
    assert b.runs() == {}
    (found,) = a.runs().items()
    assert found[1] == "complete"
    assert b.runs() == dict([found])
    assert b.run("runs", "show", found[0]).stdout.count("ok") >= 1


@pytest.mark.slow
def test_a_removed_run_is_gone_on_every_host(host: Callable[[str], Host], storage: Storage) -> None:
    a, b = host("a"), host("b")
    a.run("run", *TINY)
    (run_id,) = b.runs()
    removed = b.run("runs", "rm", run_id, "--yes").stdout
    assert re.search(rf"removed {run_id}", removed)
    assert storage.names() == []
    assert a.runs() == {}
