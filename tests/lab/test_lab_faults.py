"""What goes away in the middle of a session: nothing that was measured is lost or measured again, no engine is left."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

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
warmup_ms = 300

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]

[[kernel]]
op = "bgemm"
m = 4
n = 64
k = 64
"""
LONG_SUITE = SUITE.replace("invocations = 4", "invocations = 100")
INVOCATIONS = 8
STALLED_S = 20.0
Fault = Callable[[Lab, Bench, "subprocess.Popen[str]", StallingRelay], None]


def begun(user: Bench, address: str, records: int, suite: str = SUITE) -> subprocess.Popen[str]:
    """A run that has so many invocations in its journal."""
    user.write("faults.toml", suite)
    process = user.start("run", "faults.toml", "-d", "desk", "--lab", address, "--store", "store")

    def is_there() -> bool:
        assert process.poll() is None, process.communicate()
        return measured(user) >= records

    wait_for(is_there, 60)
    return process


def measured(user: Bench) -> int:
    return sum('"type":"invocation"' in line for line in journal(user))


def finish(process: subprocess.Popen[str], seconds: float = 110) -> None:
    """To its end, with nothing said but sentences of ours."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, out + err
    assert "Traceback" not in err, err
    assert "distributed" not in err, err


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


def host_killed(lab: Lab, user: Bench, process: subprocess.Popen[str], relay: StallingRelay) -> None:
    lab.kill("near")
    lab.assert_no_engine()
    lab.join("near")
    finish(process)


def scheduler_restarted(lab: Lab, user: Bench, process: subprocess.Popen[str], relay: StallingRelay) -> None:
    lab.kill("scheduler")
    lab.start()
    finish(process, 40)


def client_killed(lab: Lab, user: Bench, process: subprocess.Popen[str], relay: StallingRelay) -> None:
    process.kill()
    process.communicate(timeout=10)
    done = user.run("run", "--resume", "latest", "--store", "store", timeout=110)
    assert done.returncode == 0, done.stderr


def link_cut(lab: Lab, user: Bench, process: subprocess.Popen[str], relay: StallingRelay) -> None:
    relay.stall()
    time.sleep(STALLED_S)
    relay.go_on()
    finish(process)


FAULTS = (host_killed, scheduler_restarted, client_killed, link_cut)


@pytest.mark.parametrize("fault", [host_killed, scheduler_restarted, client_killed])
def test_what_goes_away_and_comes_back(lab: Lab, fault: Fault) -> None:
    injure(lab, fault, fault.__name__, 3)


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", range(20))
def test_faults_at_any_moment(lab: Lab, seed: int) -> None:
    """Each kind five times."""
    moment = random.Random(seed).randrange(1, INVOCATIONS - 1)  # noqa: S311
    injure(lab, FAULTS[seed % len(FAULTS)], f"seed-{seed}", moment)


def injure(lab: Lab, fault: Fault, name: str, records: int) -> None:
    """Its user reaches the lab through a relay."""
    user, relay = lab.user(name), StallingRelay(lab.port)
    process = begun(user, f"tls://127.0.0.1:{relay.port}", records)
    before = journal(user)
    try:
        fault(lab, user, process, relay)
    finally:
        process.kill()
        relay.close()
    assert_whole(user.store.run("latest"), before)
    lab.assert_no_engine()


@pytest.mark.slow
def test_a_killed_job_gives_back_what_it_held(lab: Lab) -> None:
    """Within 30 s: nothing of it is left that could say so. Who waited for it is told, and is next."""
    job = lab.user("ci", CI="true")
    held = begun(job, lab.address, 1, LONG_SUITE)
    held.kill()
    killed = datetime.now(UTC)
    held.communicate(timeout=10)
    person = lab.user("person")
    person.write("faults.toml", SUITE)
    done = person.run("run", "faults.toml", "-d", "desk", "--lab", lab.address, "--store", "store")
    assert done.returncode == 0, done.stderr
    first = min(str(gate.started) for gate in person.store.run("latest").gates.values())
    assert datetime.fromisoformat(first) - killed < timedelta(seconds=30)


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_cancelled_run_keeps_what_it_has(lab: Lab) -> None:
    user = lab.user("cancelled")
    process = begun(user, lab.address, 2, LONG_SUITE)
    run_id = user.store.run("latest").record.run_id
    assert run_id in user.run("lab", "queue", lab.address).stdout
    done = user.run("lab", "cancel", lab.address, run_id)
    assert done.returncode == 0, done.stderr
    out, err = process.communicate(timeout=40)
    assert process.returncode == 3, out + err
    assert "cancelled by" in err
    run = user.store.run("latest")
    assert [event.message for event in run.events if event.kind == "gave_up"] == [
        "device 'desk': the run was cancelled in the lab; finish it with --resume."
    ]
    assert len(user.store.run("latest").invocations) >= 2
