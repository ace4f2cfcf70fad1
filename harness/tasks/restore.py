"""Putting a device back outside any run."""

from __future__ import annotations

import sys

from bnnbench.devices import tuning
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.tuning import Change

from ..bench.lease import locked
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
        with locked(reached.target, transport, "bnnbench devices restore") as (folder, _):
            return tuning.restore(transport, folder.path)
