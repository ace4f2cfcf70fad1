"""`bnnbench peak`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from .options import DebugOption, InventoryOption, JsonOption


def peak(
    *,
    device: Annotated[
        str, Parameter(name=["--device", "-d"], help="A name of the inventory, an address, or local.")
    ] = "local",
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure a device's roof: how fast xor, popcount and add can be on registers alone, per ISA level."""
    import sys
    from json import dumps

    from rich.console import Console
    from rich.table import Table

    from bnnbench.results.quantity import clock, rate

    from ..peak import measure_peaks

    peaks = measure_peaks(device, inventory, lambda line: print(line, file=sys.stderr))
    if json:
        print(dumps(peaks, indent=1))
        return
    table = Table("ISA level", "popcount roof", "clock", box=None, pad_edge=False)
    for isa, figures in peaks.items():
        gops, hz = figures["popcount_gops"], figures["clock_hz"]
        table.add_row(isa, "" if gops is None else rate(gops), "" if hz is None else clock(hz))
    Console().print(table)
