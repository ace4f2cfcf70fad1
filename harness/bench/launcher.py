"""The launcher of a device: the native engine's binary, which starts every other program there and holds the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnnbench.devices.lock import MachineLock
from bnnbench.devices.transport.protocol import RemoteProcess, Transport

LAUNCHER = "native"
"""The engine whose binary it is."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """`path` is the binary, relative to the work folder `workdir` on the device."""

    transport: Transport
    workdir: str
    path: str

    def words(self, cpus: Sequence[int], deadline_s: float) -> list[str]:
        """What stands before a command: it is pinned to these CPUs (to none where there are none) and ended at its
        deadline, with all that it started."""
        pinned = ["--cpus", ",".join(map(str, cpus))] if cpus else []
        return [f"./{self.path}", "exec", *pinned, "--deadline-s", f"{deadline_s:.0f}", "--"]

    def start(self, command: Sequence[str], cpus: Sequence[int], deadline_s: float) -> RemoteProcess:
        """Starts a command in the work folder. Raises DeviceError."""
        return self.transport.spawn([*self.words(cpus, deadline_s), *command], cwd=self.workdir)

    def lock(self, name: str, holder: str, file: str) -> MachineLock:
        """The machine-wide lock `name`, not taken yet; `file` stands for it in the work folder."""
        argv = [f"./{self.path}", "lock", "--name", name, "--holder", holder, "--file", file]
        return MachineLock(self.transport, argv, self.workdir)
