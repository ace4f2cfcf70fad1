"""The machine that bnnbench runs on, beside the devices: which systems can be measured themselves."""

from __future__ import annotations

import platform

from bnnbench.devices.errors import DeviceError

_MEASURED = ("Linux", "Android")
_INSTEAD = {"Windows": "measure a device over SSH: bnnbench devices add NAME ssh://USER@HOST, or work in WSL"}


def require_measured_system() -> None:
    """Raises DeviceError where no engine runs, so that only other machines can be measured."""
    system = platform.system()
    if system in _MEASURED:
        return
    instead = _INSTEAD.get(system, "measure a device over SSH or adb: bnnbench devices add NAME ADDRESS")
    raise DeviceError(
        f"no engine can be built for this host ({system} {platform.machine()}): engines run on Linux and Android; "
        f"{instead}."
    )
