"""What goes away in the middle of a session: nothing that was measured is lost or measured again, no engine is left."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bnnbench.results.store.stored_run import StoredRun
from tests.harness.bench import Bench
from tests.harness.test_run import journal, wait_for
from tests.lab.labs import Lab
from tests.lab.stalling import StallingRelay

SUITE = """
name = "faults"
engines = ["native"]
invocations = 4
samples = 3
min_sample_ms = 1
warmup_ms = 150

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]

[[kernel]]
op = "bgemm"
m = 4
n = 64
k = 64
"""
INVOCATIONS = 8
STALLED_S = 20.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("faults"))
    try:
        lab.start()
        lab.join("near", lab.local("desk"))
        yield lab
    finally:
        lab.stop()


def begun(user: Bench, address: str, records: int) -> subprocess.Popen[str]:
    """A run that has so many invocations in its journal."""
    user.write("faults.toml", SUITE)
    process = user.start("run", "faults.toml", "-d", "desk", "--lab", address, "--store", "store")

    def is_there() -> bool:
        assert process.poll() is None, process.communicate()
        return measured(user) >= records

    wait_for(is_there, 60)
    return process


def measured(user: Bench) -> int:
    return sum('"type":"invocation"' in line for line in journal(user))


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=110)
    assert process.returncode == 0, out + err


def assert_whole(run: StoredRun, before: list[str]) -> None:
    """Each invocation once, those of before the fault among them, and the run complete."""
    done = [(one.case_id, one.index) for one in run.invocations]
    assert len(done) == len(set(done)) == INVOCATIONS, done
    assert {one.status for one in run.invocations} == {"ok"}
    assert len(run.gates) == 2
    assert run.end is not None
    assert run.end.outcome == "complete"
    assert run.path is not None
    lines = (run.path / "journal.jsonl").read_text().splitlines()
    assert lines[: len(before)] == before


def host_killed(lab: Lab, user: Bench, process: subprocess.Popen[str]) -> None:
    lab.kill("near")
    lab.assert_no_engine()
    lab.join("near")
    finish(process)


def scheduler_restarted(lab: Lab, user: Bench, process: subprocess.Popen[str]) -> None:
    lab.kill("scheduler")
    lab.start()
    finish(process)


def client_killed(lab: Lab, user: Bench, process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=10)
    done = user.run("run", "--resume", "latest", "--store", "store", timeout=110)
    assert done.returncode == 0, done.stderr


FAULTS = (host_killed, scheduler_restarted, client_killed)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_away_and_comes_back(lab: Lab, fault: object, request: pytest.FixtureRequest) -> None:
    injure(lab, fault, f"user-{request.node.name.partition('[')[2][:-1]}", 3)


def injure(lab: Lab, fault: object, name: str, records: int) -> None:
    user = lab.user(name)
    process = begun(user, lab.address, records)
    before = journal(user)
    try:
        fault(lab, user, process)  # type: ignore[operator]
    finally:
        process.kill()
    assert_whole(user.store.run("latest"), before)
    lab.assert_no_engine()


def test_a_killed_job_gives_back_what_it_held(lab: Lab) -> None:
    """Within 30 s; it was not interrupted, so nothing of it could say so."""
    user = lab.user("ci", CI="true")
    process = begun(user, lab.address, 1)
    lab_user = lab.user("person")
    lab_user.write("faults.toml", SUITE)
    process.kill()
    killed = time.monotonic()
    done = lab_user.run("run", "faults.toml", "-d", "desk", "--lab", lab.address, "--store", "store")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - killed < 60
    process.communicate(timeout=10)


def test_an_interrupted_run_is_gone_on_with(lab: Lab) -> None:
    user = lab.user("stopping")
    process = begun(user, lab.address, 2)
    process.terminate()
    _, err = process.communicate(timeout=40)
    assert process.returncode == 130, err
    lab.assert_no_engine(2)
    before = user.store.run("latest").invocations
    assert 2 <= len(before) < INVOCATIONS
    done = user.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 0, done.stderr
    assert user.store.run("latest").invocations[: len(before)] == before


def test_a_cancelled_run_keeps_what_it_has(lab: Lab) -> None:
    user = lab.user("cancelled")
    process = begun(user, lab.address, 2)
    run_id = user.store.run("latest").record.run_id
    assert run_id in user.run("lab", "queue", lab.address).stdout
    done = user.run("lab", "cancel", lab.address, run_id)
    assert done.returncode == 0, done.stderr
    out, err = process.communicate(timeout=40)
    assert process.returncode == 3, out + err
    assert "cancelled by" in err + out
    assert len(user.store.run("latest").invocations) >= 2


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", range(20))
def test_faults_at_any_moment(lab: Lab, seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)  # noqa: S311
    fault = draw.choice((*FAULTS, link_cut))
    injure(lab, fault, f"seed-{seed}", draw.randrange(0, INVOCATIONS - 1))


def link_cut(lab: Lab, user: Bench, process: subprocess.Popen[str]) -> None:
    """The client is behind a relay: the one that it runs through is ended, and another one is begun behind it."""
    process.kill()
    process.communicate(timeout=10)
    relay = StallingRelay(lab.port)
    try:
        path = next((user.folder / "store").glob("runs/*/run.json"))
        there = f"tls://127.0.0.1:{relay.port}"
        path.write_text(path.read_text().replace(lab.address, there))
        user.trust_again(path)
    finally:
        relay.close()
