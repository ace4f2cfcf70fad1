"""`bnnbench run`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .options import (
    DebugOption,
    DeviceOption,
    FilterOption,
    InventoryOption,
    JsonOption,
    StoreOption,
    ThreadCountsOption,
    TrustOption,
)

EXAMPLES = """Examples:
  bnnbench run                                  # the quickstart suite, here
  bnnbench run model.tflite -d ssh://pi@pi4.lab # a whole model, on a Pi
  bnnbench run model.tflite --layers            # and each of its binary layers
  bnnbench run suite.toml -d pi4 -d local --engine native --filter 3x3
  bnnbench run --resume latest                  # finish what was cut off"""


def run(
    files: Annotated[
        list[Path] | None, Parameter(help="Suites (.toml) and models (.tflite); default: quickstart.")
    ] = None,
    /,
    *,
    device: DeviceOption = [],  # noqa: B006 - the parser copies it
    engine: Annotated[
        list[str] | None, Parameter(name=["--engine", "-e"], negative="", help="Only these engines.")
    ] = None,
    invocations: Annotated[
        int | None, Parameter(help="Fresh processes per case, for a quick look; default as the suite says (7).")
    ] = None,
    threads: ThreadCountsOption = None,
    layers: Annotated[
        bool, Parameter(negative="", show_default=False, help="Of models also every binary layer by itself.")
    ] = False,
    filter: FilterOption = None,
    resume: Annotated[str | None, Parameter(help="Finish a run that was cut off: its id, or latest.")] = None,
    trust: TrustOption = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Measure a suite: verify every case against the reference, then time it."""
    from msgspec import structs

    from bnnbench.harness.cli.terminal import Console
    from bnnbench.results.store.runs import Store
    from bnnbench.results.verdict.rows import verdict_rows

    from ..errors import CallError
    from ..plan.config import RunConfig, inventory_path
    from ..run.run import resume_run, start_run
    from ..suite.load import load_suites
    from ..suite.tables import MOST_INVOCATIONS
    from .comparing import print_outcome, resumed_status
    from .progress import Display
    from .summary import print_json, print_summary
    from .words import pattern, thread_counts

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True)
    where = Store(store)
    if resume is not None:
        if files or device or engine or threads or filter or invocations or layers:
            raise CallError(
                "--resume goes with --store and --trust only: a run knows its own suite, devices and engines."
            )
        with Display(console) as display:
            result = resume_run(where, resume, display, inventory=inventory, trusts=trust)
    else:
        suite = load_suites(files or [], layers)
        if invocations is not None:
            if invocations < 1:
                raise CallError(f"--invocations {invocations} is less than 1.")
            if invocations > MOST_INVOCATIONS:
                raise CallError(f"--invocations {invocations} is more than {MOST_INVOCATIONS:,}.")
            suite = structs.replace(suite, invocations=invocations)
        config = RunConfig(
            suite=suite,
            devices=[*device] or ["local"],
            engines=[name for names in engine for name in names.split(",")] if engine else None,
            threads=thread_counts(threads),
            filter=pattern(filter),
            inventory=inventory_path(inventory),
            inventory_given=inventory is not None,
        )
        with Display(console) as display:
            result = start_run(config, where, display, ["bnnbench", *sys.argv[1:]])
    if result.stored.record.comparisons:  # a comparison was resumed
        rows = verdict_rows(result.stored)
        print_outcome(result, rows, Console(), store)
        return resumed_status(result, rows, where, Console())
    if json:
        print_json(result)
    else:
        print_summary(result, Console(), store)
    if result.outcome == "interrupted":
        return 130
    bad = {"failed", "wrong_output", "unstable"}
    return 3 if result.outcome != "complete" or result.failures or bad & set(_statuses(result)) else 0


def _statuses(result: object) -> list[str]:
    from bnnbench.results import load

    return list(load(result.stored)["status"])  # type: ignore[attr-defined]
