"""`bnnbench devices`: list, add, probe, doctor, restore, calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .options import DebugOption, InventoryOption, JsonOption, StoreOption

if TYPE_CHECKING:
    from bnnbench.devices.facts import DeviceFacts

_ADDRESS_HELP = "ssh://[user@]host[:port] (host may be an alias of ~/.ssh/config), adb://SERIAL or qemu://CPU."

app = App(
    name="devices",
    help="The devices that can be measured on.",
    help_epilogue="""Examples:
  bnnbench devices add pi4 ssh://pi@pi4.lab
  bnnbench devices add pixel adb://0A1B2C3D     # as `adb devices` lists it
  bnnbench devices add a72 qemu://cortex-a72    # no board: counts instructions
  bnnbench devices probe pi4
  bnnbench devices doctor pi4                   # what would make its numbers unreliable, and what mends it
  bnnbench devices restore pi4                  # puts back what a run that crashed had changed there
  bnnbench devices calibrate pi4                # how often verdicts are wrong there
  bnnbench devices list""",
)


@app.command(name="list")
def list_(*, inventory: InventoryOption = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the devices of the inventory; connects to none."""
    from dataclasses import asdict
    from json import dumps

    from rich.table import Table
    from rich.text import Text

    from bnnbench.devices.inventory import open_inventory
    from bnnbench.harness.cli.terminal import Console

    found = open_inventory(inventory)
    if json:
        print(dumps([asdict(spec) for spec in found.devices.values()], default=str, indent=1))
        return
    table = Table("name", "transport", "address", "cores", box=None, pad_edge=False)
    for spec in found.devices.values():
        cores = spec.cores if isinstance(spec.cores, str) else ",".join(map(str, spec.cores))
        table.add_row(*map(Text, (spec.name, spec.transport, spec.address, cores)))
    console = Console()
    console.print(table)
    console.print(f"inventory: {found.path or 'none; bnnbench devices add makes one'}", style="dim", highlight=False)


