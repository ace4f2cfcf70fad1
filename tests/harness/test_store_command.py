"""`bnnbench store`: verify and prune, as a user calls them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import msgspec
import pytest

from bnnbench.results.store.stored_run import read_record
from tests.docs.blocks import blocks_of
from tests.harness.bench import Bench, one_sentence
from tests.harness.test_runs import asked

FROZEN = Path(__file__).parents[1] / "docs/frozen/0.2.0"

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def kept(bench: Bench) -> Bench:
    """A store with the runs of 0.2.0."""
    for folder in FROZEN.glob("2*"):
        shutil.copytree(folder, bench.folder / "store/runs" / folder.name)
    bench.environment["COLUMNS"] = "80"
    return bench


def test_verify_says_that_a_store_is_whole(kept: Bench) -> None:
    done = kept.run("store", "verify", "--store", "store")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 runs checked in store, 18 files, ")
    assert "no damage" in done.stdout
    assert "3 not signed by you on this machine" in done.stdout
    assert done.stderr == ""
    document = json.loads(kept.run("store", "verify", "--store", "store", "--json").stdout)
    assert document["whole"] is True
    assert [part["state"] for part in document["parts"]] == ["ended"] * 3


def test_verify_names_damage_with_its_place_and_what_to_do(kept: Bench) -> None:
    journal = kept.folder / "store/runs/20261129-144422-0b63f8/journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"type"', b'"typo"'))
    (kept.folder / "store/runs/20261129-144330-c60e40/journal.end").write_text("x")
    done = kept.run("store", "verify", "--store", "store")
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "damaged: runs/20261129-144330-c60e40/journal.end: it is no number of records: restore it from a" in text
    assert re.search(
        r"damaged: runs/20261129-144422-0b63f8/journal.jsonl: line \d: its checksum is missing or wrong: restore", text
    )
    assert re.search(r"journal.jsonl: \d+ more, all in --json", text)
    assert text.count("2 damaged") == 1
    assert max(map(len, done.stdout.splitlines())) <= 80
    one = kept.run("store", "verify", "20261129-144442", "--store", "store", "--json")
    assert one.returncode == 0
    assert len(json.loads(one.stdout)["parts"]) == 1
    done = kept.run("store", "verify", "--store", "store", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["whole"] is False
    assert {one["grade"] for part in document["parts"] for one in part["findings"]} == {"damage"}


def test_verify_of_no_store_is_one_sentence(bench: Bench) -> None:
    done = bench.run("store", "verify", "--store", "nowhere")
    assert done.returncode == 2
    assert "there is no such folder" in one_sentence(done.stderr)


def test_prune_shows_asks_and_removes(kept: Bench) -> None:
    call = ("store", "prune", "--keep", "1", "--store", "store")
    twin = kept.folder / "store/runs/20200101-000000-aaaaaa"
    shutil.copytree(kept.folder / "store/runs/20261129-144330-c60e40", twin)
    record = read_record(twin)
    old = msgspec.structs.replace(record, run_id=twin.name, created="2020-01-01T00:00:00+00:00", after=None)
    (twin / "run.json").write_bytes(msgspec.json.encode(old))
    shown = kept.run(*call, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert twin.name in shown.stdout
    assert "kept: 3 runs among the newest" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    refused = kept.run(*call)
    assert refused.returncode == 2
    assert "add --yes to remove 1 run" in one_sentence(refused.stderr)
    assert twin.name in refused.stdout
    document = json.loads(kept.run(*call, "--json").stdout)
    assert [one["run_id"] for one in document["to_remove"]] == [twin.name]
    assert {one["reason"] for one in document["kept"]} == {"newest"}
    assert document["removed"] == []
    assert asked(kept, "n", *call) == 0
    assert twin.is_dir()
    assert asked(kept, "y", *call) == 0
    assert not twin.exists()
    assert len(kept.store.run_ids()) == 3
    assert "nothing to remove" in kept.run(*call).stdout


def test_prune_keeps_what_baselines_need(kept: Bench) -> None:
    shutil.copytree(FROZEN / "baselines", kept.folder / "store/baselines")
    done = kept.run("store", "prune", "--keep", "1d", "--store", "store", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (baseline,) = (one for one in document["kept"] if one["reason"] == "baseline")
    assert (baseline["run"]["run_id"], baseline["names"]) == ("20261129-144330-c60e40", ["main"])
    assert kept.store.run_ids() == sorted(one["run"]["run_id"] for one in document["kept"])


@pytest.mark.parametrize("rule", ["0", "soon"])
def test_prune_takes_rules_only(kept: Bench, rule: str) -> None:
    done = kept.run("store", "prune", "--keep", rule, "--store", "store", "--yes")
    assert done.returncode == 2
    assert "write it as 20, 90d, 12w, 6mo or 2y" in one_sentence(done.stderr)
    done = kept.run("store", "prune", "--store", "store", "--yes")
    assert done.returncode == 2
    assert len(kept.store.run_ids()) == 3


def test_prune_goes_on_after_a_run_that_it_can_not_remove(kept: Bench) -> None:
    """One is called `latest`, which means another run."""
    runs = kept.folder / "store/runs"
    for name in ("latest", "20200101-000000-aaaaaa"):
        shutil.copytree(runs / "20261129-144330-c60e40", runs / name)
        record = read_record(runs / name)
        old = msgspec.structs.replace(record, run_id=name, created="2020-01-01T00:00:00+00:00", after=None)
        (runs / name / "run.json").write_bytes(msgspec.json.encode(old))
    done = kept.run("store", "prune", "--keep", "1", "--store", "store", "--yes")
    assert done.returncode == 1
    assert "not removed: run latest can't be named" in done.stderr
    assert "removed 1 run, " in done.stdout
    assert not (runs / "20200101-000000-aaaaaa").exists()
    assert len(kept.store.run_ids()) == 4


def test_the_commands_of_docs_store_md(kept: Bench) -> None:
    document = Path(__file__).parents[2] / "docs/store.md"
    blocks = [one for one in blocks_of(document) if one.runner == Path(__file__)]
    (kept.folder / "store/runs").rename(kept.folder / "runs")
    commands = [shlex.split(line, comments=True) for block in blocks for line in block.commands]
    assert [words[:3] for words in commands[:1] + commands[3:]] == [
        ["bnnbench", "store", "index"],
        *[["bnnbench", "store", "prune"]] * 3,
    ]
    assert [words[1] for words in commands[1:3]] == ["query"] * 2
    for words in commands:
        done = kept.run(*words[1:])
        assert done.returncode == 0, done.stderr
    runs = [path for path in (kept.folder / "runs").iterdir() if (path / "run.json").is_file()]
    assert len(runs) == 3  # there are fewer than the newest 20
    assert (kept.folder / "regressions.parquet").is_file()
