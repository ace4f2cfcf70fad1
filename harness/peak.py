"""The measured roofs of one device, outside any run."""

from __future__ import annotations

from pathlib import Path

from bnnbench.devices.inventory import find_inventory, load, resolve
from bnnbench.devices.workfolder import WorkFolder
from bnnbench.kernels.engines import ENGINES

from .engine_process import EngineProcess
from .errors import CannotMeasure
from .machine_lock import machine_lock
from .reach import Tell, reach

_PEAK_NS = 500_000_000
_DEADLINE_S = 120.0


def measure_peaks(device: str, inventory: Path | None, tell: Tell) -> dict[str, dict[str, float | None]]:
    """ISA level -> roofs, by the native engine on one thread. Raises DeviceError, EngineError, CannotMeasure."""
    spec = resolve(device, load(find_inventory(inventory)))
    native = ENGINES["native"]
    reached = reach(spec, [native], tell)
    with reached.transport as transport:
        if native.name not in reached.target.builds:
            raise CannotMeasure(f"there is no native engine for device '{spec.name}'.")
        folder = WorkFolder.open(transport, spec)
        engine = folder.blob(reached.target.builds[native.name].build.path, executable=True)
        with (
            machine_lock(transport, engine, folder.path, "bnnbench peak"),
            EngineProcess(
                transport,
                folder.path,
                engine,
                native.command([engine], None),
                name=native.name,
                cpus=reached.target.cores[-1:],
                deadline_s=_DEADLINE_S,
            ) as process,
        ):
            roofs = {}
            for isa in process.client.hello().isas:
                peaks = process.client.peak(isa=isa, limit_ns=_PEAK_NS)
                roofs[isa] = {"popcount_gops": peaks.popcount_gops, "clock_hz": peaks.clock_hz}
            return roofs
