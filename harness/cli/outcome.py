"""What `bnnbench run` shows of a run that has ended, and with which exit status it ends."""

from __future__ import annotations

from pathlib import Path

from bnnbench.results import load
from bnnbench.results.store.runs import Store
from bnnbench.results.verdict.rows import verdict_rows

from ..run.execute import RunResult
from .comparing import print_outcome, resumed_status
from .measuring import INTERRUPTED, NOT_MEASURED
from .summary import print_json, print_summary
from .terminal import Console

_BAD = {"failed", "wrong_output", "unstable"}


def show_run(result: RunResult, where: Store, store: Path | None, json: bool) -> int:
    """Prints it, and returns the exit status; a resumed run may be a comparison. `store` is as the user named it."""
    if result.stored.record.comparisons:
        rows = verdict_rows(result.stored)
        print_outcome(result, rows, Console(), store)
        return resumed_status(result, rows, where, Console())
    if json:
        print_json(result)
    else:
        print_summary(result, Console(), store)
    if result.outcome == "interrupted":
        return INTERRUPTED
    is_whole = result.outcome == "complete" and not result.failures
    return 0 if is_whole and not _BAD & set(load(result.stored)["status"]) else NOT_MEASURED
