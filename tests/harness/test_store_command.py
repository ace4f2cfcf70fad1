"""`bnnbench store`: verify and prune, as a user calls them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.harness.bench import Bench, one_sentence

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
    journal.write_bytes(journal.read_bytes().replace(b"case_id", b"case_ix"))
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
