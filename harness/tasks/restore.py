"""Putting a device back outside any run."""

from __future__ import annotations

import sys

from bnnbench.devices import environment
from bnnbench.devices.environment import Change
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.workfolder import WorkFolder

from ..bench.machine_lock import machine_lock
from ..bench.reach import reach
from ..errors import CannotMeasure


def restore_device(spec: DeviceSpec) -> list[Change]:
    """What was put back, or is stuck. Under the device's lock: a run that is going on there keeps what it changed.

    Raises DeviceError, CannotMeasure.
    """
    reached = reach(spec, [], lambda text: print(text, file=sys.stderr))
    with reached.transport as transport:
        if not reached.target.launcher.is_file():
            raise CannotMeasure(f"device '{spec.name}' runs no engine of ours, so nothing was changed there.")
        folder = WorkFolder.open(transport, spec)
        launcher = folder.blob(reached.target.launcher, executable=True)
        with machine_lock(transport, launcher, folder.path, "bnnbench devices restore"):
            return environment.restore(transport, folder.path)
