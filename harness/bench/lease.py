"""A device that is ours for a while: lock -> push -> scratch folder -> engines, and all of it given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.errors import CommandFailed, DeviceError
from bnnbench.devices.transport.protocol import RemoteProcess, Transport
from bnnbench.devices.workfolder import WorkFolder
from bnnbench.kernels.engines import ENGINES, Engine, EngineFile, Start
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Hello
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.instruction_counter import MARKS

from ..plan.target import Target
from ..workload.base import OUTPUT_SLACK_BYTES
from .engine_process import EngineProcess
from .launcher import LAUNCHER, Launcher
from .launcher_report import left_behind
from .machine_lock import machine_lock
from .stop import Stop
from .waiting import current

CACHE_LIMIT_BYTES = 2 << 30
"""Blobs beyond this are removed from a device, least recently used first."""

LeftBehind = Callable[[str, int], None]
"""Is told an engine's name, and how many processes had left its group and were ended after it."""


@dataclass(slots=True)
class Lease:
    """`scratch` is a folder of its own, relative to the work folder; `paths` are where each engine's files lie there.

    `counter` is the pushed plugin that counts instructions, empty where none does.
    """

    target: Target
    transport: Transport
    folder: WorkFolder
    launcher: Launcher
    scratch: str
    engines: Mapping[str, Engine]
    paths: dict[str, list[str]]
    counter: str
    stop: Stop
    tell_left_behind: LeftBehind

    @contextmanager
    def engine(self, name: str, threads: int, deadline_s: float) -> Iterator[tuple[EngineClient, Hello]]:
        """A started engine that has said hello. What it breaks comes out as EngineError with how it ended;
        DeviceError when the device is lost, Interrupted when all is being stopped."""
        command = self.command(name, threads)
        process = EngineProcess(self.launcher, command, name=name, cpus=self.threads_on(threads), deadline_s=deadline_s)
        with process, self.stop.ends(process):
            try:
                yield process.client, process.client.hello()
            except (EngineError, EOFError, OSError, ValueError, DeviceError) as error:
                self.stop.check()  # a stop ends the engine, which is not a failure of it
                if isinstance(error, DeviceError) and not isinstance(error, CommandFailed):
                    raise
                raise EngineError(f"{error} {process.last_words()}".strip()) from error
        self.tell_left_behind(name, process.left_behind)

    def command(self, name: str, threads: int) -> list[str]:
        """What starts an engine that speaks the protocol, without the launcher before it."""
        return [*self._emulator(), *self.engines[name].command(self._start(name, threads))]

    @contextmanager
    def program(
        self, name: str, model: str, threads: int, deadline_s: float, flags: Sequence[str] = ()
    ) -> Iterator[RemoteProcess]:
        """A started engine without a protocol, which measures a model, prints and ends; raises as `engine`. `flags` are
        further words for it."""
        command = self.engines[name].command(self._start(name, threads, model, flags))
        process = self.launcher.start(command, self.threads_on(threads), deadline_s)
        try:
            with self.stop.ends(process):
                yield process
        except (EOFError, OSError):
            self.stop.check()
            raise
        finally:
            process.kill()
            self.tell_left_behind(name, left_behind(process.stderr_tail()))

    def fetch(self, path: str, size_bytes: int) -> bytes:
        """A file of the work folder, relative to it, of about this size. Raises CommandFailed, DeviceLost."""
        return self.transport.pull(self.folder.absolute(path), limit_bytes=size_bytes + OUTPUT_SLACK_BYTES)

    def written(self, path: str, size_bytes: int) -> bytes | None:
        """A file of the work folder that a program may have written; None where there is none.

        Raises TooMuchOutput where it has more than `size_bytes`, CommandFailed, DeviceLost.
        """
        absolute = self.folder.absolute(path)
        if self.transport.shell('[ -f "$1" ]', absolute).status:
            return None
        return self.transport.pull(absolute, limit_bytes=size_bytes)

    def counted(self) -> bytes:
        """What the counter of the last engine wrote. Raises CommandFailed, DeviceLost."""
        return self.fetch(self._counts_file, 0)

    def threads_on(self, threads: int) -> tuple[int, ...]:
        """The cores that so many threads are pinned to: the last ones; the first serves interrupts on most boards."""
        return self.target.cores[-threads:]

    def copy_engines(self, names: Sequence[str]) -> None:
        """Gives these engines fresh copies of their programs, at paths of equal length for names of equal length: what
        a file's pages happen to lie on is drawn anew for each."""
        copies: list[tuple[str, str]] = []
        for name in names:
            files = self.target.builds[name].files
            places = _places(self.scratch, name, files) or [f"{self.scratch}/{name}" for _ in files[:1]]
            blobs = [self.folder.blob(file.path, executable=True) for file in files[: len(places)]]
            copies += zip(blobs, places, strict=True)
            self.paths[name] = [*places, *self.paths[name][len(places) :]]
        self.folder.copy(copies)

    def _start(self, name: str, threads: int, model: str = "", flags: Sequence[str] = ()) -> Start:
        isa, folder = self.target.isas.get(name), _own_folder(self.scratch, name)
        return Start(self.paths[name], isa, self.target.is_local, model, threads, flags, folder)

    @property
    def _counts_file(self) -> str:
        return f"{self.scratch}/instructions"

    def _emulator(self) -> list[str]:
        if not self.counter:
            return list(self.target.emulator)
        return [*self.target.emulator, "-E", MARKS, "-plugin", f"file=./{self.counter},out={self._counts_file}"]


