"""`bnnbench check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bnnbench.devices.closest import there_is_no

from .options import DebugOption, DeviceOption, FilterOption, InventoryOption, StoreOption, TrustOption

if TYPE_CHECKING:
    from bnnbench.results.store.runs import Store
    from bnnbench.results.verdict.rows import VerdictRow
    from bnnbench.results.verdict.told import Told

    from ..run.execute import RunResult

EXAMPLES = """Examples:
  bnnbench check --baseline main                                   # its suite, on the device it was saved on
  bnnbench check suite.toml --baseline main --baseline v1.2 -d pi4 # last merge and last release
  bnnbench check --baseline main --format markdown -o comment.md
  bnnbench check --baseline main --format junit -o bnnbench.xml --max-inconclusive 20%
Exit status: 0 fine, 1 a regression or a broken head, 2 a wrong call, 3 not measured or too much inconclusive."""


def check(
    files: Annotated[
        list[Path] | None, Parameter(help="Suites (.toml) and models (.tflite); default: the baseline's suite.")
    ] = None,
    /,
    *,
    baseline: Annotated[list[str], Parameter(negative="", help="A baseline; may be given several times.")],
    head: Annotated[
        str | None,
        Parameter(help="What is judged: ENGINE or ENGINE@FILE; default what the baseline was measured with."),
    ] = None,
    device: DeviceOption = [],  # noqa: B006 - the parser copies it
    filter: FilterOption = None,
    budget: Annotated[str | None, Parameter(help="Stop each comparison after so long, like 90s, 5min or 1h.")] = None,
    format: Annotated[str, Parameter(help="table, markdown, json, junit or github (annotations).")] = "table",
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write the format here, and the table to the terminal.")
    ] = None,
    strict: Annotated[bool, Parameter(negative="", show_default=False, help="Fail without a verdict on all.")] = False,
    max_inconclusive: Annotated[str, Parameter(help="The share of cases that may lack a verdict.")] = "100%",
    trust: TrustOption = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    debug: DebugOption = False,
) -> int:
    """Run the old version beside the new one, side by side, and fail on what got worse."""
    from dataclasses import replace

    from msgspec import structs

    from bnnbench.results.store.runs import Store
    from bnnbench.results.verdict.formats import FORMATS
    from bnnbench.results.verdict.rows import verdict_rows
    from bnnbench.results.verdict.told import Told, Unmeasured, together

    from ..errors import CallError
    from ..tasks.check import planned, with_machines
    from .exit_status import exit_status, worst
    from .failure import explain
    from .measuring import NOT_MEASURED, measure, run_config
    from .outcome import print_outcome, told_lines, told_of
    from .terminal import Console
    from .words import pattern, seconds, share

    if format not in ("table", *FORMATS):
        raise CallError(f"{there_is_no('format', format, ['table', *FORMATS])}.")
    most_unclear, budget_s = share(max_inconclusive, "--max-inconclusive"), seconds(budget)
    where = Store(store)
    rows: list[VerdictRow] = []
    statuses: list[int] = []
    run_ids: list[str] = []
    all_told: list[Told] = []
    trouble: list[Exception] = []
    checks = planned(
        where,
        baseline,
        head,
        files=files,
        devices=device,
        inventory=inventory,
        budget_s=budget_s,
        trusts=trust,
    )
    for number, one in enumerate(checks):
        # What decides the exit status goes into the run, for when it is resumed.
        compare = structs.replace(
            one.config,
            strict=strict,
            most_unclear=most_unclear,
            earlier=tuple(run_ids),
            later=tuple(dict.fromkeys(other.baseline for other in checks[number + 1 :])),
        )
        for note in one.notes:
            print(note, file=sys.stderr)
        config = run_config(
            one.suite, one.devices, inventory, threads=one.threads, filter=pattern(filter), compare=compare
        )
        try:
            result = measure(config, where)
        except Exception as error:  # what the others show stands
            reason, _ = explain(error)
            trouble.append(error)
            all_told.append(Told([Unmeasured(f"baseline '{one.baseline}'", reason)], one.notes))
            statuses.append(NOT_MEASURED)
            if len(checks) > 1:
                print(f"not measured: baseline '{one.baseline}': {reason}", file=sys.stderr)
            continue
        mine = with_machines(verdict_rows(result.stored), one, result.stored.record)
        told = told_of(result, mine, where)
        rows += mine
        run_ids.append(result.stored.record.run_id)
        statuses.append(exit_status(result, mine))
        all_told.append(replace(told, notes=[*one.notes, *told.notes, *without_capsule(result, where)]))
        if format == "table" or output is not None:
            print_outcome(result, mine, told, Console(), store)
        else:
            print(*told_lines(told), sep="\n", end="\n" * bool(told_lines(told)), file=sys.stderr)
        for line in without_capsule(result, where):
            print(line, file=sys.stderr)
        if result.outcome == "interrupted":
            later = dict.fromkeys(other.baseline for other in checks[number + 1 :])
            all_told.append(Told([Unmeasured(f"baseline '{name}'", "the check was interrupted") for name in later]))
            break
    if format != "table":
        text = FORMATS[format](rows, ", ".join(run_ids), together(all_told))
        if output is not None:
            output.write_text(text, "utf-8")
        else:
            print(text, end="" if text.endswith("\n") else "\n")
    if not run_ids:
        raise trouble[0]
    return worst(statuses)


def without_capsule(result: RunResult, store: Store) -> list[str]:
    """What the history of the store says of cases that the baseline holds no binary for: less than a comparison
    would."""
    from bnnbench.results import load
    from bnnbench.results.history import histories, history_alone
    from bnnbench.results.metrics import METRICS

    skips = [skip for skip in result.stored.record.skips if skip.code == "no_binary"]
    if not skips:
        return []
    lines = [f"{skips[0].device}: {skips[0].reason}; only the history of the store is left, which sees less:"]
    wanted = {(skip.workload, skip.device) for skip in skips}
    margin = result.stored.record.asked.suite.verdict.margin or METRICS["latency"].margin
    found = [one for one in histories(load(store)) if (one.workload, one.device) in wanted]
    return lines + ([history_alone(one, margin) for one in found] or ["there are not three runs of any of these cases"])
