"""What `bnnbench run` prints when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from .accuracy import print_table
from .next_command import with_store
from .terminal import Console

if TYPE_CHECKING:
    from ..run.execute import RunResult


def print_summary(result: RunResult, console: Console, store: Path | None) -> None:
    """The table, what went wrong, what it cost, and where it is; `store` as the user named it."""
    from bnnbench.results import load
    from bnnbench.results.certainty import level_text
    from bnnbench.results.quantity import percentage
    from bnnbench.results.sheet import is_plain, say
    from bnnbench.results.spread import spreads
    from bnnbench.results.statistics.level import level
    from bnnbench.results.table import show

    from ..run.overhead import outside_timed_runs

    run_id = result.stored.record.run_id
    store_option = with_store("", store)
    frame = load(result.stored)
    show(frame, console, again=again(run_id, store))
    if result.stored.accuracies:
        print_table(result, frame, console, again(run_id, store))
    _print_budgets(result, console)
    for warning in result.stored.warnings:
        say(console, warning, "yellow")
    reasons = " ".join(frame["reason"].dropna())
    for reason in result.failures.values():
        if reason in reasons:
            continue
        say(console, reason, "red")
    end, outside = result.stored.end, outside_timed_runs(result.stored.entries, result.stored.record.cases)
    for device, figures in (end.overhead if end else {}).items():
        share = figures.get("run_share")
        if device in outside and share is not None:
            each = level_text(level(outside[device]), is_plain(console))
            inside = f"{percentage(share)} of the time inside them"
            say(console, f"{device}: {each} per invocation outside timed runs; {inside}", "dim")
    for spread in spreads(result.stored.record, frame):
        say(console, spread.sentence, "dim")
    path = result.stored.path
    for name in missing(result):
        console.print(f"not measured: device '{name}'", style="red", highlight=False, markup=False, soft_wrap=True)
    console.print(f"run {run_id} in {path}", highlight=False, markup=False, soft_wrap=True)
    if result.outcome == "complete" and "failed" in set(frame["status"]):
        console.print(f"retry failed cases: bnnbench run --resume {run_id}{store_option}", markup=False, soft_wrap=True)
    if result.outcome == "complete":
        console.print(f"next: bnnbench report {run_id}{store_option}", highlight=False, markup=False, soft_wrap=True)
    else:
        hint = f"{result.outcome}: finish it with bnnbench run --resume {run_id}{store_option}"
        console.print(Text(hint, style="yellow"), soft_wrap=True)


def _print_budgets(result: RunResult, console: Console) -> None:
    """What became of the budgets of the suite."""
    from bnnbench.results.sheet import say
    from bnnbench.results.verdict.budget_rows import budget_headline, budget_rows
    from bnnbench.results.verdict.formats.table import show_budgets

    from ..tasks.remarks import unmeasured_gates

    budgets = budget_rows(result.stored)
    if budgets:
        say(console, budget_headline(budgets), "bold")
    show_budgets(budgets, console)
    for item in unmeasured_gates(result.stored, []):
        say(console, f"not measured: {item.what}: {item.reason}", "red")


def missing(result: RunResult) -> list[str]:
    """The devices that the run was for, and has nothing of."""
    return [name for name in result.failures if name not in result.stored.record.devices]


def again(run_id: str, store: Path | None) -> str:
    """The command that shows a stored run again, as wide as it is; it measures nothing that is measured."""
    return f"{with_store(f'bnnbench runs show {run_id}', store)} | cat"


def print_json(result: RunResult) -> None:
    """The run's id, outcome and rows; missing figures are null."""
    from bnnbench.results import load
    from bnnbench.results.verdict.budget_rows import budget_rows
    from bnnbench.results.verdict.formats.json import budget_entry

    from .documents.document import text_of
    from .documents.runs import RunDocument, rows_of

    document = RunDocument(
        run_id=result.stored.record.run_id,
        outcome=result.outcome,
        failures=result.failures,
        overhead=result.stored.end.overhead if result.stored.end else {},
        budgets=[budget_entry(row) for row in budget_rows(result.stored)],
        cases=rows_of(load(result.stored)),
    )
    print(text_of(document))
