"""`bnnbench ab`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .options import (
    AllOption,
    AnyOption,
    DeadlineOption,
    DebugOption,
    DeviceOption,
    FilterOption,
    InventoryOption,
    LabOption,
    StartsOption,
    StoreOption,
    TailsOption,
    ThreadCountsOption,
    TrustOption,
    WaitOption,
)

EXAMPLES = """Examples:
  bnnbench ab suite.toml --base native@build/old --head native     # an older binary
  bnnbench ab suite.toml --base numba --head native -d pi4
  bnnbench ab --base small.tflite --head large.tflite              # two models
  bnnbench ab suite.toml --base native@v1.2 --head native          # against the baseline v1.2
  bnnbench ab suite.toml --base native@old --head native --budget 5min"""

app = App(name="ab", help_epilogue=EXAMPLES)


@app.default
def ab(
    files: Annotated[
        list[Path] | None, Parameter(help="Suites (.toml) and models (.tflite, .onnx); default: quickstart.")
    ] = None,
    /,
    *,
    base: Annotated[str, Parameter(help="Reference side: ENGINE, ENGINE@FILE, ENGINE@BASELINE, or a model.")],
    head: Annotated[str, Parameter(help="Candidate side, in the same forms.")],
    device: DeviceOption = [],  # noqa: B006 - the parser copies it
    any: AnyOption = None,
    all: AllOption = False,
    threads: ThreadCountsOption = None,
    filter: FilterOption = None,
    tails: TailsOption = False,
    deadline: DeadlineOption = None,
    starts: StartsOption = False,
    budget: Annotated[str | None, Parameter(help="Time limit, such as 90s, 5min or 1h.")] = None,
    trust: TrustOption = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    lab: LabOption = None,
    wait: WaitOption = None,
    json: Annotated[
        Path | None,
        Parameter(
            name="--json",
            allow_leading_hyphen=True,
            help="Also write the verdicts as JSON to this file; - prints only the JSON.",
        ),
    ] = None,
    debug: DebugOption = False,
) -> int:
    """Compare two engines, builds or models in interleaved pairs, with a verdict for each case."""
    from bnnbench.results.store.runs import Store
    from bnnbench.results.verdict.formats import json as as_json
    from bnnbench.results.verdict.rows import verdict_rows

    from ..plan.extras import Extras
    from ..tasks.measure import compare_sides
    from ..tasks.remarks import remarks_on
    from .exit_status import exit_status
    from .measuring import called
    from .outcome import print_outcome
    from .terminal import Console
    from .words import nanoseconds, pattern, seconds, thread_counts

    results = Store(store)
    with called(results, device, inventory, thread_counts(threads), pattern(filter), lab=lab, any=any, all=all) as call:
        extras = Extras(tails, nanoseconds(deadline), starts)
        result = compare_sides(call, files or [], base, head, budget_s=seconds(budget), trusts=trust, extras=extras)
    rows = verdict_rows(result.stored)
    remarks = remarks_on(result, rows, results)
    if json is not None:
        text = as_json.render(rows, result.stored.record.run_id, remarks)
        if str(json) == "-":
            print(text)
        else:
            json.write_text(text + "\n")
    if json is None or str(json) != "-":
        print_outcome(result, rows, remarks, Console(), store)
    return exit_status(result, rows)
