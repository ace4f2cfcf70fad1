"""No board at all: programs for another processor, run on this machine by qemu's user mode.

What can be learned there is how many instructions a program takes, never how long.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Final

from bnnbench.devices.closest import closest
from bnnbench.devices.errors import InventoryError, Unreachable
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.platforms import emulated_platform
from bnnbench.devices.qemu_facts import qemu_facts
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.local import LocalTransport

_TIMEOUT_S: Final = 20
_FIRST_WITHOUT_OURS: Final = 9
"""It ended version 1 of the plugin interface."""


class QemuTransport(LocalTransport):
    """Files and helpers are this machine's; `emulator` runs what is built for the other one."""

    def __init__(self, spec: DeviceSpec) -> None:
        """Raises Unreachable when qemu is missing or takes no plugins, InventoryError for an unknown CPU."""
        super().__init__(spec)
        program = self.emulator[0]
        if shutil.which(program) is None:
            raise Unreachable(f"{self._name()} needs the program {program}, which is missing (Debian: qemu-user).")
        if "-plugin " not in _told(program, "--help"):
            raise Unreachable(
                f"{self._name()}: {program} here takes no plugins, so it cannot count instructions; a static build "
                "never does (Debian 12: qemu-user instead of qemu-user-static; Debian 13 has static ones only)."
            )
        version = re.search(r"version (\d+)\.", _told(program, "--version"))
        if version and int(version[1]) >= _FIRST_WITHOUT_OURS:
            raise Unreachable(
                f"{self._name()}: {program} here is version {version[1]}, which no longer takes the plugin that counts "
                f"instructions; put one of version 4 to {_FIRST_WITHOUT_OURS - 1} first on the PATH."
            )
        known = [line.split()[0] for line in _told(program, "-cpu", "help").splitlines()[1:] if line.split()]
        if spec.cpu not in known:
            raise InventoryError(
                f"Device {spec.name!r}: {program} has no cpu {spec.cpu!r}{closest(str(spec.cpu), known)}; "
                f"`{program} -cpu help` lists what it has."
            )

    @property
    def emulator(self) -> tuple[str, ...]:
        return (f"qemu-{emulated_platform(self.spec.cpu, self.spec.arch).architecture}", "-cpu", str(self.spec.cpu))

    def facts(self, found: DeviceFacts) -> DeviceFacts:
        return qemu_facts(self.spec, found)


def _told(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
