"""One engine on one device outside any run: for `peak`, `infer` and `profile`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.errors import CommandFailed, DeviceError
from bnnbench.devices.inventory import open_inventory, resolve
from bnnbench.devices.transport.protocol import Transport
from bnnbench.devices.workfolder import WorkFolder
from bnnbench.kernels.engines import ENGINES, Engine
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.errors import EngineError
from bnnbench.results.store.runs import new_run_id

from ..errors import CallError, CannotMeasure
from ..plan.target import Target
from .engine_process import EngineProcess
from .launcher_report import left_behind_words
from .machine_lock import machine_lock
from .reach import Tell, reach

_DEADLINE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A started engine with the device's lock held. `scratch` is a folder of its own, relative to the work folder."""

    client: EngineClient
    target: Target
    transport: Transport
    folder: WorkFolder
    scratch: str

    def fetch(self, name: str, size_bytes: int) -> bytes:
        """A file of the scratch folder, of this size at most. Raises CommandFailed, DeviceLost."""
        return self.transport.pull(self.folder.absolute(f"{self.scratch}/{name}"), limit_bytes=size_bytes)


@contextmanager
def borrowed(
    device: str, inventory: Path | None, engine: Engine, threads: int, what: str, tell: Tell, *, times: bool = False
) -> Iterator[Borrowed]:
    """`what` is the command, which whoever finds the device locked is told; with `times` it is refused where these mean
    nothing.

    Raises DeviceError, InventoryError, CannotMeasure, CallError, and EngineError with the engine's last words.
    """
    spec = resolve(device, open_inventory(inventory))
    reached = reach(spec, [engine], tell)
    target, native = reached.target, ENGINES["native"].name
    with reached.transport as transport:
        if times and target.facts.emulated:
            raise CannotMeasure(f"device '{spec.name}' is emulated: its times mean nothing; measure on a real one.")
        for name in (native, engine.name):
            if name not in target.builds:
                reason = target.facts.triple and engine.refusal(threads, target.facts.triple, target.is_local)
                raise CannotMeasure(f"device '{spec.name}' cannot run the engine '{name}': {reason or 'unknown CPU'}.")
        if threads > len(target.cores):
            raise CallError(
                f"{threads} threads need as many cores, and {len(target.cores)} are chosen on '{spec.name}'."
            )
        folder = WorkFolder.open(transport, spec)
        launcher = folder.blob(target.launcher, executable=True)
        paths = [folder.blob(file.path, executable=file.executable) for file in target.builds[engine.name].files]
        run_id = new_run_id()
        with machine_lock(transport, launcher, folder.path, what):
            scratch = folder.run_folder(run_id)
            try:
                process = EngineProcess(
                    transport,
                    folder.path,
                    launcher,
                    [*target.emulator, *engine.command(paths, target.isas.get(engine.name), target.is_local)],
                    name=engine.name,
                    cpus=target.cores[-threads:],
                    deadline_s=_DEADLINE_S,
                )
                with process:
                    try:
                        process.client.hello()
                        yield Borrowed(process.client, target, transport, folder, scratch)
                    except EngineError as error:
                        raise EngineError(f"{error} {process.last_words()}".strip()) from error
                if process.left_behind:
                    tell(f"engine '{engine.name}': {left_behind_words(process.left_behind)}")
            finally:
                with suppress(DeviceError, CommandFailed):
                    folder.remove_run_folder(run_id)
