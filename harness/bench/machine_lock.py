"""The machine-wide lock of a device, held by the native engine's `lock` role."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
from pathlib import Path

from bnnbench.devices.errors import DeviceBusy
from bnnbench.devices.lock import MachineLock

from ..clock import now
from .launcher import Launcher

NAME_VARIABLE = "BNNBENCH_LOCK"
"""Environment variable with another name for the lock: the tests' runs must not wait for a user's."""


_SOCKETS = Path("/proc/net/unix")
"""Linux lists all names of sockets there; looking does not wake the process that holds one."""

FILE_PREFIX = "lock-"
"""Of the lock's file in the work folder."""


def machine_lock(launcher: Launcher, what: str) -> MachineLock:
    """Not taken yet. `what` is the command that takes it, which whoever is refused is told."""
    who = f"{getpass.getuser()} on {platform.node()}, pid {os.getpid()}"
    holder = f"{_of(what)}{who}, since {now()[:19].replace('T', ' ')} UTC"
    name = _name()
    # Containers that share the work folder may share nothing else.
    return launcher.lock(name, holder, f"{FILE_PREFIX}{_digest(name)}")


def is_timed_here() -> bool:
    """Whether a benchmark has the lock of the machine that this program runs on; False where that is not Linux, which
    nothing is timed on, and for what a container does that has a network of its own."""
    try:
        lines = _SOCKETS.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.rpartition(" ")[2] == f"@{_name()}" for line in lines)


def _name() -> str:
    return os.environ.get(NAME_VARIABLE) or "bnnbench"


def is_held_by(error: DeviceBusy, what: str) -> bool:
    """Whether it is the command `what` that holds the lock, on whatever machine it was given."""
    return error.holder.startswith(_of(what))


def _of(what: str) -> str:
    return f"{what} of "


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
