"""`bnnbench run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .commands import RUN_EXAMPLES
from .options import (
    AllOption,
    AnyOption,
    DeadlineOption,
    DebugOption,
    DeviceOption,
    FilterOption,
    InventoryOption,
    JsonOption,
    LabOption,
    ShapeOption,
    StartsOption,
    StoreOption,
    TailsOption,
    ThreadCountsOption,
    TrustOption,
    WaitOption,
)

app = App(name="run", help_epilogue=RUN_EXAMPLES)


@app.default
def run(
    files: Annotated[
        list[Path] | None, Parameter(help="Suites (.toml) and models (.tflite, .onnx); default: quickstart.")
    ] = None,
    /,
    *,
    device: DeviceOption = [],  # noqa: B006 - the parser copies it
    any: AnyOption = None,
    all: AllOption = False,
    engine: Annotated[
        list[str] | None,
        Parameter(name=["--engine", "-e"], negative="", help="Engines to measure; default: the suite's."),
    ] = None,
    invocations: Annotated[int | None, Parameter(help="Fresh processes per case; default: the suite's (7).")] = None,
    threads: ThreadCountsOption = None,
    layers: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also measure each binary layer of the models.")
    ] = False,
    shape: ShapeOption = None,
    filter: FilterOption = None,
    tails: TailsOption = False,
    deadline: DeadlineOption = None,
    starts: StartsOption = False,
    resume: Annotated[str | None, Parameter(help="Finish an interrupted run: its id, or latest.")] = None,
    trust: TrustOption = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    lab: LabOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Measure a suite: verify every case against the reference, then time it."""
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from ..plan.extras import Extras
    from ..tasks.measure import run_files
    from .measuring import called, finish
    from .outcome import show_run
    from .words import nanoseconds, pattern, thread_counts

    results = Store(store)
    if resume is not None:
        asked = [files, device, all, engine, threads, filter, layers, shape, tails, deadline, starts]
        if [each for each in asked if each] or {any, invocations} != {None}:
            raise CallError(
                "--resume goes with --store, --inventory, --lab, --wait, --trust and --json only: a run knows its own "
                "suite, devices and engines."
            )
        return show_run(finish(results, resume, inventory, trust, lab), results, store, json)
    with called(results, device, inventory, thread_counts(threads), pattern(filter), lab=lab, any=any, all=all) as call:
        extras = Extras(tails, nanoseconds(deadline), starts)
        result = run_files(
            *(call, files or []),
            engines=engine,
            invocations=invocations,
            layers=layers,
            shapes=shape or (),
            extras=extras,
        )
    return show_run(result, results, store, json)
