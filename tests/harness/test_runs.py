"""The runs of a store: listed, shown again, removed."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from bnnbench.harness.cli.summary import again
from bnnbench.results.store.listing import list_runs
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import read_record
from tests.harness.bench import BNNBENCH, Bench, one_sentence

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def stored(received: Bench) -> str:
    """The id of the one run of the store, which the baseline `main` is of."""
    return next(iter(received.store.run_ids()))


def copied(bench: Bench, run_id: str, name: str) -> Path:
    """Another run of the store, with the same figures."""
    return Path(shutil.copytree(bench.folder / "store/runs" / run_id, bench.folder / "store/runs" / name))


def test_list_is_newest_first_and_says_how_runs_ended(received: Bench, stored: str) -> None:
    old = copied(received, stored, "20200101-000000-aaaaaa")
    record = msgspec.structs.replace(read_record(old), created="2020-01-01T00:00:00+00:00", run_id=old.name)
    (old / "run.json").write_bytes(msgspec.json.encode(record))
    cut = copied(received, stored, "20200102-000000-bbbbbb")
    record = msgspec.structs.replace(record, created="2020-01-02T00:00:00+00:00", run_id=cut.name)
    (cut / "run.json").write_bytes(msgspec.json.encode(record))
    lines = (cut / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (cut / "journal.jsonl").write_bytes(b"".join(lines[:-1]))
    done = received.run("runs", "list", "--store", "store", "--json")
    rows = json.loads(done.stdout)
    assert [(row["run_id"], row["state"]) for row in rows] == [
        (stored, "complete"),
        (cut.name, "incomplete"),
        (old.name, "complete"),
    ]
    assert rows[0]["suite"] == "small"
    assert rows[0]["devices"] == ["local"]
    assert rows[0]["cases"] == 1
    assert rows[0]["size_bytes"] == sum(one.stat().st_size for one in (received.folder / rows[0]["path"]).iterdir())
    text = received.run("runs", "list", "--store", "store").stdout
    assert [line.split()[0] for line in text.splitlines()[2:5]] == [stored, cut.name, old.name]
    assert "3 runs" in text


def test_thousands_of_runs_are_listed_without_their_journals(received: Bench, stored: str) -> None:
    journal = received.folder / "store/runs" / stored / "journal.jsonl"
    journal.write_bytes(b'{"type":"event"}\n' * 1_000_000 + journal.read_bytes())  # 17 MB that nobody needs to read
    for number in range(2000):
        folder = received.folder / "store/runs" / f"20260101-{number:06d}-abcdef"
        folder.mkdir()
        for name in ("run.json", "journal.jsonl"):
            os.link(received.folder / "store/runs" / stored / name, folder / name)
    begun = time.monotonic()
    lines = list_runs(Store(received.folder / "store"))
    assert time.monotonic() - begun < 10
    assert len(lines) == 2001
    assert {line.state for line in lines} == {"complete"}


def test_a_damaged_run_is_left_out_with_a_warning(received: Bench, stored: str) -> None:
    (copied(received, stored, "broken") / "run.json").write_text("{")
    done = received.run("runs", "list", "--store", "store", "--json")
    assert [row["run_id"] for row in json.loads(done.stdout)] == [stored]
    assert "warning: run broken is left out" in done.stderr


def test_show_has_the_table_as_run_printed_it(received: Bench, stored: str) -> None:
    shown = received.run("runs", "show", stored, "--store", "store")
    assert shown.returncode == 0, shown.stderr
    printed = received.run("run", "--resume", stored, "--store", "store", "--trust")
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout
    assert shown.stdout.endswith(printed.stdout)
    head = shown.stdout.removesuffix(printed.stdout)
    for words in ("command ", "small", "native  ", "device local", "cpu_model", "invocations  1 per case"):
        assert words in head
    document = json.loads(received.run("runs", "show", stored[:13], "--store", "store", "--json").stdout)
    assert document["run_id"] == stored
    assert document["outcome"] == "complete"
    assert document["config"]["suite"]["name"] == "small"
    assert document["devices"]["local"]["cpu_model"]["value"]
    assert [row["status"] for row in document["cases"]] == ["ok"]


def test_what_a_narrow_terminal_leaves_out_is_shown_by_this_command(received: Bench, stored: str) -> None:
    assert again(stored, None) == f"bnnbench runs show {stored} | cat"
    received.environment["COLUMNS"] = "80"
    narrow = received.run("runs", "show", stored, "--store", "store").stdout
    assert f"bnnbench runs show {stored} --store store | cat" in " ".join(narrow.split())


def test_rm_refuses_what_a_baseline_is_of(received: Bench, stored: str) -> None:
    other = copied(received, stored, "20200101-000000-aaaaaa")
    done = received.run("runs", "rm", other.name, stored, "--store", "store", "--yes")
    assert done.returncode == 2
    assert f"run {stored} is needed by the baseline main" in one_sentence(done.stderr)
    assert other.is_dir()  # all or nothing
    done = received.run("runs", "rm", other.name, "--store", "store", "--yes")
    assert done.returncode == 0, done.stderr
    assert not other.exists()
    assert received.store.run_ids() == [stored]


def test_rm_asks_or_needs_yes(received: Bench, stored: str) -> None:
    other = copied(received, stored, "20200101-000000-aaaaaa")
    done = received.run("runs", "rm", other.name, "--store", "store")
    assert done.returncode == 2
    assert "--yes" in one_sentence(done.stderr)
    assert other.is_dir()
    assert asked(received, "n", "runs", "rm", other.name, "--store", "store") == 0
    assert other.is_dir()
    assert asked(received, "y", "runs", "rm", other.name, "--store", "store") == 0
    assert not other.exists()


def asked(bench: Bench, answer: str, *words: str) -> int:
    """The status of a command with a terminal, on which this is typed."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        command = [BNNBENCH, *words]
        return subprocess.run(
            command, cwd=bench.folder, env=bench.environment, stdin=theirs, timeout=60, check=False
        ).returncode
    finally:
        os.close(ours)
        os.close(theirs)


def test_rm_follows_no_links(received: Bench, stored: str) -> None:
    runs = received.folder / "store/runs"
    outside = Path(shutil.copytree(runs / stored, received.folder / "outside"))
    (runs / "linked").symlink_to(outside)
    done = received.run("runs", "rm", "linked", "--store", "store", "--yes")
    assert done.returncode == 2
    assert "is a link" in one_sentence(done.stderr)
    other = copied(received, stored, "20200101-000000-aaaaaa")
    (other / "more").symlink_to(outside)
    (other / "journal.end").unlink()
    (other / "journal.end").symlink_to(outside / "journal.end")
    assert received.run("runs", "rm", other.name, "--store", "store", "--yes").returncode == 0
    assert not other.exists()
    assert {"run.json", "journal.jsonl", "journal.end"} <= {one.name for one in outside.iterdir()}
    done = received.run("runs", "rm", str(outside), "--store", "store", "--yes")
    assert "is not a run of the store" in one_sentence(done.stderr)


def test_rm_refuses_a_run_that_is_being_written(received: Bench, stored: str) -> None:
    other = copied(received, stored, "20200101-000000-aaaaaa")
    with received.store.reopen(other.name):
        done = received.run("runs", "rm", other.name, "--store", "store", "--yes")
    assert done.returncode == 2
    assert "is being written by another process" in one_sentence(done.stderr)
    assert (other / "run.json").is_file()
