"""The exit status of a comparison, and of a check with several of them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from bnnbench.results.records import Strictness
from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.budget_rows import budget_rows
from bnnbench.results.verdict.rows import VerdictRow, verdict_rows

from ..run.execute import RunResult
from ..run.resume import run_result
from ..tasks.remarks import doubts
from .measuring import INTERRUPTED, NOT_MEASURED
from .terminal import Console

REGRESSION, UNCLEAR = 1, NOT_MEASURED


def exit_status(result: RunResult, rows: Sequence[VerdictRow]) -> int:
    """0 fine, 1 a regression, a broken head or a figure over its budget, 3 not measured, 130 interrupted; as strict as
    the call was."""
    if result.outcome == "interrupted":
        return INTERRUPTED
    if any(row.is_bad for row in rows) or any(row.is_bad for row in budget_rows(result.stored)):
        return REGRESSION
    return UNCLEAR if result.outcome != "complete" or result.failures or doubts(result, rows) else 0


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