@app.command
def add(
    name: Annotated[str, Parameter(help="What to call it.")],
    address: Annotated[
        str,
        Parameter(help=_ADDRESS_HELP),
    ],
    /,
    *,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Probe a device and, when it answers, add it to the inventory."""
    from dataclasses import replace

    from bnnbench.devices.inventory import add as add_entry
    from bnnbench.devices.inventory import find_inventory
    from bnnbench.devices.kinds import addresses
    from bnnbench.devices.probe import probe as probe_device
    from bnnbench.devices.spec import parse_url
    from bnnbench.devices.transport import connect

    from ..errors import CallError

    if "://" not in address:
        raise CallError(f"{address!r} is no address; write {addresses()}.")
    spec = replace(parse_url(address), name=name)
    path = inventory or find_inventory() or Path("devices.toml")
    with connect(spec) as transport:
        facts = probe_device(transport)
    add_entry(path, spec)
    _print_facts(facts, json)
    if not json:
        print(f"added to {path}; measure with: bnnbench run --device {name}")


@app.command
def calibrate(
    device: Annotated[str, Parameter(help="A name of the inventory, ssh://[user@]host[:port], or local.")] = "local",
    /,
    *,
    suite: Annotated[Path | None, Parameter(help="What to calibrate with; default: the quickstart suite.")] = None,
    comparisons: Annotated[int, Parameter(help="How often the engine is compared with itself.")] = 40,
    slow_downs: Annotated[
        str, Parameter(help="Known slow-downs, like 1%,2%,5%, or 0.5x,1.5x as multiples of what can be seen.")
    ] = "1%,2%,5%",
    each: Annotated[int, Parameter(help="Comparisons with each slow-down.")] = 12,
    layouts: Annotated[int, Parameter(help="Other link orders to try; 0 for none.")] = 3,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure how often verdicts on a device are wrong, and which effects they see."""
    import sys

    from msgspec.json import encode

    from bnnbench.harness.cli.terminal import Console
    from bnnbench.results.store.calibration import save
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from ..plan.config import RunConfig, inventory_path
    from ..suite.load import load_suites
    from ..tasks.calibrate import calibrate as measure
    from .calibration import print_calibration, slow_down_sizes
    from .progress import Display

    if comparisons < 1 or each < 0 or layouts < 0:
        raise CallError("--comparisons is at least 1, --each and --layouts are not negative.")
    config = RunConfig(
        suite=load_suites([suite] if suite else []),
        devices=[device],
        inventory=inventory_path(inventory),
        inventory_given=inventory is not None,
    )
    where = Store(store)
    with Display(Console(stderr=True)) as display:
        done = measure(
            config, comparisons, slow_down_sizes(slow_downs, each), layouts, where, display, ["bnnbench", *sys.argv[1:]]
        )
    path = save(where.path, done)
    if json:
        print(encode(done).decode())
    else:
        print_calibration(done, Console())
        print(f"kept in {path}")


@app.command
def probe(
    device: Annotated[str, Parameter(help="A name of the inventory, ssh://[user@]host[:port], or local.")] = "local",
    /,
    *,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what is known of a device, and from where."""
    from bnnbench.devices.inventory import open_inventory, resolve
    from bnnbench.devices.probe import probe as probe_device
    from bnnbench.devices.transport import connect

    with connect(resolve(device, open_inventory(inventory))) as transport:
        facts = probe_device(transport)
    _print_facts(facts, json)


@app.command
def doctor(
    device: Annotated[str, Parameter(help="A name of the inventory, an address, or local.")] = "local",
    /,
    *,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what would make numbers on a device unreliable, and what mends it."""
    from dataclasses import asdict
    from json import dumps

    from rich.text import Text

    from bnnbench.devices.doctor import diagnose
    from bnnbench.devices.inventory import open_inventory, resolve
    from bnnbench.devices.probe import probe as probe_device
    from bnnbench.devices.transport import connect
    from bnnbench.harness.cli.terminal import Console, line

    spec = resolve(device, open_inventory(inventory))
    with connect(spec) as transport:
        facts = probe_device(transport)
    findings = diagnose(spec, facts)
    if json:
        print(dumps([asdict(one) for one in findings], indent=1))
        return
    console = Console()
    console.print(line(f"{spec.name}: {facts.model or 'unknown model'}", "bold"))
    styles = {"low": ("serious", "bold red"), "grade": ("doubt", "yellow"), "none": ("note", "dim")}
    for one in findings:
        word, style = styles[one.weight]
        console.print(Text.assemble((f"{word:>8}  ", style), line(one.what)), soft_wrap=True)
        console.print(Text.assemble("          ", line(one.mend, "cyan")), soft_wrap=True)
    if not any(one.weight != "none" for one in findings):
        console.print("nothing here makes its numbers unreliable", style="green")


@app.command
def restore(
    device: Annotated[str, Parameter(help="A name of the inventory, an address, or local.")] = "local",
    /,
    *,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Put back what a run changed on a device: governor, turbo, Android's power modes."""
    from dataclasses import asdict
    from json import dumps

    from bnnbench.devices.inventory import open_inventory, resolve
    from bnnbench.results.printable import printable

    from ..errors import CannotMeasure
    from ..tasks.restore import restore_device

    spec = resolve(device, open_inventory(inventory))
    changes = restore_device(spec)
    if json:
        print(dumps([asdict(one) for one in changes], indent=1))
    else:
        for one in changes:
            print(printable(one.sentence))
        if not changes:
            print(f"nothing is left changed on {spec.name}")
    stuck = [one.what for one in changes if one.outcome == "stuck"]
    if stuck:
        raise CannotMeasure(f"device '{spec.name}': {', '.join(stuck)} could not be put back; it needs sudo -n there.")


def _print_facts(facts: DeviceFacts, as_json: bool) -> None:
    from json import dumps

    from rich.table import Table
    from rich.text import Text

    from bnnbench.harness.cli.terminal import Console, line

    if as_json:
        print(dumps(facts.to_dict(), indent=1))
        return
    table = Table("fact", "value", "from", box=None, pad_edge=False)
    for name in facts:
        fact = facts[name]
        value = Text("absent", style="dim") if fact.value is None else line(_shown(fact.value))
        table.add_row(name, value, line(fact.source, "dim"))
    Console().print(table)


def _shown(value: object) -> str:
    match value:
        case str():
            return value
        case dict():
            return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
        case list() | tuple():
            return " ".join(map(_shown, value))
        case _:
            return str(value)
