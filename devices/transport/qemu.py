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
from bnnbench.devices.transport.emulator import Emulator
from bnnbench.devices.transport.local import LocalTransport

_TIMEOUT_S: Final = 20
_INTERFACES: Final = (((6, 0), 1), ((9, 0), 2), ((11, 1), None))
"""The first version of QEMU with each version of its interface for plugins; None is one that the plugin lacks."""


class QemuTransport(LocalTransport):
    """Files and helpers are this machine's; `emulator` runs what is built for the other one."""

    def __init__(self, spec: DeviceSpec) -> None:
        """Raises Unreachable when qemu is missing or takes no plugins, InventoryError for an unknown CPU."""
        super().__init__(spec)
        program = f"qemu-{emulated_platform(spec.cpu, spec.arch).architecture}"
        if shutil.which(program) is None:
            raise Unreachable(f"{self._name()} needs the program {program}, which is missing (Debian: qemu-user).")
        if "-plugin " not in _output_of(program, "--help"):
            raise Unreachable(
                f"{self._name()}: {program} here takes no plugins, so it cannot count instructions; a static build "
                "never does. Debian 12 and Ubuntu 24.04: install qemu-user instead of qemu-user-static; Debian 13 and "
                "Ubuntu 26.04 have static ones only: build QEMU with --enable-plugins, or count in a container of "
                "Debian 12."
            )
        interface = _plugin_interface(_output_of(program, "--version"))
        if interface is None:
            raise Unreachable(
                f"{self._name()}: {program} here has a plugin interface that bnnbench does not support, "
                "so it cannot count instructions; put one of QEMU 6.0 to 11.0 first on the PATH."
            )
        known = [line.split()[0] for line in _output_of(program, "-cpu", "help").splitlines()[1:] if line.split()]
        if spec.cpu not in known:
            raise InventoryError(
                f"Device {spec.name!r}: {program} has no cpu {spec.cpu!r}{closest(str(spec.cpu), known)}; "
                f"`{program} -cpu help` lists what it has."
            )
        self._emulator = Emulator((program, "-cpu", str(spec.cpu)), interface)

    @property
    def emulator(self) -> Emulator:
        return self._emulator

    def facts(self, found: DeviceFacts) -> DeviceFacts:
        return qemu_facts(self.spec, found)


def _plugin_interface(version: str) -> int | None:
    """By what `--version` prints."""
    found = re.search(r"version (\d+)\.(\d+)", version)
    if found is None:
        return None
    here = (int(found[1]), int(found[2]))
    return next((interface for first, interface in reversed(_INTERFACES) if here >= first), None)


def _output_of(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
