"""Verdicts as a pandas frame, a row for each comparison and metric."""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from bnnbench.results.columns import build
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.formats.json import entry
from bnnbench.results.verdict.rows import verdict_rows

VERDICT_COLUMNS = {
    **dict.fromkeys(("run_id", "workload", "device"), "string"),
    "threads": "Int64",
    **dict.fromkeys(("metric", "unit", "base", "head", "status", "verdict", "effect_unit"), "string"),
    **dict.fromkeys(("effect", "low", "high", "level", "mde", "sigma", "base_value", "head_value"), "Float64"),
    **dict.fromkeys(("pairs", "dropped_base", "dropped_head"), "Int64"),
    "confirmed": "boolean",
    "reason": "string",
    "why": "string",
    "extra_ppm": "Int64",
    **dict.fromkeys(("gated", "allowed", "fails"), "boolean"),
}


def verdict_frame(runs: Iterable[StoredRun]) -> pd.DataFrame:
    """The verdicts of runs in `VERDICT_COLUMNS`; effects are ratios minus 1, of accuracies differences of shares."""
    return build((row for run in runs for row in verdict_row_values(run)), VERDICT_COLUMNS)


def verdict_row_values(run: StoredRun) -> Iterator[dict[str, Any]]:
    """The rows of a run, with more than `VERDICT_COLUMNS`."""
    return ({"run_id": run.record.run_id, **entry(row)} for row in verdict_rows(run))
