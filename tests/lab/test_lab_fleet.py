"""An emulated fleet: whole queues at once, and devices that fail in every way that they can."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness.bench import Bench
from tests.lab.labs import Lab

FLEET = Path(__file__).with_name("fleet.py")
HOSTS, DEVICES_EACH, CASES = 4, 6, (5, 4, 4)
MOST_CLIENT_BYTES = 500 << 20


def table(lab: Lab, name: str, more: str = "") -> str:
    return f'[device.{name}]\ntransport = "emulated"\nworkdir = "{lab.folder}/device-{name}"\npatience_s = 20\n{more}\n'


def suite(cases: int, invocations: int = 2) -> str:
    kernels = "\n".join(f'[[kernel]]\nop = "bgemm"\nm = {m}\nn = 4\nk = 32\n' for m in range(1, cases + 1))
    return f'name = "fleet"\nengines = ["native"]\ninvocations = {invocations}\nwarmup_ms = 1\n{kernels}'


def at_host(lab: Lab, host: str, *words: str) -> str:
    """A command of the host's own user; what it prints."""
    folder = lab.folder / host
    done = subprocess.run(
        [sys.executable, str(FLEET), "log", *words, "--inventory", "devices.toml"],
        cwd=folder,
        env=Bench(folder).environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def ask(user: Bench, lab: Lab, devices: list[str]) -> subprocess.Popen[str]:
    words = [word for name in devices for word in ("-d", name)]
    return subprocess.Popen(
        [sys.executable, str(FLEET), "log", "run", "suite.toml", *words, "--lab", lab.address, "--store", "store"],
        cwd=user.folder,
        env=user.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(client: subprocess.Popen[str]) -> str:
    """What a client told at its end, in one line."""
    _, err = client.communicate(timeout=100)
    return " ".join(err.split())


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, program=[sys.executable, str(FLEET), str(tmp_path / "hosts.log")])
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()


def logged(path: Path, what: str) -> list[tuple[float, str]]:
    rows = [line.split() for line in path.read_text().splitlines()]
    return [(float(when), device) for when, kind, device in rows if kind == what]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_three_users_and_24_devices(fleet: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """300 cases: every invocation once, by a client that stays small. The figures of the queue are printed."""
    names = [f"e{host}{place}" for host in range(HOSTS) for place in range(DEVICES_EACH)]
    for host in range(HOSTS):
        own = names[host * DEVICES_EACH : (host + 1) * DEVICES_EACH]
        fleet.join(f"host{host}", "".join(table(fleet, name) for name in own))
        fleet.wait_for_line(f"host{host}", f"{own[-1]}: offered")
    began, before = time.time(), cpu_seconds(fleet)
    users = [fleet.user(f"user{number}") for number in range(3)]
    clients = []
    for user, cases in zip(users, CASES, strict=True):
        user.write("suite.toml", suite(cases))
        clients.append(ask(user, fleet, names))
    most = 0
    while any(client.poll() is None for client in clients):
        for client in clients:
            if client.poll() is None:
                most = max(most, psutil.Process(client.pid).memory_info().rss)
        assert time.time() - began < 300
        time.sleep(0.1)
    spent = {role: after - before[role] for role, after in cpu_seconds(fleet).items()}
    for user, client, cases in zip(users, clients, CASES, strict=True):
        assert client.returncode == 0, client.communicate()[1]
        run = user.store.run("latest")
        assert len(run.record.cases) == cases * len(names)
        done = [(one.case_id, one.index) for one in run.invocations]
        assert len(done) == len(set(done)) == 2 * cases * len(names)
    records = sum(len(user.store.run("latest").entries) for user in users)
    begins = [item for item in logged(fleet.folder / "hosts.log", "connect") if item[0] > began]
    ends = {name: sorted(when for when, device in closes(fleet) if device == name and when > began) for name in names}
    asked = [item for user in users for item in logged(user.folder / "log", "ask")]
    busy, idle, soonest = {}, {}, {}
    for name in names:
        starts = sorted(when for when, device in begins if device == name)
        stops = [max(end for end in ends[name] if end < until) for until in [*starts[1:], float("inf")]]
        busy[name] = sum(stop - start for start, stop in zip(starts, stops, strict=True))
        waits = sorted(when for when, device in asked if device == name)
        # The n-th session could begin when the one before it had ended and n had been asked for.
        ready = [max(at) for at in zip(waits, [0.0, *stops], strict=False)]
        # Where much else runs here, a session may be asked for once more than it begins.
        idle[name] = max(start - since for start, since in zip(starts, ready, strict=False))
        soonest[name] = 0.0  # when its queue had ended if no session had waited for anything else
        for since, start, stop in zip(waits, starts, stops, strict=False):
            soonest[name] = max(soonest[name], since) + stop - start
    longest_idle = max(idle.values())
    first = min(when for when, _ in asked)
    makespan = max(max(ends[name]) for name in names) - first
    bound = max(busy.values())
    allowed = max(done - first for done in soonest.values())
    with capsys.disabled():
        print(
            f"\n{len(begins)} sessions, {records} records in {makespan:.1f} s: {makespan / bound:.2f} times the "
            f"longest queue ({bound:.1f} s), {makespan / allowed:.2f} times what it allows from when each session was "
            f"asked for ({allowed:.1f} s), longest idle {longest_idle:.2f} s; "
            f"largest client {most >> 20} MiB; CPU seconds: "
            + ", ".join(f"{role} {seconds:.1f}" for role, seconds in spent.items())
            + f", of each record {sum(spent.values()) / records * 1e3:.1f} ms"
        )
    assert most < MOST_CLIENT_BYTES


def cpu_seconds(lab: Lab) -> dict[str, float]:
    """By now, of the lab's processes with what they started, and of all clients that have ended."""
    own = {name: sum(psutil.Process(process.pid).cpu_times()[:4]) for name, process in lab.processes.items()}
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    scheduler = own.pop("scheduler")
    return {"clients": ended.ru_utime + ended.ru_stime, "hosts": sum(own.values()), "scheduler": scheduler}


def closes(lab: Lab) -> list[tuple[float, str]]:
    return logged(lab.folder / "hosts.log", "close")


def test_devices_that_fail_do_not_stop_the_others(fleet: Lab) -> None:
    """Lost and rebooted ones come back by themselves; wrong outputs are told."""
    failing = {
        "good": "",
        "losing": "lost = 20\nrebooted = true",
        "lying": "wrong = true",
        "slow": "slow_ms = 50",
        "hanging": "hung = 30",
        "silent": "hung = 100",
        "gone": "away = 100",
    }
    fleet.join("host", "".join(table(fleet, name, more) for name, more in failing.items()))
    fleet.wait_for_line("host", "silent: offered")
    user = fleet.user("user")
    user.write("suite.toml", suite(2, 4))
    client = ask(user, fleet, list(failing))
    err = said(client)
    run = user.store.run("latest")
    case_of = {case.id: case for case in run.record.cases}
    done = [(case_of[one.case_id].device, one.index, one.status) for one in run.invocations]
    assert {status for device, *_, status in done if device != "hanging"} == {"ok"}, err
    for name, count in (("good", 8), ("losing", 8), ("slow", 8), ("lying", 0), ("silent", 0), ("gone", 0)):
        assert sum(device == name for device, *_ in done) == count, (name, done, err)
    assert {gate.status for id, gate in run.gates.items() if case_of[id].device == "lying"} == {"wrong_output"}
    assert {gate.status for id, gate in run.gates.items() if case_of[id].device == "silent"} == {"failed"}
    assert {event.kind for event in run.events if event.device == "losing"} >= {"lost", "rebooted"}
    (event,) = (event for event in run.events if event.device == "gone")
    assert (event.kind, event.message) == ("unreached", "Device 'gone' cannot be reached: it is away.")
    assert client.returncode == 3, err  # a wrong output is no success


def test_what_cannot_be_trusted_is_quarantined_at_its_host(fleet: Lab) -> None:
    """Wrong outputs of a build that is right on another host's device, and losses without end; the others go on, and a
    later run does not wait for them. Its host's user brings a device back."""
    fleet.join("one", table(fleet, "good"))
    fleet.join("two", table(fleet, "lying", "wrong = true") + table(fleet, "dying", "lost = 100"))
    fleet.wait_for_line("two", "dying: offered")
    names = ["good", "lying", "dying"]
    user = fleet.user("user")
    user.write("suite.toml", suite(1, 2))
    first = ask(user, fleet, names)
    err = said(first)
    assert first.returncode == 3, err
    assert "device 'lying' is quarantined since" in err
    assert "the same build right on good" in err
    run = user.store.run("latest")
    assert len(run.invocations) == 2, err
    assert sum(event.kind == "lost" for event in run.events if event.device == "dying") == 4
    status = user.run("lab", "status", fleet.address).stdout
    assert "This was loss 4 in a row with nothing measured in between" in " ".join(status.split())
    assert status.count("devices release") == 2
    assert '"cause": "gate"' in at_host(fleet, "two", "devices", "list", "--json").replace("'", '"')

    before = time.monotonic()
    second = ask(user, fleet, names)
    err = said(second)
    assert second.returncode == 3, err
    run = user.store.run("latest")
    refused = {event.device: event.message for event in run.events if event.kind == "unreached"}
    assert refused.keys() == {"lying", "dying"}
    assert all("is quarantined since" in message for message in refused.values()), refused
    assert len(run.invocations) == 2
    assert time.monotonic() - before < 60

    at_host(fleet, "two", "devices", "release", "lying")
    status = user.run("lab", "status", fleet.address).stdout
    assert status.count("devices release") == 1
