"""A run goes on, and a baseline is compared, on the machine that it was made on; another of its name is told apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bnnbench.results.same_machine import difference, rebooted
from tests.harness.bench import Bench, one_sentence

PI = {
    "model": "Raspberry Pi 4 Model B Rev 1.4",
    "machine": "aarch64",
    "triple": "aarch64-linux-musl",
    "cpu_model": "Cortex-A72",
    "revision": "c03114",
    "cpus": {"count": 4, "online": [0, 1, 2, 3], "allowed": [0, 1, 2, 3]},
    "boot_id": "a",
    "machine_id": "0123456789abcdef",
    "memory_bytes": 4 << 30,
    "emulated": False,
}


def facts(**other: object) -> dict[str, dict[str, Any]]:
    return {name: {"value": value, "source": "test"} for name, value in {**PI, **other}.items()}


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        ({}, None),
        ({"boot_id": "b"}, None),
        ({"boot_id": "b", "memory_bytes": int(3.8 * 2**30)}, None),
        ({"boot_id": None, "machine_id": None, "model": None}, None),
        ({"machine_id": "another container"}, None),
        ({"cpus": {"count": 2}}, None),
        ({"boot_id": "b", "machine_id": "fedcba9876543210"}, "serial number or machine id"),
        ({"boot_id": "b", "model": "Raspberry Pi 5 Model B Rev 1.0"}, "its model is Raspberry Pi 5"),
        ({"boot_id": "b", "cpu_model": "Cortex-A76"}, "its CPU is Cortex-A76, and was Cortex-A72"),
        ({"boot_id": "b", "revision": "d03115"}, "its board revision"),
        ({"boot_id": "b", "cpus": {"count": 8}}, "8 CPUs, and had 4"),
        ({"boot_id": "b", "memory_bytes": 8 << 30}, "8.0 GiB of memory, and had 4.0"),
        ({"boot_id": "b", "triple": "arm-linux-musleabihf"}, "its userland"),
    ],
)
def test_two_machines_of_one_name_are_told_apart(other: dict[str, object], shown: str | None) -> None:
    found = difference(facts(), facts(**other))
    assert (found is None) if shown is None else (found is not None and shown in found)


def test_an_address_tells_apart_what_has_no_number_of_its_own() -> None:
    """A board with a serial number may move in the network."""
    unknown = {"boot_id": "b", "machine_id": None}
    assert difference(facts(address="x"), facts(address="y", boot_id="b")) is None
    assert difference(facts(address="x"), facts(address="x", **unknown)) is None
    assert difference(facts(), facts(address="y", **unknown)) is None  # a run of before
    assert "another address" in (difference(facts(address="x"), facts(address="y", **unknown)) or "")


def test_a_reboot_is_seen_where_both_boots_are_known() -> None:
    assert rebooted(facts(), facts(boot_id="b"))
    assert not rebooted(facts(), facts())
    assert not rebooted(facts(boot_id=None), facts())


def cut_off(bench: Bench, change: Callable[[dict[str, Any]], object]) -> None:
    """A run that was cut off, begun on a machine with other facts."""
    path = bench.store.run("latest").path
    assert path is not None
    lines = (path / "journal.jsonl").read_text().splitlines(keepends=True)
    (path / "journal.jsonl").write_text("".join(lines[:-2]))
    record = json.loads((path / "run.json").read_text())
    change(record["devices"]["local"])
    (path / "run.json").write_text(json.dumps(record))
    bench.trust_again(path / "run.json")


def test_resume_on_another_machine_is_refused(ours: Bench) -> None:
    cut_off(ours, lambda facts: facts["cpu_model"].update(value="another CPU"))
    done = ours.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 2
    assert "device 'local' (this machine) is not the machine of before: its CPU is" in one_sentence(done.stderr)


def test_resume_of_a_copied_store_is_refused(ours: Bench) -> None:
    def copied(facts: dict[str, Any]) -> None:
        facts["boot_id"]["value"] = "4d29a9ad-0000-4000-8000-000000000000"
        facts["machine_id"]["value"] = "0000000000000000"
        facts["memory_bytes"]["value"] *= 3

    cut_off(ours, copied)
    done = ours.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 2
    assert "is not the machine of before" in one_sentence(done.stderr)


def test_resume_after_a_reboot_says_so(ours: Bench) -> None:
    cut_off(ours, lambda facts: facts["boot_id"].update(value="4d29a9ad-0000-4000-8000-000000000000"))
    done = ours.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 0, done.stderr
    events = [one for one in ours.store.run("latest").events if one.kind == "rebooted"]
    assert [one.device for one in events] == ["local"]


def test_a_baseline_of_another_machine_is_told(ours: Bench) -> None:
    baseline = Path(ours.folder / "store/baselines/main/capsule.json")
    document = json.loads(baseline.read_text())
    document["devices"]["local"]["cpu_model"]["value"] = "another CPU"
    baseline.write_text(json.dumps(document))
    ours.trust_again(baseline)
    done = ours.run(
        *("check", "--baseline", "main", "--store", "store", "--budget", "1s", "--filter", "maxpool"),
        *("--format", "json"),
    )
    (found,) = [one for one in json.loads(done.stdout)["verdicts"] if one["metric"] == "latency"]
    assert "the baseline was saved on another machine of this name (its CPU is" in found["why"]
    changed = [one for one in json.loads(done.stdout)["environment"] if one["where"] == "local"]
    assert [one["kind"] for one in changed][:2] == ["another_machine", "changed"]
    assert (changed[0]["baseline"], changed[1]["what"], changed[1]["base"]) == ("main", "CPU", "another CPU")
