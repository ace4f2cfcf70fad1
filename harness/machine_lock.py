"""The machine-wide lock of a device, held by the native engine's `lock` role."""

from __future__ import annotations

import getpass
import os
import platform

from bnnbench.devices.lock import MachineLock
from bnnbench.devices.transport.protocol import Transport

from .context import now

NAME_VARIABLE = "BNNBENCH_LOCK"
"""Environment variable with another name for the lock: the tests' runs must not wait for a user's."""


def machine_lock(transport: Transport, launcher: str, workdir: str, what: str) -> MachineLock:
    """Not taken yet. `what` is the command that takes it, which whoever is refused is told."""
    holder = f"{what} of {getpass.getuser()} on {platform.node()} since {now()[:19]} UTC"
    name = os.environ.get(NAME_VARIABLE) or "bnnbench"
    return MachineLock(transport, [f"./{launcher}", "lock", "--name", name, "--holder", holder], workdir)
