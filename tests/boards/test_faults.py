"""What happens to boards in the middle of a run: nothing that was measured is lost, and nothing is measured twice."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bnnbench.devices.errors import DeviceError
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from tests.harness.bench import Bench

from .machines.board import Adb, Board

pytestmark = [pytest.mark.board, pytest.mark.timeout(900)]  # images are made, and boards booted, on first use

SUITE = """
name = "faults"
engines = ["native"]
invocations = {invocations}
samples = 5
min_sample_ms = 60
warmup_ms = 100

[[kernel]]
op = "bconv2d"
input = [8, 8, 64]
filters = 32

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]
"""
GOVERNOR = "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor"


def entries(bench: Bench) -> list[dict[str, Any]]:
    journals = list((bench.folder / "store/runs").glob("*/journal.jsonl"))
    lines = journals[0].read_text().splitlines() if journals else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def wait_for(condition: Callable[[], bool], limit_s: float = 90) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come so far"
        time.sleep(0.1)


def invocations(bench: Bench) -> list[dict[str, Any]]:
    return [one for one in entries(bench) if one["type"] == "invocation"]


def kinds(bench: Bench) -> list[str]:
    """What became of the connection, in order."""
    told = [one["kind"] for one in entries(bench) if one["type"] == "device_event"]
    return [kind for kind in told if kind in ("lost", "back", "rebooted", "gave_up")]


@contextmanager
def measured(bench: Bench, spec: DeviceSpec, count: int = 8) -> Iterator[None]:
    """A run that is in its fourth invocation when the block is entered, and must end well."""
    bench.write("suite.toml", SUITE.format(invocations=count))
    bench.add_device(spec)
    process = bench.start("run", "suite.toml", "-d", spec.name, "--inventory", "devices.toml", "--store", "store")
    wait_for(lambda: len(invocations(bench)) >= 3)
    time.sleep(0.4)  # within one
    before = invocations(bench)
    yield
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err + out
    after = invocations(bench)
    assert after[: len(before)] == before
    assert set(Counter((one["case_id"], one["index"]) for one in after).values()) == {1}
    assert len(after) == 2 * count
    assert {one["status"] for one in after} == {"ok"}


def as_root(board: Board, script: str) -> str:
    with connect(board.spec(user="root")) as transport:
        done = transport.shell(script)
        assert done.status == 0, done.stderr
        return done.stdout.decode()


def test_link_down_for_ten_seconds(bench: Bench, pi: Board) -> None:
    with measured(bench, pi.spec()):
        pi.link(up=False)
        time.sleep(10)
        pi.link(up=True)


def test_link_down_for_longer_than_the_connection_lives(bench: Bench, pi: Board) -> None:
    with measured(bench, pi.spec()):
        pi.link(up=False)
        time.sleep(16)
        pi.link(up=True)
    assert kinds(bench)[:2] == ["lost", "back"]


def test_a_board_that_hung(bench: Bench, pi: Board) -> None:
    with measured(bench, pi.spec()):
        pi.hang()
        time.sleep(16)
        pi.wake()
    assert kinds(bench)[:2] == ["lost", "back"]


def test_ssh_server_restarted(bench: Bench, pi: Board) -> None:
    restart = "killall dropbear; sleep 1; dropbear -E -s -r /etc/dropbear/hostkey -p 22"
    with measured(bench, pi.spec()):
        as_root(pi, f"setsid sh -c '{restart}' > /dev/null 2>&1 < /dev/null & exit 0")
    assert kinds(bench)[:2] == ["lost", "back"]


def test_adb_server_killed(bench: Bench, phone: DeviceSpec, adb: Adb) -> None:
    with measured(bench, phone):
        adb.call("kill-server")
    assert kinds(bench)[:2] == ["lost", "back"]


def test_clock_stepped_back_an_hour(bench: Bench, pi: Board) -> None:
    with measured(bench, pi.spec()):
        as_root(pi, "date -s @$(($(date +%s) - 3600))")
    as_root(pi, "date -s @$(($(date +%s) + 3600))")
    assert "lost" not in kinds(bench)
    assert all(0 < sample < 1e10 for one in invocations(bench) for sample in one["samples_ns"])


def test_a_full_disk_is_told_before_anything_is_begun(bench: Bench, pi: Board) -> None:
    bench.write("suite.toml", SUITE.format(invocations=2))
    bench.add_device(pi.spec(workdir="/small/bnnbench"))
    with connect(pi.spec()) as transport:
        transport.shell("dd if=/dev/zero of=/small/spare bs=1024 count=64")
        transport.shell("dd if=/dev/zero of=/small/filler bs=1024 count=100000")
        done = bench.run("run", "suite.toml", "-d", "board", "--store", "store")
        assert done.returncode == 3, done.stderr + done.stdout
        assert "the disk is full; free some space" in done.stderr
        transport.shell("rm /small/spare")  # room for the folder, and not for an engine
        done = bench.run("run", "suite.toml", "-d", "board", "--store", "store")
        assert done.returncode == 3, done.stderr + done.stdout
        assert "Device 'board' is full" in done.stderr
        assert not list((bench.folder / "store").glob("runs/*"))
        transport.shell("rm /small/filler")
    done = bench.run("run", "suite.toml", "-d", "board", "--store", "store")
    assert done.returncode == 0, done.stderr
    assert len(invocations(bench)) == 4


def test_harness_killed_while_the_governor_is_changed(bench: Bench, pi: Board) -> None:
    spec = pi.spec(tune=True)
    bench.write("suite.toml", SUITE.format(invocations=8))
    bench.add_device(spec)
    with connect(spec) as transport:
        before = transport.pull(GOVERNOR)
        assert before == b"ondemand\n"
        process = bench.start("run", "suite.toml", "-d", spec.name, "--inventory", "devices.toml", "--store", "store")
        wait_for(lambda: len(invocations(bench)) >= 2)
        assert transport.pull(GOVERNOR) == b"performance\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        # Nothing of it goes on over there, though nobody told it to end.
        wait_for(lambda: not engines(pi), limit_s=15)
        assert transport.pull(GOVERNOR) == b"performance\n"
        done = bench.run("run", "--resume", "latest", "--store", "store")
        assert done.returncode == 0, done.stderr
        assert transport.pull(GOVERNOR) == before
    restored = [one["message"] for one in entries(bench) if one.get("kind") == "restored"]
    assert any("changed by an earlier run" in message for message in restored)
    assert any("changed by this run" in message for message in restored)


def engines(board: Board) -> list[str]:
    """Engine processes on the board, but for holders of the lock."""
    lines = as_root(board, "ps -o pid,args").splitlines()
    return [line for line in lines if "blobs/" in line and " lock " not in line]


def test_devices_restore_puts_back_what_a_crash_left(bench: Bench, pi: Board) -> None:
    bench.add_device(pi.spec())
    with connect(pi.spec()) as transport:
        folder = f"{transport.home()}/.bnnbench"
        transport.shell(
            'mkdir -p "$1" && printf "file\\t%s\\tondemand\\tperformance\\n" "$2" > "$1/environment.journal"',
            folder,
            GOVERNOR,
        )
        transport.shell('echo performance > "$1"', GOVERNOR)
        done = bench.run("devices", "restore", "board")
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{GOVERNOR} restored: ondemand\n"
        assert transport.pull(GOVERNOR) == b"ondemand\n"
    assert bench.run("devices", "restore", "board").stdout == "nothing had to be undone on board\n"


def test_ctrl_c_puts_the_governor_back(bench: Bench, pi: Board) -> None:
    spec = pi.spec(tune=True)
    bench.write("suite.toml", SUITE.format(invocations=8))
    bench.add_device(spec)
    process = bench.start("run", "suite.toml", "-d", spec.name, "--inventory", "devices.toml", "--store", "store")
    wait_for(lambda: len(invocations(bench)) >= 2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    with connect(spec) as transport:
        assert transport.pull(GOVERNOR) == b"ondemand\n"
        assert transport.run(["ls", f"{transport.home()}/.bnnbench/environment.journal"]).status != 0


def test_a_governor_that_may_not_be_changed(bench: Bench, pi: Board) -> None:
    """It is recorded, and the run goes on."""
    as_root(pi, "chown 0 /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
    try:
        spec = pi.spec(tune=True)
        bench.write("suite.toml", SUITE.format(invocations=1))
        bench.add_device(spec)
        done = bench.run("run", "suite.toml", "-d", spec.name, "--inventory", "devices.toml", "--store", "store")
        assert done.returncode == 0, done.stderr
        said = [one["message"] for one in entries(bench) if one.get("kind") == "distrust"]
        assert f"{GOVERNOR} stays ondemand: changing it is not permitted" in said
    finally:
        as_root(pi, "chown 1000 /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")


def test_android_s_settings_are_put_back(bench: Bench, android: Board, adb: Adb) -> None:
    spec = DeviceSpec(name="phone", transport="adb", serial=adb.connect(android.adb_port), tune=True)
    bench.write("suite.toml", SUITE.format(invocations=1))
    bench.add_device(spec)
    done = bench.run("run", "suite.toml", "-d", "phone", "--store", "store")
    assert done.returncode == 0, done.stderr
    with connect(spec) as transport:
        assert transport.pull("/data/local/tmp/.global-stay_on_while_plugged_in") == b"0\n"
        told = transport.pull("/data/local/tmp/.cmd").decode().splitlines()[-2:]
    assert told == [f"power set-fixed-performance-mode-enabled {value}" for value in ("true", "false")]
    changed = [one["message"] for one in entries(bench) if one.get("kind") == "tuned"]
    assert "stay-awake changed from 0" in changed


def test_power_cut_and_booted_again(bench: Bench, pi: Board) -> None:
    with measured(bench, pi.spec(patience_s=200)):
        pi.power_off()
        time.sleep(2)
        pi.power_on()
    assert kinds(bench)[:2] == ["lost", "rebooted"]


def test_a_board_that_stays_away_is_given_up_and_the_others_go_on(bench: Bench, pi: Board, android: Board) -> None:
    bench.write("suite.toml", SUITE.format(invocations=6))
    bench.add_device(pi.spec("gone", patience_s=15))
    bench.add_device(android.spec("termux"))
    pi.wait_until_up()
    process = bench.start("run", "suite.toml", "-d", "gone", "-d", "termux", "--store", "store")
    wait_for(lambda: len(invocations(bench)) >= 6)
    pi.power_off()
    try:
        _, err = process.communicate(timeout=200)
        assert process.returncode == 3
        assert "did not return within" in err or "did not return within" in (
            " ".join(one.get("message", "") for one in entries(bench))
        )
        devices = {case.id: case.device for case in bench.store.run("latest").record.cases}
        done = Counter(devices[one["case_id"]] for one in invocations(bench))
        assert done["termux"] == 12
    finally:
        pi.power_on()
        pi.wait_until_up()
    again = bench.run("run", "--resume", "latest", "--store", "store", timeout=200)
    assert again.returncode == 0, again.stderr
    assert len(invocations(bench)) == 24


@contextmanager
def powered_by_a_command(bench: Bench, cut: Callable[[], None]) -> Iterator[tuple[str, ...]]:
    """A command that a run may start to cut a board's power: it ends when `cut`, of this process, was done."""
    ask, done, ended = bench.folder / "cut", bench.folder / "done", threading.Event()
    script = bench.write("cycle.sh", f"#!/bin/sh\n: > {ask}\nuntil [ -e {done} ]; do sleep 0.1; done\nrm {done}\n")
    script.chmod(0o755)

    def serve() -> None:
        while not ended.wait(0.1):
            if ask.exists():
                ask.unlink()
                cut()
                done.touch()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield (str(script),)
    finally:
        ended.set()
        server.join(30)


