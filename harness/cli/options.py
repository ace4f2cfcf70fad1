"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

StoreOption = Annotated[
    Path | None, Parameter(name="--store", help="Folder of the results; default ./runs in a project.")
]
InventoryOption = Annotated[
    Path | None,
    Parameter(name="--inventory", help="Device list; default ./devices.toml, then the user's own."),
]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", show_default=False, help="Print JSON for programs.")]
DeviceOption = Annotated[
    list[str],
    Parameter(
        name=["--device", "-d"],
        negative="",
        help="A name of the inventory, ssh://[user@]host[:port], or local.",
    ),
]
ThreadCountsOption = Annotated[str | None, Parameter(name=["--threads", "-t"], help="Thread counts, like 1,4.")]
FilterOption = Annotated[
    str | None, Parameter(name="--filter", help="Only workloads whose name matches this regular expression.")
]
DebugOption = Annotated[
    bool, Parameter(name="--debug", negative="", show_default=False, help="Show the traceback of an error.")
]
TrustOption = Annotated[
    bool,
    Parameter(
        name="--trust",
        negative="",
        show_default=False,
        help="Also run and read what a run or baseline from elsewhere names.",
    ),
]
OneDeviceOption = Annotated[
    str, Parameter(name=["--device", "-d"], help="A name of the inventory, ssh://[user@]host[:port], or local.")
]
ThreadsOption = Annotated[int, Parameter(name=["--threads", "-t"], help="Threads, one on each core.")]
OneEngineOption = Annotated[str, Parameter(name=["--engine", "-e"], help="The engine to run; see engines list.")]
