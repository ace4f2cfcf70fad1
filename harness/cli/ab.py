"""`bnnbench ab`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .options import (
    DebugOption,
    DeviceOption,
    FilterOption,
    InventoryOption,
    StoreOption,
    ThreadCountsOption,
    TrustOption,
)

EXAMPLES = """Examples:
  bnnbench ab suite.toml --base native@build/old --head native     # an older binary against this checkout
  bnnbench ab suite.toml --base numba --head native -d pi4
  bnnbench ab --base small.tflite --head large.tflite              # two models
  bnnbench ab suite.toml --base native@v1.2 --head native          # against the baseline v1.2
  bnnbench ab suite.toml --base native@old --head native --budget 5min"""


def ab(
    files: Annotated[
        list[Path] | None, Parameter(help="Suites (.toml) and models (.tflite); default: quickstart.")
    ] = None,
    /,
    *,
    base: Annotated[str, Parameter(help="ENGINE, ENGINE@FILE, ENGINE@BASELINE, or a model: what it is held against.")],
    head: Annotated[str, Parameter(help="The same: what is judged.")],
    device: DeviceOption = [],  # noqa: B006 - the parser copies it
    threads: ThreadCountsOption = None,
    filter: FilterOption = None,
    budget: Annotated[str | None, Parameter(help="Stop after so long, like 90s, 5min or 1h.")] = None,
    trust: TrustOption = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    json: Annotated[
        Path | None,
        Parameter(
            name="--json", allow_leading_hyphen=True, help="Also write the verdicts to this file; - prints only them."
        ),
    ] = None,
    debug: DebugOption = False,
) -> int:
    """Compare two engines, builds or models in interleaved pairs, and say what is proven."""
    from bnnbench.devices.closest import closest
    from bnnbench.kernels.models.shipped import shipped_models
    from bnnbench.results.store.baselines import Capsules
    from bnnbench.results.store.runs import Store
    from bnnbench.results.verdict.formats import json as as_json
    from bnnbench.results.verdict.rows import verdict_rows

    from ..errors import CallError
    from ..plan.comparisons import Compare
    from ..plan.side import select
    from ..suite.load import load_suites
    from .exit_status import exit_status
    from .measuring import measure, run_config
    from .outcome import print_outcome, told_of
    from .terminal import Console
    from .words import pattern, seconds, thread_counts

    where = Store(store)
    capsules = Capsules(where.path)
    config = Compare(select(base, capsules, trust), select(head, capsules, trust), seconds(budget))
    if (config.base.model is None) != (config.head.model is None):
        other = config.base if config.base.model is None else config.head
        none = f"{other.text!r}{closest(other.text, shipped_models())}"
        raise CallError(f"one side is a model and the other is none, {none}; give two models, or two engines.")
    result = measure(
        run_config(
            load_suites(files or []),
            device,
            inventory,
            threads=thread_counts(threads),
            filter=pattern(filter),
            compare=config,
        ),
        where,
    )
    rows = verdict_rows(result.stored)
    told = told_of(result, rows, where)
    if json is not None:
        text = as_json.render(rows, result.stored.record.run_id, told)
        if str(json) == "-":
            print(text)
        else:
            json.write_text(text + "\n")
    if json is None or str(json) != "-":
        print_outcome(result, rows, told, Console(), store)
    return exit_status(result, rows)
