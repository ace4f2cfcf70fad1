"""The exit status of a comparison, and of a check with several of them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from bnnbench.results.grouped import some
from bnnbench.results.quantity import percentage
from bnnbench.results.records import ComparisonRecord, Strictness
from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.rows import VerdictRow, is_judged, verdict_rows

from ..run.execute import RunResult
from ..run.resume import run_result
from .measuring import INTERRUPTED, NOT_MEASURED
from .terminal import Console

REGRESSION, UNCLEAR = 1, NOT_MEASURED


def exit_status(result: RunResult, rows: Sequence[VerdictRow]) -> int:
    """0 fine, 1 a regression or a broken head, 3 not measured, 130 interrupted; as strict as the call was."""
    if result.outcome == "interrupted":
        return INTERRUPTED
    if any(row.is_bad for row in rows):
        return REGRESSION
    return UNCLEAR if result.outcome != "complete" or result.failures or doubts(result, rows) else 0


def doubts(result: RunResult, rows: Sequence[VerdictRow]) -> list[str]:
    """Why the verdicts of a comparison do not suffice, a phrase each."""
    asked = result.stored.record.asked.compare or Strictness()
    main, unclear = [row for row in rows if row.is_main], [row for row in rows if row.is_unclear]
    found = []
    if left := unfinished(result, rows):
        found.append(f"{_count(len(left), 'case')} not finished: {some([one.workload for one in left])}")
    if not rows or not is_judged(rows):
        found.append("nothing was judged")
    if wrong := [row for row in unclear if row.verdict.status in ("failed", "wrong_output", "unstable")]:
        found.append(f"not measured: {some([f'{row.record.workload} ({row.word})' for row in wrong])}")
    if asked.strict and unclear:
        words = [row.record.workload + ("" if row.is_main else f", {row.metric.label}") for row in unclear]
        found.append(f"{len(unclear)} without a verdict, and --strict allows none: {some(words)}")
    without = sum(row.is_main for row in unclear)
    if without > asked.most_unclear * len(main):
        allowed = percentage(asked.most_unclear)
        found.append(f"{without} of {_count(len(main), 'case')} without a verdict, {allowed} allowed")
    return found


def unfinished(result: RunResult, rows: Sequence[VerdictRow]) -> list[ComparisonRecord]:
    """The comparisons that have no verdicts."""
    judged = {row.record.id for row in rows}
    return [one for one in result.stored.record.comparisons if one.id not in judged]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def resumed_status(result: RunResult, rows: Sequence[VerdictRow], store: Store, console: Console) -> int:
    """The exit status of the whole call that the resumed run was a part of: a check may have several baselines."""
    asked = result.stored.record.asked.compare or Strictness()
    statuses = [exit_status(result, rows)]
    for run_id in asked.earlier:
        statuses.append(exit_status(run_result(store.run(run_id)), verdict_rows(store.run(run_id))))
        console.print(Text(f"the same check's run {run_id} ended with status {statuses[-1]}"), soft_wrap=True)
    for name in asked.later:
        statuses.append(UNCLEAR)
        console.print(Text(f"not measured: baseline {name}; check it with bnnbench check --baseline {name}"))
    return worst(statuses)


def worst(statuses: Sequence[int]) -> int:
    """Of several comparisons: interrupted, then a regression, then what was not measured."""
    return next((status for status in (INTERRUPTED, REGRESSION, UNCLEAR) if status in statuses), 0)
