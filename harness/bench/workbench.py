"""A device made ready for one run: engines and data pushed, its lock held, engines started one at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

from bnnbench.devices.errors import CommandFailed, DeviceError
from bnnbench.devices.transport.protocol import RemoteProcess, Transport
from bnnbench.devices.workfolder import WorkFolder
from bnnbench.kernels.engines import ENGINES, Engine
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Hello, Loaded
from bnnbench.kernels.engines.tflite_benchmark import SummaryEngine
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.instruction_counter import MARKS
from bnnbench.results.records import DeviceEvent

from ..clock import now
from ..plan.cases import Case
from ..plan.target import Target
from ..workload.base import OUTPUT_SLACK_BYTES, Payload
from .context import RunContext
from .engine_process import EngineProcess
from .launcher_report import left_behind, left_behind_words
from .machine_lock import machine_lock
from .surroundings import Surroundings

LAUNCHER = "native"
"""The engine whose binary also launches every other one and holds the lock."""
CACHE_LIMIT_BYTES = 2 << 30
"""Blobs beyond this are removed from a device, least recently used first."""


@dataclass
class Workbench:
    """What `verify` and `invoke` work with. `scratch` is the run's folder, relative to the work folder."""

    target: Target
    transport: Transport
    folder: WorkFolder
    context: RunContext
    scratch: str = ""
    push_ns: int = 0
    _engines: dict[str, Engine] = field(default_factory=dict)
    _paths: dict[str, list[str]] = field(default_factory=dict)
    _launcher: str = ""
    _counter: str = ""
    surroundings: Surroundings = field(init=False)

    @contextmanager
    def prepared(self, cases: Sequence[Case]) -> Iterator[Self]:
        """Engines and data on the device, its lock held, a folder for this run; all given back."""
        started = time.monotonic_ns()
        self._launcher = self.folder.blob(self.target.launcher, executable=True)
        run_id = self.context.writer.record.run_id
        lock = machine_lock(self.transport, self._launcher, self.folder.path, f"bnnbench run {run_id}")
        lock.acquire()
        try:
            self._push(cases)
            self.scratch = self.folder.run_folder(run_id)
            self.surroundings = Surroundings(
                self.target, self.transport, self.context, self.folder.path, self._launcher
            )
            self.push_ns = time.monotonic_ns() - started
            with self.surroundings.prepared():
                yield self
        finally:
            with suppress(DeviceError):  # a lost device: the first failure is the one to report
                self.folder.remove_run_folder(run_id)
            lock.release()

    def _push(self, cases: Sequence[Case]) -> None:
        self._engines = {LAUNCHER: ENGINES[LAUNCHER], **{case.engine.name: case.engine for case in cases}}
        for name, prepared in self.target.builds.items():
            files = prepared.files
            self._paths[name] = [self.folder.blob(file.path, executable=file.executable) for file in files]
        payloads = [payload_of(case) for case in cases]
        data = self.folder.blobs([blob for payload in payloads for blob in payload.blobs])
        engines = [path for paths in self._paths.values() for path in paths]
        if self.target.counter:
            engines.append(self.folder.blob(self.target.counter))
            self._counter = engines[-1]
        self.folder.trim(CACHE_LIMIT_BYTES, keep={*data, *engines})

    def copy_engines(self, names: Sequence[str]) -> None:
        """Gives these engines fresh copies of their programs, at paths of equal length for names of equal length: what
        a file's pages happen to lie on is drawn anew for each."""
        blobs = {name: self.folder.blob(self.target.builds[name].build.path, executable=True) for name in names}
        copies = {name: f"{self.scratch}/{name}" for name in names}
        self.folder.copy([(blobs[name], copies[name]) for name in names])
        for name in names:
            self._paths[name] = [copies[name], *self._paths[name][1:]]

    @contextmanager
    def engine(self, name: str, threads: int, deadline_s: float) -> Iterator[tuple[EngineClient, Hello]]:
        """A started engine that has said hello. What it breaks comes out as EngineError with how it ended;
        DeviceError when the device is lost, Interrupted when the run is being stopped."""
        process = EngineProcess(
            self.transport,
            self.folder.path,
            self._launcher,
            [
                *self._emulator(),
                *self._engines[name].command(self._paths[name], self.target.isas.get(name), self.target.is_local),
            ],
            name=name,
            cpus=self.threads_on(threads),
            deadline_s=deadline_s,
        )
        with process, self.context.endable(process):
            try:
                yield process.client, process.client.hello()
            except (EngineError, EOFError, OSError, ValueError, DeviceError) as error:
                self.context.check()  # a stop ends the engine, which is no failure of it
                if isinstance(error, DeviceError) and not isinstance(error, CommandFailed):
                    raise
                raise EngineError(f"{error} {process.last_words()}".strip()) from error
        self._tell_left_behind(name, process.left_behind)

    def _tell_left_behind(self, engine: str, count: int) -> None:
        name, message = self.target.spec.name, f"engine '{engine}': {left_behind_words(count)}"
        if count and (name, message) not in [(one.device, one.message) for one in self.context.writer.stored.events]:
            self.context.append(DeviceEvent(device=name, kind="left_behind", message=message, started=now()))
            self.context.watcher.note(f"{name}: {message}")

    def fetch(self, path: str, size_bytes: int) -> bytes:
        """A file of the work folder, relative to it, of about this size. Raises CommandFailed, DeviceLost."""
        return self.transport.pull(self.folder.absolute(path), limit_bytes=size_bytes + OUTPUT_SLACK_BYTES)

    @property
    def counts_file(self) -> str:
        """What the counter of the last engine wrote, relative to the work folder."""
        return f"{self.scratch}/instructions"

    def threads_on(self, threads: int) -> tuple[int, ...]:
        """The cores that so many threads are pinned to: the last ones; the first serves interrupts on most boards."""
        return self.target.cores[-threads:]

    def _emulator(self) -> list[str]:
        if not self._counter:
            return list(self.target.emulator)
        return [*self.target.emulator, "-E", MARKS, "-plugin", f"file=./{self._counter},out={self.counts_file}"]

    @contextmanager
    def program(self, engine: SummaryEngine, model: str, threads: int, deadline_s: float) -> Iterator[RemoteProcess]:
        """A started program that prints and ends; raises as `engine`."""
        cpus = ",".join(map(str, self.target.cores[-threads:]))
        launcher = [f"./{self._launcher}", "exec", "--cpus", cpus, "--deadline-s", f"{deadline_s:.0f}", "--"]
        command = engine.measuring_command(self._paths[engine.name], model, threads)
        process = self.transport.spawn([*launcher, *command], cwd=self.folder.path)
        try:
            with self.context.endable(process):
                yield process
        except (EOFError, OSError):
            self.context.check()
            raise
        finally:
            process.kill()
            self._tell_left_behind(engine.name, left_behind(process.stderr_tail()))

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Keeps this program still while a block is timed on the machine it runs on."""
        if self.target.is_local:
            with self.context.quiet:
                yield
        else:
            yield


def payload_of(case: Case) -> Payload:
    """What the case's engine needs for its workload."""
    payload = case.workload.payload(case.engine.accepts)
    assert payload is not None, "plan.py makes no case of an engine that cannot load the workload"
    return payload


def load(client: EngineClient, case: Case, which: int) -> Loaded:
    """Loads a case as `case` and sets its input number `which`. Raises EngineError."""
    payload = payload_of(case)
    loaded = client.load("case", payload.keys)
    if payload.inputs:
        client.input("case", payload.inputs[which])
    return loaded