def test_a_board_that_hangs_is_power_cycled(bench: Bench, pi: Board) -> None:
    def cut() -> None:
        pi.power_off()
        pi.power_on()

    with powered_by_a_command(bench, cut) as command, measured(bench, pi.spec(patience_s=60, power_cycle=command)):
        pi.hang()
    assert kinds(bench) == ["lost", "rebooted"]
    assert [one["kind"] for one in entries(bench) if one.get("kind") == "power_cycled"] == ["power_cycled"]
    pi.wait_until_up()


def test_a_board_that_stays_hung_is_quarantined_and_the_others_finish(bench: Bench, pi: Board, android: Board) -> None:
    cuts: list[float] = []
    with powered_by_a_command(bench, lambda: cuts.append(time.monotonic())) as command:
        bench.write("suite.toml", SUITE.format(invocations=6))
        bench.add_device(pi.spec("hung", patience_s=20, power_cycle=command))
        bench.add_device(android.spec("termux"))
        pi.wait_until_up()
        words = ["suite.toml", "-d", "hung", "-d", "termux", "--inventory", "devices.toml", "--store", "store"]
        process = bench.start("run", *words)
        wait_for(lambda: len(invocations(bench)) >= 4)
        pi.hang()
        try:
            _, err = process.communicate(timeout=300)
        finally:
            pi.wake()
    assert process.returncode == 3, err
    assert len(cuts) == 2
    devices = {case.id: case.device for case in bench.store.run("latest").record.cases}
    assert Counter(devices[one["case_id"]] for one in invocations(bench))["termux"] == 12
    listed = bench.run("devices", "list", "--inventory", "devices.toml")
    assert "'hung' is quarantined since" in " ".join(listed.stdout.split())
    assert bench.run("devices", "release", "hung", "--inventory", "devices.toml").returncode == 0
    pi.wait_until_up()
    again = bench.run("run", "--resume", "latest", "--store", "store", timeout=200)
    assert again.returncode == 0, again.stderr
    assert len(invocations(bench)) == 24


def test_a_wrong_host_key_is_not_waited_for(pi: Board) -> None:
    hosts = pi.folder / "other_hosts"
    hosts.write_text((pi.folder / "known_hosts").read_text().replace("AAAAC3Nza", "AAAAC3Nzb", 1))
    with pytest.raises(DeviceError):
        connect(pi.spec(known_hosts=hosts))
