"""How the functions of `calls.py` find the host that a Dask worker belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from distributed.diagnostics.plugin import WorkerPlugin

from .calls import PLUGIN
from .host import Host


class HostPlugin(WorkerPlugin):  # type: ignore[misc]
    """`names` are the devices of its worker: those of one machine."""

    name = PLUGIN

    def __init__(self, host: Host, names: Sequence[str]) -> None:
        self.host, self.names = host, names
