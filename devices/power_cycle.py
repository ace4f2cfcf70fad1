"""Cutting a device's power and putting it back, by the command that its inventory entry names."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from bnnbench.devices.errors import CommandFailed
from bnnbench.devices.spec import DeviceSpec

LIMIT_S = 60.0


def power_cycle(spec: DeviceSpec, *, limit_s: float = LIMIT_S) -> None:
    """Runs `spec.power_cycle` on this machine, without a shell, and waits for its end, for `limit_s` seconds at most.

    An interrupt does not end it, because the device would stay without power. Errors do not name the arguments, which
    may hold a password of a power socket. Raises CommandFailed.
    """
    program = spec.power_cycle[0]
    what = f"power_cycle of device {spec.name!r}: {program!r}"
    try:
        process = subprocess.Popen(
            spec.power_cycle,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # not a pipe: what the command leaves running would keep it open
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise CommandFailed(f"{what} cannot be started ({reason}); correct it in the inventory.") from error
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        _end(process)
        raise CommandFailed(f"{what} did not end within {limit_s:g} s and was stopped; try it in a terminal.") from None
    if process.returncode:
        raise CommandFailed(f"{what} ended with status {process.returncode}; try it in a terminal.")


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it started, where the system has groups of processes."""
    if sys.platform != "win32":
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
