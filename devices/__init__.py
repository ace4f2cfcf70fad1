"""Reaching hardware and understanding it: inventory, transports, work folder, facts, lock.

Called, this package lists the devices of the inventory, and connects to none, as `bnnbench.harness.api.device.devices`
describes it:

    >>> import bnnbench as bnn
    >>> "local" in [device.name for device in bnn.devices()]
    True

Knows nothing of kernels or results. Import the modules themselves, for example
`from bnnbench.devices.transport import connect`; importing this package loads none of them.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike


class _Devices(ModuleType):
    """The Python API's `bnnbench.devices()` has the name of this package, so the package is what is called."""

    def __call__(self, path: "str | PathLike[str] | None" = None, /) -> Any:
        # By name: this package knows nothing of `harness`, and whoever calls it has the whole of bnnbench.
        return import_module("bnnbench.harness.api.device").devices(path)


sys.modules[__name__].__class__ = _Devices
