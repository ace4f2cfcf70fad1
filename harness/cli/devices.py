"""`bnnbench devices`: list, add, probe, doctor, restore, calibrate, check, quarantine, release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bnnbench.devices.kinds import addresses

from .device_health import check
from .examples import give_own_examples
from .options import DebugOption, DeviceArgument, InventoryOption, JsonOption, StoreOption, WaitOption
from .quarantine import quarantine, release

app = App(
    name="devices",
    help="Add, probe and prepare devices.",
    help_epilogue="""Examples:
  bnnbench devices add pi4 ssh://pi@pi4.lab
  bnnbench devices add pi5 ssh://pi@pi5.lab --identity-file ~/.ssh/boards
  bnnbench devices add pixel adb://0A1B2C3D     # as `adb devices` lists it
  bnnbench devices add a72 qemu://cortex-a72    # no board: counts instructions
  bnnbench devices probe pi4
  bnnbench devices doctor pi4                   # what makes it unreliable, and the fix
  bnnbench devices restore pi4                  # undo what a crashed run changed there
  bnnbench devices calibrate pi4                # how often verdicts are wrong there, and the MDE
  bnnbench devices check pi4                    # measure a small suite; is it in control?
  bnnbench devices check --due                  # all that were booted or not checked for a day
  bnnbench devices quarantine pi4 "its fan is broken"
  bnnbench devices release pi4                  # runs may use it again
  bnnbench devices list                         # and which are quarantined, and why""",
)


@app.command(name="list")
def list_(*, inventory: InventoryOption = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the devices of the inventory, without connecting to them."""
    from bnnbench.devices.inventory import open_inventory

    from .device_tables import print_inventory

    print_inventory(open_inventory(inventory), json)


@app.command
def add(
    name: Annotated[str, Parameter(help="Name of the device.")],
    address: Annotated[str, Parameter(help=f"{addresses()}. An SSH host may be an alias of ~/.ssh/config.")],
    /,
    *,
    identity_file: Annotated[Path | None, Parameter(help="Private key, for an SSH device.")] = None,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Probe a device and, when it answers, add it to the inventory."""
    from dataclasses import replace

    from bnnbench.devices.inventory import add as add_entry
    from bnnbench.devices.inventory import find_inventory
    from bnnbench.devices.known_facts import remember
    from bnnbench.devices.probe import probe as probe_device
    from bnnbench.devices.spec import parse_url
    from bnnbench.devices.transport import connect
    from bnnbench.results.store.place import project_folder

    from ..errors import CallError
    from .device_tables import print_facts

    if "://" not in address:
        raise CallError(f"{address!r} is not an address; write {addresses()}.")
    spec = replace(parse_url(address), name=name)
    if identity_file is not None:
        if "identity_file" not in spec.kind.keys:
            raise CallError(f"--identity-file is for SSH devices; {address} is reached without a key.")
        spec = replace(spec, identity_file=identity_file.expanduser().absolute())
    path = inventory or find_inventory() or (project_folder() or Path()) / "devices.toml"
    with connect(spec) as transport:
        facts = probe_device(transport)
    add_entry(path, spec)
    remember(spec, facts)
    print_facts(facts, json)
    if not json:
        print(f"added to {path}; measure with: bnnbench run --device {name}")


@app.command
def calibrate(
    device: DeviceArgument = "local",
    /,
    *,
    suite: Annotated[Path | None, Parameter(help="Suite to calibrate with; default: quickstart.")] = None,
    comparisons: Annotated[int, Parameter(help="Number of comparisons of the engine with itself.")] = 40,
    slow_downs: Annotated[
        str, Parameter(help="Known slow-downs, such as 1%,2%,5%, or 0.5x,1.5x as multiples of the MDE.")
    ] = "1%,2%,5%",
    each: Annotated[int, Parameter(help="Number of comparisons with each slow-down.")] = 12,
    layouts: Annotated[int, Parameter(help="Number of other link orders to try; more than 3 need zig.")] = 3,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure the rate of wrong verdicts and the minimum detectable effect on a device."""
    import sys

    from msgspec.json import encode

    from bnnbench.devices.inventory import open_inventory
    from bnnbench.results.store.calibration import save
    from bnnbench.results.store.runs import Store

    from ..bench.choosing import one_word
    from ..errors import CallError
    from ..plan.config import RunConfig, inventory_path
    from ..suite.load import load_suites
    from ..tasks.calibrate import calibrate as measure
    from .calibration import print_calibration, slow_down_sizes
    from .progress import Display
    from .terminal import Console

    if comparisons < 1 or each < 0 or layouts < 0:
        raise CallError("--comparisons is at least 1, --each and --layouts are not negative.")
    config = RunConfig(
        suite=load_suites([suite] if suite else []),
        devices=[one_word(device, open_inventory(inventory))],
        inventory=inventory_path(inventory),
        inventory_given=inventory is not None,
    )
    results = Store(store)
    with Display(Console(stderr=True)) as display:
        done = measure(
            config,
            comparisons=comparisons,
            slow_downs=slow_down_sizes(slow_downs, each),
            layouts=layouts,
            store=results,
            watcher=display,
            command=["bnnbench", *sys.argv[1:]],
        )
    path = save(results.path, done)
    results.upload()
    if json:
        print(encode(done).decode())
    else:
        print_calibration(done, Console())
        print(f"kept in {path}")


@app.command
def probe(
    device: DeviceArgument = "local",
    /,
    *,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the facts of a device, and the source of each."""
    from bnnbench.devices.inventory import open_inventory
    from bnnbench.devices.known_facts import remember
    from bnnbench.devices.probe import probe as probe_device
    from bnnbench.devices.selecting import resolve
    from bnnbench.devices.transport import connect

    from .device_tables import print_facts

    spec = resolve(device, open_inventory(inventory))
    with connect(spec) as transport:
        facts = probe_device(transport)
    remember(spec, facts)
    print_facts(facts, json)


@app.command
def doctor(
    device: DeviceArgument = "local",
    /,
    *,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Report what makes measurements on a device unreliable, and how to fix it."""
    from bnnbench.devices.doctor import diagnose
    from bnnbench.devices.inventory import open_inventory
    from bnnbench.devices.probe import probe as probe_device
    from bnnbench.devices.selecting import resolve
    from bnnbench.devices.transport import connect

    from .device_tables import print_findings

    spec = resolve(device, open_inventory(inventory))
    with connect(spec) as transport:
        facts = probe_device(transport)
    print_findings(spec, facts, diagnose(spec, facts), json)


@app.command
def restore(
    device: DeviceArgument = "local",
    /,
    *,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Undo what a run changed on a device: governor, turbo, Android's power modes."""
    from bnnbench.devices.inventory import open_inventory
    from bnnbench.devices.selecting import resolve

    from ..errors import CannotMeasure
    from ..tasks.restore import restore_device
    from .device_tables import print_changes

    spec = resolve(device, open_inventory(inventory))
    changes = restore_device(spec)
    print_changes(spec, changes, json)
    stuck = [change.what for change in changes if change.outcome == "stuck"]
    if stuck:
        raise CannotMeasure(f"device '{spec.name}': {', '.join(stuck)} could not be put back; it needs sudo -n there.")


app.command(check)
app.command(quarantine)
app.command(release)
give_own_examples(app)
