"""What is shown of a run that has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from bnnbench.results import load
from bnnbench.results.grouped import counted
from bnnbench.results.sheet import say
from bnnbench.results.spread import verdict_spreads
from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.budget_rows import budget_rows
from bnnbench.results.verdict.formats import table
from bnnbench.results.verdict.remarks import Remarks
from bnnbench.results.verdict.rows import VerdictRow, verdict_rows

from ..plan.cases import refused_models
from ..run.execute import RunResult
from ..tasks.remarks import remarks_on
from .exit_status import REGRESSION, resumed_status
from .measuring import INTERRUPTED, NOT_MEASURED
from .next_command import with_store
from .summary import again, print_json, print_summary
from .terminal import Console

_BAD = {"failed", "wrong_output", "unstable"}


def show_run(result: RunResult, where: Store, store: Path | None, json: bool) -> int:
    """Prints it, and returns the exit status; a resumed run may be a comparison. `store` is as the user named it."""
    if result.stored.record.comparisons:
        rows = verdict_rows(result.stored)
        print_outcome(result, rows, remarks_on(result, rows, where), Console(), store)
        return resumed_status(result, rows, where, Console())
    budgets = budget_rows(result.stored)
    if json:
        print_json(result)
    else:
        print_summary(result, Console(), store)
    if result.outcome == "interrupted":
        return INTERRUPTED
    if any(row.is_bad for row in budgets):
        return REGRESSION
    record = result.stored.record
    is_whole = result.outcome == "complete" and not result.failures and not refused_models(record.skips, record.cases)
    return 0 if is_whole and not _BAD & set(load(result.stored)["status"]) else NOT_MEASURED


def print_outcome(
    result: RunResult, rows: Sequence[VerdictRow], remarks: Remarks, console: Console, store: Path | None
) -> None:
    """The verdicts, what went wrong, and where all of it is; `store` as the user named it."""
    run = result.stored.record
    where = with_store("", store)
    table.show(rows, console, remarks, again(run.run_id, store))
    for spread in verdict_spreads(run, rows):
        say(console, spread.sentence, "dim")
    if run.skips:
        skips = ((skip.workload, f"{skip.reason} (on {skip.device})") for skip in run.skips)
        say(console, counted(skips, "skipped"), "dim")
    for text in remarks.environment_lines:
        say(console, text, "yellow")
    for text in remark_lines(remarks):
        say(console, text, "red")
    console.print(f"run {run.run_id} in {result.stored.path}", highlight=False, markup=False, soft_wrap=True)
    if result.outcome != "complete":
        hint = f"{result.outcome}: finish it with bnnbench run --resume {run.run_id}{where}"
        console.print(Text(hint, style="yellow"), soft_wrap=True)


def remark_lines(remarks: Remarks) -> list[str]:
    """What was not measured, and the notes, a line each."""
    return [f"not measured: {item.what}: {item.reason}" for item in remarks.unmeasured] + list(remarks.notes)
