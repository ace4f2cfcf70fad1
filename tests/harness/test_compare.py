"""`bnnbench compare`: the ratios of two stored runs, and what else differs between them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from bnnbench.results.store.stored_run import read_record
from tests.harness.bench import Bench

FROZEN = Path(__file__).parents[1] / "docs/frozen/0.2.0"
BASE, HEAD = "20261129-144330-c60e40", "20270101-000000-aaaaaa"
SAME = "same environment, as far as it is recorded"

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def two(bench: Bench) -> Bench:
    """A store with a run of 0.2.0, and the same figures from a machine that has changed."""
    shutil.copytree(FROZEN / BASE, bench.folder / "store/runs" / BASE)
    head = Path(shutil.copytree(FROZEN / BASE, bench.folder / "store/runs" / HEAD))
    record = read_record(head)
    record.devices["local"]["kernel"]["value"] = "Linux 7.0"
    record.devices["local"]["governor"]["value"] = "powersave"
    record.devices["local"]["boot_id"]["value"] = "another"
    record = msgspec.structs.replace(record, run_id=HEAD, version="0.3.0", samples_per_invocation=20)
    (head / "run.json").write_bytes(msgspec.json.encode(record))
    bench.environment["COLUMNS"] = "80"
    return bench


def test_what_differs_is_said_after_the_ratios(two: Bench) -> None:
    done = two.run("compare", BASE, HEAD, "--store", "store")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert (
        "different on local: rebooted in between; kernel Linux 6.18.44-fc-v669 -> Linux 7.0; governor unknown -> "
        "powersave different versions: bnnbench 0.2.0 -> 0.3.0 different settings: samples 3 -> 20"
    ) in text
    assert text.index("different on") > text.index("1.000")
    assert SAME not in text
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_as_json(two: Bench) -> None:
    document = json.loads(two.run("compare", BASE, HEAD, "--store", "store", "--json").stdout)
    assert [(one["where"], one["what"], one["head"]) for one in document["environment"]][1:] == [
        ("local", "kernel", "Linux 7.0"),
        ("local", "governor", "powersave"),
        ("versions", "bnnbench", "0.3.0"),
        ("settings", "samples", "20"),
    ]
    assert document["environment"][0]["kind"] == "rebooted"


def test_a_run_and_itself_have_the_same_environment(two: Bench) -> None:
    assert SAME in two.run("compare", BASE, BASE, "--store", "store").stdout
    assert json.loads(two.run("compare", BASE, BASE, "--store", "store", "--json").stdout)["environment"] == []
