"""A board that is lost in a run and has its power cut: a real SSH server whose boot id the test chooses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bnnbench.devices.spec import DeviceSpec
from tests.devices import adbd as adbd_module
from tests.devices.adbd import adb_server
from tests.devices.sshd import LoopbackSsh, _free_port
from tests.harness.bench import Bench, one_sentence

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="a boot id of its own needs root (a mount namespace)"),
    pytest.mark.timeout(120),
]
ALONE = ("unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child")
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Board:
    """A server in namespaces where the kernel's boot id is a file; `cycle` is a script that kills what lives there and
    boots it anew, `dead` one that only kills. `program` is the server's command, `greeting` what it says first."""

    def __init__(
        self, folder: Path, program: str, port: int, spec: Callable[..., DeviceSpec], greeting: bytes = b""
    ) -> None:
        self.folder, self.port, self.spec, self._greeting = folder, port, spec, greeting
        self.boot_id, self.pid_file = folder / "boot_id", folder / "board.pid"
        power_off = f"kill -KILL $(cat {self.pid_file}); rm -f {self.pid_file}\n"
        inside = f"mount --bind {self.boot_id} {BOOT_ID} && exec {program}"
        self.on = self._script(
            "on",
            f"cat /proc/sys/kernel/random/uuid > {self.boot_id}\n"
            f"setsid {' '.join(ALONE)} sh -c '{inside}' > {folder}/log 2>&1 < /dev/null &\n"
            f"echo $! > {self.pid_file}\n",
        )
        self.dead = self._script("dead", f"echo >> {folder}/cycles\n{power_off}exit 0\n")
        self.cycle = self._script("cycle", f"echo >> {folder}/cycles\n{power_off}exec {self.on}\n")

    def _script(self, name: str, body: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}")
        path.chmod(0o755)
        return path

    def power_on(self) -> None:
        subprocess.run([self.on], check=True, timeout=20)
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                if not self._greeting or probe.recv(64).startswith(self._greeting):
                    return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def crash(self) -> None:
        """The server, its sessions and what runs in them end at once, and nothing starts them again."""
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(self.pid_file.read_text()), signal.SIGKILL)

    def hang(self) -> None:
        """What lives there stops, and its connections stay open."""
        for process in psutil.Process(int(self.pid_file.read_text())).children(recursive=True):
            with suppress(psutil.Error):
                process.suspend()

    @property
    def cycles(self) -> int:
        file = self.folder / "cycles"
        return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a board."""
    if shutil.which("unshare") is None or subprocess.run([*ALONE, "true"], check=False).returncode:
        pytest.skip("this sandbox mounts no file over another (a mount namespace)")
    found = tmp_path / "board"
    found.mkdir()
    return found


@pytest.fixture
def powered(tmp_path: Path, folder: Path, bench: Bench) -> Iterator[Board]:
    server = LoopbackSsh(tmp_path)
    server.stop()
    program = f"{server._program} -D -e -f {server._folder}/sshd_config"
    board = Board(folder, program, server.port, server.spec, b"SSH-")
    board.power_on()
    yield board
    board.crash()


@pytest.fixture
def phone(tmp_path: Path, folder: Path, bench: Bench) -> Iterator[Board]:
    """By a real adb server, before a stand-in for its adbd."""
    port, home = _free_port(), tmp_path / "phone"
    home.mkdir()

    def spec(name: str, **more: Any) -> DeviceSpec:
        return DeviceSpec(name, "adb", serial=f"127.0.0.1:{port}", workdir=str(home / "work"), **more)

    adbd = Path(adbd_module.__file__)
    board = Board(folder, f"{sys.executable} {adbd} {home} {port}", port, spec)
    with adb_server(tmp_path):
        bench.environment["ANDROID_ADB_SERVER_PORT"] = os.environ["ANDROID_ADB_SERVER_PORT"]
        board.power_on()
        yield board
        board.crash()


def entries(bench: Bench, type: str) -> list[dict[str, Any]]:
    journals = list((bench.folder / "store/runs").glob("*/journal.jsonl"))
    lines = journals[0].read_text().splitlines() if journals else []
    return [found for line in lines if line.endswith("}") and (found := json.loads(line))["type"] == type]


def kinds(bench: Bench) -> list[str]:
    told = [one["kind"] for one in entries(bench, "device_event") if one["device"] == "board"]
    return [kind for kind in told if kind in ("lost", "power_cycled", "back", "rebooted", "gave_up")]


def words_for(invocations: int) -> list[str]:
    """Options of a run of one case."""
    text = f"--inventory devices.toml --store store --engine native --invocations {invocations} --filter bconv"
    return text.split()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come so far"
        time.sleep(0.05)


def test_it_is_power_cycled_and_nothing_is_lost_or_measured_twice(bench: Bench, powered: Board) -> None:
    assert_power_cycled(bench, powered, powered.crash)


def test_so_is_a_phone(bench: Bench, phone: Board) -> None:
    assert_power_cycled(bench, phone, phone.crash)


@pytest.mark.slow
@pytest.mark.timeout(320)
def test_so_is_a_phone_that_hangs(bench: Bench, phone: Board) -> None:
    """Its connection stays open, and nothing answers."""
    assert_power_cycled(bench, phone, phone.hang, 280)


def assert_power_cycled(bench: Bench, board: Board, fail: Callable[[], None], limit_s: float = 90) -> None:
    """In a run that goes on afterwards, to its end."""
    bench.add_device(board.spec("board", patience_s=2, power_cycle=(str(board.cycle),)))
    words = words_for(6)
    process = bench.start("run", "long.toml", "-d", "board", *words)
    wait_for(lambda: len(entries(bench, "invocation")) >= 2)
    before, booted = entries(bench, "invocation"), board.boot_id.read_text()
    fail()
    try:
        _, err = process.communicate(timeout=limit_s)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert kinds(bench) == ["lost", "power_cycled", "rebooted"], err
    assert board.cycles == 1
    assert board.boot_id.read_text() != booted
    after = entries(bench, "invocation")
    assert after[: len(before)] == before
    assert set(Counter((one["case_id"], one["index"]) for one in after).values()) == {1}
    assert (len(after), {one["status"] for one in after}) == (6, {"ok"})
    assert "quarantine" not in bench.run("devices", "list", "--inventory", "devices.toml").stdout


def test_one_that_never_comes_back_is_quarantined_and_the_others_finish(bench: Bench, powered: Board) -> None:
    bench.add_device(powered.spec("board", patience_s=1, power_cycle=(str(powered.dead),)))
    words = words_for(4)
    process = bench.start(
        "run", "long.toml", "-d", "board", "-d", "local", *words, "--wait", "60s"
    )  # they share a lock
    wait_for(lambda: {"board"} <= {one["device"] for one in entries(bench, "peak")})
    powered.crash()
    _, err = process.communicate(timeout=90)
    assert process.returncode == 3, err
    assert kinds(bench) == ["lost", "power_cycled", "power_cycled", "lost"], err
    assert powered.cycles == 2
    run = bench.store.run("latest")
    done = Counter(case.device for case in run.record.cases for one in run.invocations if one.case_id == case.id)
    assert done["local"] == 4
    listed = bench.run("devices", "list", "--inventory", "devices.toml", "--json")
    held = {one["name"]: one["quarantine"] for one in json.loads(listed.stdout)}
    assert held["local"] is None
    assert held["board"]["cause"] == "lost"
    assert "was power-cycled 2 times and did not come back" in held["board"]["reason"]

    refused = bench.run("run", "small.toml", "-d", "board", "--inventory", "devices.toml", "--store", "other")
    assert refused.returncode == 3
    assert "bring it back with: bnnbench devices release board" in one_sentence(refused.stderr)
    powered.power_on()
    released = bench.run("devices", "release", "board", "--inventory", "devices.toml")
    assert released.stdout.startswith("device 'board' is released; it was quarantined since 2"), released.stderr
    resumed = bench.run("run", "--resume", "latest", "--store", "store", "--wait", "60s")
    assert resumed.returncode == 0, resumed.stderr
    assert len(entries(bench, "invocation")) == 8


def test_boot_ids_of_the_test_are_not_this_machine_s(powered: Board) -> None:
    """Else nothing above would be shown."""
    uuid.UUID(powered.boot_id.read_text().strip())
    assert powered.boot_id.read_text() != Path(BOOT_ID).read_text()