@contextmanager
def lease(
    target: Target,
    transport: Transport,
    engines: Mapping[str, Engine],
    *,
    what: str,
    run_id: str,
    data: Sequence[bytes | Path] = (),
    counter: Path | None = None,
    stop: Stop,
    tell_left_behind: LeftBehind,
) -> Iterator[Lease]:
    """`engines` beside the launcher, by name, with `data` beside them as blobs; `what` is the command, which whoever
    finds the device locked is told, `run_id` names the scratch folder. Raises DeviceError."""
    with locked(target, transport, what, stop) as (folder, launcher):
        try:
            files = {name: target.builds[name].files for name in target.builds}
            paths = {name: [folder.blob(f.path, executable=f.executable) for f in files[name]] for name in files}
            blobs = folder.blobs(data)
            plugin = folder.blob(counter) if counter else ""
            pushed = [path for item in paths.values() for path in item]
            folder.trim(CACHE_LIMIT_BYTES, keep={*blobs, *pushed, *([plugin] if plugin else [])})
            scratch = folder.run_folder(run_id)
            places = {name: named for name in files if (named := _places(scratch, name, files[name]))}
            folder.copy([pair for name in places for pair in zip(paths[name], places[name], strict=True)])
            yield Lease(
                target=target,
                transport=transport,
                folder=folder,
                launcher=launcher,
                scratch=scratch,
                engines={LAUNCHER: ENGINES[LAUNCHER], **engines},
                paths=paths | places,
                counter=plugin,
                stop=stop,
                tell_left_behind=tell_left_behind,
            )
        finally:
            with suppress(DeviceError):  # a lost device: the first failure is the one to report
                folder.remove_run_folder(run_id)


def _places(scratch: str, engine: str, files: Sequence[EngineFile]) -> list[str]:
    """Where files with names are copied to: a link would lead Python back to the folder of what has no name."""
    return [f"{_own_folder(scratch, engine)}/{file.name}" for file in files if file.name]


def _own_folder(scratch: str, engine: str) -> str:
    return f"{scratch}/files-{engine}"


def require_free(target: Target, transport: Transport, what: str) -> None:
    """Raises DeviceBusy when another command holds the device longer than it is waited for, DeviceError when it cannot
    be used."""
    with locked(target, transport, what):
        pass  # a device that is waited for is free now, and waited for again when it is leased


@contextmanager
def locked(
    target: Target, transport: Transport, what: str, stop: Stop | None = None
) -> Iterator[tuple[WorkFolder, Launcher]]:
    """The device's work folder and its launcher, with its lock held, which is waited for as `--wait` says.

    Raises DeviceError, Interrupted when `stop` is ordered meanwhile.
    """
    folder = WorkFolder.open(transport, target.spec)
    launcher = Launcher(transport, folder.path, folder.blob(target.launcher, executable=True))
    with current().hold(machine_lock(launcher, what), target.spec.name, stop):
        yield folder, launcher
