"""`bnnbench devices check`: whether devices are in control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .options import DEVICE_HELP, DebugOption, InventoryOption, JsonOption, StoreOption, WaitOption

if TYPE_CHECKING:
    from ..tasks.health import Health


def check(
    device: Annotated[
        list[str], Parameter(help=DEVICE_HELP, negative="", show_default="every device of the inventory")
    ] = [],  # noqa: B006 - the parser copies it
    /,
    *,
    due: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Only devices that were booted since their last check, or not checked for a day.",
        ),
    ] = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Measure a small suite, and quarantine devices that are out of control by their earlier checks."""
    import sys

    from bnnbench.devices.errors import DeviceError
    from bnnbench.devices.inventory import open_inventory
    from bnnbench.devices.selecting import listed, select
    from bnnbench.results.printable import printable
    from bnnbench.results.store.runs import Store

    from ..errors import CannotMeasure
    from ..tasks.health import check_health
    from ..tasks.health import due as why_due
    from .documents.document import text_of
    from .documents.health import CheckedDevice, checked, not_checked
    from .exit_status import REGRESSION
    from .measuring import NOT_MEASURED, called

    known = open_inventory(inventory)
    words = device or [spec.name for spec in listed(known)]
    results = Store(store)
    status = 0
    rows: list[CheckedDevice] = []
    with called(results, words, inventory) as call:
        selected = [
            (item, spec) for item in (select(word, known, call.watcher.note) for word in words) for spec in item.specs
        ]
        for item, spec in selected:
            try:
                if due and why_due(spec, results) is None:
                    continue
                found = check_health(call, spec, spec.name if item.is_pool else item.text)
            except (DeviceError, CannotMeasure) as error:
                print(printable(f"{spec.name}: not checked: {error}"), file=sys.stderr)
                status = status or NOT_MEASURED
                rows.append(not_checked(spec.name, error))
                continue
            rows.append(checked(found))
            if not json:
                _print(found)
            status = status if found.is_fit else REGRESSION
    if json:
        print(text_of(rows))
    return status


def _print(found: Health) -> None:
    """A row per case: its latency, and where it belongs by the earlier checks."""
    from bnnbench.results.printable import printable
    from bnnbench.results.quantity import duration
    from bnnbench.results.sheet import Column, Sheet, say

    from .terminal import Console

    console = Console()
    say(console, f"{found.device}: {'in control' if found.is_fit else 'out of control'} (run {found.run_id})", "bold")
    sheet = Sheet(
        Column("case", folds=True),
        Column("latency", right=True),
        Column("centre", right=True),
        Column("limits", right=True),
        Column("earlier checks", right=True),
        Column("verdict"),
    )
    for case in found.cases:
        latency, limits = duration(case.latency_ns), case.limits_ns
        if limits is None:
            sheet.add(case.workload, latency, "", "", str(case.earlier), "too few checks to judge")
            continue
        low, centre, high = map(duration, limits)
        verdict = "out of control" if case.is_out else "in control"
        sheet.add(case.workload, latency, centre, f"{low} to {high}", str(case.earlier), verdict)
    sheet.print(console)
    if found.held is not None:
        say(console, printable(f"{found.held.sentence}."), "red")
