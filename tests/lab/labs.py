"""A lab of real processes: a scheduler, hosts with inventories of their own, and users, each with own folders."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.devices.sshd import LoopbackSsh, _free_port
from tests.harness.bench import BNNBENCH, Bench

ANSWER_S = 60.0


class Lab:
    """Everything is below `folder`. `program` is what the lab's processes are instead of `bnnbench`."""

    def __init__(self, folder: Path, program: Sequence[str] = (BNNBENCH,)) -> None:
        self.folder, self.port = folder, _free_port()
        self.address = f"tls://127.0.0.1:{self.port}"
        self.program = program
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._inventories: dict[str, str] = {}
        subprocess.run(
            [BNNBENCH, "lab", "certificates", str(folder / "secrets"), "machine"], check=True, timeout=60, stdout=-3
        )

    @property
    def certificates(self) -> Path:
        return self.folder / "secrets/machine"

    def user(self, name: str, **environment: str) -> Bench:
        """Somebody who uses the lab."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        bench = Bench(folder)
        bench.environment |= {"BNNBENCH_LAB_CERTIFICATES": str(self.certificates), "CI": ""} | environment
        return bench

    def start(self) -> None:
        """The scheduler, on the port of before."""
        self._spawn("scheduler", "start", "--host", "127.0.0.1", "--port", str(self.port))
        self.wait_for_line("scheduler", "listens")

    def join(self, name: str, inventory: str | None = None, port: int | None = None) -> None:
        """A host; without an inventory with that of before. Waits until all its devices are offered."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        if inventory is not None:
            (folder / "devices.toml").write_text(inventory)
        words = ["--inventory", str(folder / "devices.toml"), "--folder", str(folder / "kept"), "--name", name]
        self._spawn(name, "join", f"tls://127.0.0.1:{port or self.port}", *words)
        self.wait_for_line(name, "offered at")

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(30)

    def log(self, name: str) -> str:
        """What a process said since it was started last."""
        return (self.folder / f"{name}.log").read_text()

    def wait_for_line(self, name: str, text: str, seconds: float = ANSWER_S) -> None:
        end = time.monotonic() + seconds
        while text not in self.log(name):
            assert self.processes[name].poll() is None, self.log(name)
            assert time.monotonic() < end, self.log(name)
            time.sleep(0.05)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self.processes.clear()

    def engines(self) -> list[psutil.Process]:
        """Processes that work in a folder of the lab's devices."""
        found = []
        for process in psutil.process_iter(["cwd", "pid"]):
            with suppress(psutil.Error):
                if "/device-" in (process.info["cwd"] or "") and (process.info["cwd"]).startswith(str(self.folder)):
                    found.append(process)
        return found

    def assert_no_engine(self, seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while left := self.engines():
            assert time.monotonic() < end, [process.cmdline() for process in left]
            time.sleep(0.05)

    def local(self, name: str, more: str = "") -> str:
        """An inventory's table of this machine under another name."""
        return f'[device.{name}]\ntransport = "local"\nworkdir = "{self.folder}/device-{name}"\n{more}\n'

    def board(self, name: str) -> tuple[LoopbackSsh, str]:
        """A real SSH server and its table."""
        server = LoopbackSsh(self.folder / f"device-{name}")
        return server, server.spec(name).to_toml()

    def _spawn(self, name: str, *words: str) -> None:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        usual = Bench(home).environment
        environment = usual | {"BNNBENCH_LAB_CERTIFICATES": str(self.certificates)}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [*self.program, "lab", *words],
                env=environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=os.setpgrp,
            )
