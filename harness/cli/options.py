"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bnnbench.devices.kinds import addresses

DEVICE_HELP = f"Device name, pool, query such as soc=bcm2712, local, or an address: {addresses()}."

StoreOption = Annotated[
    Path | None,
    Parameter(name="--store", help="Folder of stored runs, or s3://BUCKET/PREFIX; default: runs in the project."),
]
InventoryOption = Annotated[
    Path | None,
    Parameter(name="--inventory", help="Device list; default: devices.toml here or in a parent folder, then your own."),
]
LabOption = Annotated[
    str | None,
    Parameter(name="--lab", help="Address of the lab that has the devices, such as tls://lab.local:8786."),
]
JsonOption = Annotated[bool, Parameter(name="--json", negative="", show_default=False, help="Print JSON.")]
DeviceOption = Annotated[
    list[str], Parameter(name=["--device", "-d"], negative="", show_default="local", help=DEVICE_HELP)
]
AnyOption = Annotated[
    int | None,
    Parameter(
        name="--any", help="Take this many free devices, of those that --device names, else of the inventory or lab."
    ),
]
AllOption = Annotated[
    bool,
    Parameter(
        name="--all",
        negative="",
        show_default=False,
        help="Take every device that is not quarantined, of those that --device names, else of the inventory or lab.",
    ),
]
OneDeviceOption = Annotated[str, Parameter(name=["--device", "-d"], help=DEVICE_HELP)]
DeviceArgument = Annotated[str, Parameter(help=DEVICE_HELP)]
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
        help="Trust a run or baseline from elsewhere: run its programs and read its files.",
    ),
]
WaitOption = Annotated[
    str | None,
    Parameter(name="--wait", help="How long to wait for a busy device, such as 30s, 10m or 1h."),
]
"""`main` reads it, before the command begins."""
ThreadsOption = Annotated[int, Parameter(name=["--threads", "-t"], help="Number of threads, one per core.")]
OneEngineOption = Annotated[str, Parameter(name=["--engine", "-e"], help="Engine to run; see bnnbench engines list.")]
ShapeOption = Annotated[
    list[str] | None,
    Parameter(
        name="--shape",
        negative="",
        help="Shape of an input whose sizes are open: 1x224x224x3, or NAME=1x224x224x3.",
    ),
]
TailsOption = Annotated[
    bool,
    Parameter(name="--tails", negative="", show_default=False, help="Also time single executions, for p99 and p99.9."),
]
DeadlineOption = Annotated[
    str | None, Parameter(name="--deadline", help="Also count executions that take longer, such as 33ms.")
]
StartsOption = Annotated[
    bool,
    Parameter(
        name="--starts",
        negative="",
        show_default=False,
        help="Also time processes from start to first result, with their files in memory and not.",
    ),
]
SignersOption = Annotated[
    Path | None,
    Parameter(
        name="--allowed-signers",
        help="Who may sign, as of ssh-keygen; with it, an unsigned archive is refused. Default: allowed_signers beside "
        "your own devices.toml.",
    ),
]
