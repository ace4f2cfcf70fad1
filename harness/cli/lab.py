"""`bnnbench lab`: devices of several hosts, shared by a team."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .examples import give_own_examples
from .options import DebugOption, InventoryOption, JsonOption, WaitOption

app = App(
    name="lab",
    help="Share the devices of several hosts: queue, status, hosts. Needs bnnbench[lab].",
    help_epilogue="""Examples:
  bnnbench lab certificates secrets desk rack1 rack2   # a folder for each machine
  bnnbench lab start                                   # the scheduler, on one machine
  bnnbench lab join tls://desk:8786 --inventory devices.toml   # on each host of devices
  bnnbench run suite.toml --lab tls://desk:8786 -d pi4 -d pi5
  bnnbench lab status tls://desk:8786 --live
  bnnbench lab queue tls://desk:8786
  bnnbench lab cancel tls://desk:8786 20260131-101500-ab12
Whoever has a certificate of the lab may run any program on all of its machines.""",
)
AddressArgument = Annotated[str, Parameter(help="Address of the lab, such as tls://lab.local:8786.")]
CertificatesOption = Annotated[
    Path | None,
    Parameter(
        name="--certificates",
        help="This machine's folder of certificates; default: BNNBENCH_LAB_CERTIFICATES, then your own.",
    ),
]
InsecureOption = Annotated[
    bool,
    Parameter(name="--insecure", negative="", show_default=False, help="Without certificates; on 127.0.0.1 only."),
]


@app.command
def certificates(
    folder: Annotated[Path, Parameter(help="Folder for the authority and a folder for each machine.")],
    names: Annotated[list[str], Parameter(help="Machines: those of the scheduler, of devices, and of users.")],
    /,
    *,
    days: Annotated[int, Parameter(help="How long the certificates are valid.")] = 365,
    debug: DebugOption = False,
) -> None:
    """Make an authority, and certificates for machines that may use the lab.

    Copy FOLDER/NAME to the machine NAME, and keep FOLDER/ca where nobody else can read it.
    """
    from ..lab.certificates import make_certificates, usual_folder
    from ..lab.choose import require_extra

    require_extra()
    for path in make_certificates(folder, names, days):
        print(f"{path}: copy it to that machine as {usual_folder()}, readable by its owner only")


@app.command
def start(
    *,
    host: Annotated[str, Parameter(help="Address of this machine to listen at.")] = "",
    port: Annotated[int, Parameter(help="Port to listen at; 0 takes a free one.")] = 8786,
    certificates: CertificatesOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the scheduler of a lab, until Ctrl-C."""
    from ..lab.choose import require_extra

    require_extra()
    from ..lab.address import listening
    from ..lab.services import serve_scheduler

    place = host or ("127.0.0.1" if insecure else "0.0.0.0")  # noqa: S104 - both ends have certificates
    serve_scheduler(listening(place, port, insecure=insecure), certificates, _tell)


@app.command
def join(
    address: AddressArgument,
    /,
    *,
    inventory: InventoryOption = None,
    name: Annotated[str | None, Parameter(help="What this host is called in the lab; default: its host name.")] = None,
    folder: Annotated[
        Path | None, Parameter(help="Folder for sent files and unfetched records; default: your own.")
    ] = None,
    certificates: CertificatesOption = None,
    insecure: InsecureOption = False,
    wait: WaitOption = None,
    debug: DebugOption = False,
) -> None:
    """Offer the devices of this host to a lab, until Ctrl-C."""
    from ..lab.choose import require_extra

    require_extra()
    import platform

    from bnnbench.devices.inventory import open_inventory

    from ..errors import CallError
    from ..lab.address import parse_address
    from ..lab.host import Host, own_folder
    from ..lab.services import serve_host

    lab = parse_address(address)
    if not lab.is_encrypted and not insecure:
        raise CallError(f"{address} has no encryption: write tls://, or add --insecure on this machine alone.")
    host = Host.of(open_inventory(inventory), folder or own_folder())
    host.name = name or platform.node()
    serve_host(host, lab, certificates, _tell)


@app.command
def status(
    address: AddressArgument,
    /,
    *,
    live: Annotated[
        bool, Parameter(negative="", show_default=False, help="Show it anew every 2 seconds, until Ctrl-C.")
    ] = False,
    certificates: CertificatesOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the devices of a lab: what they are, and who has them."""
    from ..lab.choose import require_extra

    require_extra()
    import time

    from ..errors import CallError
    from ..lab.address import parse_address
    from ..lab.link import Link
    from .documents.document import text_of
    from .documents.lab import status_document
    from .lab_table import print_status
    from .terminal import Console

    if live and json:
        raise CallError("--live shows a table and --json prints one document: leave one of them out.")

    link, console = Link(parse_address(address), certificates), Console()
    try:
        while True:
            offers, waiting = link.offers(), link.queue()
            if json:
                print(text_of(status_document(offers, waiting)))
                return
            if live and console.is_terminal:
                console.clear()
            print_status(offers, waiting, console)
            if not live:
                return
            time.sleep(2)
    finally:
        link.close()


@app.command
def queue(
    address: AddressArgument,
    /,
    *,
    certificates: CertificatesOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what the devices of a lab have to do, the next first."""
    from ..lab.choose import require_extra

    require_extra()
    from ..lab.address import parse_address
    from ..lab.link import Link
    from .documents.document import text_of
    from .documents.lab import queue_document
    from .lab_table import print_queue
    from .terminal import Console

    link = Link(parse_address(address), certificates)
    try:
        waiting = link.queue()
        if json:
            print(text_of(queue_document(waiting)))
        else:
            print_queue(waiting, Console())
    finally:
        link.close()


@app.command
def cancel(
    address: AddressArgument,
    run: Annotated[str, Parameter(help="Id of the run, or its beginning.")],
    /,
    *,
    certificates: CertificatesOption = None,
    debug: DebugOption = False,
) -> None:
    """Take a run off the devices of a lab; what it has measured is kept, and it can be resumed."""
    from ..lab.choose import require_extra

    require_extra()
    from ..lab.address import parse_address
    from ..lab.link import Link

    link = Link(parse_address(address), certificates)
    try:
        print(f"cancelled {link.cancel(run)}")
    finally:
        link.close()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


give_own_examples(app)
