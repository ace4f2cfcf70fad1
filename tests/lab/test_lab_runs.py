"""Runs through a lab are those of at home: the same records, but for what time and place decide."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from bnnbench.results.store.runs import StoredRun
from tests.harness.bench import Bench, one_sentence
from tests.harness.replaying import replayed
from tests.harness.test_schemas import check as check_schema
from tests.lab.labs import Lab

MUST_DIFFER = {"run_id", "created", "command", "suite.lab", "suite.inventory", "suite.inventory_given"}
"""Of `run.json`: when and how it was asked for."""
MAY_DIFFER = {
    *("started", "finished", "wall_ns", "run_request_ns", "block_ns", "iterations", "warmup_ns", "settled"),
    *("first_ns", "load_ns", "warmup_samples_ns", "samples_ns", "clock_hz", "start_ns", "end_ns", "cpus_used"),
    *("counters", "counters_error", "watch", "peak_rss_bytes", "telemetry", "stderr"),
}
"""Of records: what was timed, and what the kernel did meanwhile."""
FACTS = {"address", "boot_id"}
"""Of a device's facts: those that must be the same; load, temperatures and clocks are of the moment."""


def planned(run: StoredRun) -> dict[str, Any]:
    record = msgspec.to_builtins(run.record)
    for name in MUST_DIFFER:
        head, _, tail = name.partition(".")
        (record[head] if tail else record).pop(tail or head)
    record["devices"] = {name: {fact: facts.get(fact) for fact in FACTS} for name, facts in record["devices"].items()}
    return record  # type: ignore[no-any-return]


def happened(run: StoredRun) -> list[tuple[Any, ...]]:
    """Every record without what was timed, in an order that time does not decide."""
    found = []
    for entry in run.entries:
        values = msgspec.to_builtins(entry)
        if values["type"] in ("gate", "invocation"):
            found.append(tuple(sorted((key, str(value)) for key, value in values.items() if key not in MAY_DIFFER)))
        elif values["type"] == "peak":
            found.append((values["type"], values["device"], values["isa"]))
    return sorted(found, key=repr)


def at_home(lab: Lab, user: Bench) -> None:
    """The same devices in the user's own inventory; pools, which both hosts have, belong to the lab."""
    tables = [(lab.folder / name / "devices.toml").read_text().partition("[pool.")[0] for name in ("near", "far")]
    user.write("devices.toml", "\n".join(tables))


def test_a_run_has_the_records_of_one_at_home(lab: Lab) -> None:
    user = lab.user("ann")
    words = ["small.toml", "-e", "native", "-d", "desk", "-d", "board"]
    there = user.measure(*words, "--lab", lab.address)
    at_home(lab, user)
    here = user.measure(*words, "--inventory", "devices.toml")
    assert planned(there) == planned(here)
    assert happened(there) == happened(here)
    assert {case.device for case in there.record.cases} == {"desk", "board"}
    assert there.end is not None
    assert there.end.outcome == "complete"
    lab.assert_no_engine()


def test_ab_and_check_have_the_verdicts_of_those_at_home(lab: Lab) -> None:
    """A user's own engines are sent; of recorded noise, so that the verdicts are the same whatever the machine does."""
    user = lab.user("bob")
    words = replayed(user, memory=2)
    there = user.run(*words, "-d", "desk", "--lab", lab.address, timeout=110)
    at_home(lab, user)
    here = user.run(*words, "-d", "desk", "--inventory", "devices.toml", timeout=110)
    assert (there.returncode, here.returncode) == (1, 1), there.stderr + here.stderr
    runs = user.store.runs()
    first, second = ([(one.metric, one.verdict, one.status) for one in run.verdicts] for run in runs)
    assert first == second
    assert ("peak_rss", "regression", "ok") in first


