"""How Dask is set up for a lab: nothing is moved, repeated or watched by it, and nothing of it is seen in terminals."""

from __future__ import annotations

import logging
from typing import Any, Final

SETTINGS: Final[dict[str, Any]] = {
    "distributed.scheduler.work-stealing": False,  # a session belongs to its device
    "distributed.scheduler.allowed-failures": 0,  # whoever asked decides whether to ask again
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.reuse-broadcast-comm": True,  # no TLS handshake for every poll
    "distributed.comm.timeouts.connect": "5s",
    "distributed.comm.compression": None,
    "distributed.comm.retry.count": 0,
    # What runs now and then in a process that may time a device beside it.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.tick.limit": "60s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.diagnostics.nvml": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}
_QUIET: Final = ("distributed", "tornado", "asyncio", "bokeh")


def set_up_dask() -> None:
    """Applies the settings to this process, whatever its user's Dask files say."""
    import dask
    import distributed  # noqa: F401 - its defaults come first

    dask.config.set(SETTINGS)
    # Everything that concerns a user comes out as a sentence of ours. Dask gives some loggers below these a level too.
    for name in [*_QUIET, *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