@pytest.mark.slow
def test_check_through_the_lab(lab: Lab) -> None:
    user = lab.user("cid")
    user.measure("small.toml", "-e", "native", "-d", "desk", "--lab", lab.address, "--filter", "maxpool")
    assert user.run("baseline", "save", "main", "--store", "store").returncode == 0
    words = ["check", "--baseline", "main", "--store", "store", "--budget", "3s"]
    done = user.run(*words, "--lab", lab.address)
    assert done.returncode in (0, 1), done.stderr  # what it finds is decided by time
    run = user.store.run("latest")
    assert [one.device for one in run.record.comparisons] == ["desk"]
    assert {one.comparison_id for one in run.verdicts} == {one.id for one in run.record.comparisons}


@pytest.mark.slow
def test_a_model_and_its_accuracy(lab: Lab) -> None:
    """What is right is computed at one host and sent to the other one."""
    user = lab.user("dan")
    words = ["quicknet_xs", "--images", "20", "--invocations", "0", "-d", "board", "-d", "desk", "--store", "store"]
    done = user.run("eval", *words, "--lab", lab.address)
    assert done.returncode == 0, done.stderr
    board, desk = user.store.run("latest").accuracies.values()
    assert board.images == desk.images == 20
    assert board.predictions_sha256 == desk.predictions_sha256
    # Not the other one, which is measured itself; it gets a file.
    assert "the host far computes the reference outputs of 1 workload" in " ".join(done.stderr.split())
    assert len(list((lab.folder / "near/kept/files").glob("*/right.npz"))) == 1


def test_a_device_that_no_host_offers_is_a_sentence(lab: Lab) -> None:
    done = lab.user("eve").run("run", "small.toml", "-d", "desc", "--lab", lab.address, "--store", "store")
    assert done.returncode == 2
    said = one_sentence(done.stderr)
    assert "no device 'desc'" in said
    assert "board, desk" in said


def test_a_lab_s_devices_are_not_those_of_an_inventory(lab: Lab) -> None:
    user = lab.user("eve")
    user.write("devices.toml", lab.local("desk"))
    for command in ("run", "estimate"):
        done = user.run(command, "small.toml", "-d", "desk", "--lab", lab.address, "--inventory", "devices.toml")
        assert done.returncode == 2
        assert "leave one out" in one_sentence(done.stderr)


def test_a_name_that_is_taken_is_refused(lab: Lab) -> None:
    user = lab.user("fay")
    user.write("twin.toml", lab.local("desk"))
    done = user.run("lab", "join", lab.address, "--inventory", "twin.toml", "--folder", "kept")
    assert done.returncode == 3
    assert "another host of the lab offers a device of this name" in one_sentence(done.stderr)


def test_status_and_an_empty_queue(lab: Lab) -> None:
    user = lab.user("gil")
    done = user.run("lab", "status", lab.address)
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [["board", "far"], ["desk", "near"]]
    assert done.stdout.count("free") == 2
    assert "nothing waits" in user.run("lab", "queue", lab.address).stdout
    status = check_schema("lab-status", user.run("lab", "status", lab.address, "--json").stdout)
    assert [(one["device"], one["host"], one["state"], one["waiting"]) for one in status["devices"]] == [
        ("board", "far", "free", 0),
        ("desk", "near", "free", 0),
    ]
    assert all(one["facts"]["boot_id"] for one in status["devices"])
    assert check_schema("lab-queue", user.run("lab", "queue", lab.address, "--json").stdout) == {
        "schema": 1,
        "queue": [],
    }
    both = user.run("lab", "status", lab.address, "--live", "--json")
    assert (both.returncode, one_sentence(both.stderr).count("--live")) == (2, 1)
    done = user.run("lab", "cancel", lab.address, "2026")
    assert done.returncode == 2
    assert "no run" in one_sentence(done.stderr)


def test_an_estimate_without_devices_is_of_all_that_the_lab_has(lab: Lab) -> None:
    done = lab.user("eve").run("estimate", "small.toml", "--lab", lab.address, "--store", "store", "--json")
    assert done.returncode == 0, done.stderr
    assert {case["device"] for case in json.loads(done.stdout)["cases"]} == {"board", "desk"}
