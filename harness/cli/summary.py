"""What `bnnbench run` prints when it is done."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from .accuracy import print_table
from .terminal import Console, line

if TYPE_CHECKING:
    from ..run.execute import RunResult


def print_summary(result: RunResult, console: Console, store: Path | None) -> None:
    """The table, what went wrong, what it cost, and where it is; `store` as the user named it."""
    from bnnbench.results import load
    from bnnbench.results.quantity import duration, percentage
    from bnnbench.results.table import is_plain, show

    run_id = result.stored.record.run_id
    where = f" --store {shlex.quote(str(store))}" if store else ""
    frame = load(result.stored)
    show(frame, console)
    if result.stored.accuracies:
        print_table(result, frame, console)
    for warning in result.stored.warnings:
        console.print(line(warning, "yellow"), soft_wrap=True)
    told = " ".join(frame["reason"].dropna())
    for reason in result.failures.values():
        if reason in told:
            continue
        console.print(line(reason, "red"), soft_wrap=True)
    end, plain = result.stored.end, is_plain(console)
    for device, figures in (end.overhead if end else {}).items():
        each, share = figures.get("per_invocation_ns_median"), figures.get("run_share")
        if each is not None and share is not None:
            console.print(
                f"{device}: {duration(each, plain)} per invocation outside timed runs; "
                f"{percentage(share)} of the time inside them",
                style="dim",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    path = result.stored.path
    console.print(f"run {run_id} in {path}", highlight=False, markup=False, soft_wrap=True)
    if result.outcome == "complete" and "failed" in set(frame["status"]):
        console.print(
            f"what failed is tried again by: bnnbench run --resume {run_id}{where}", markup=False, soft_wrap=True
        )
    if result.outcome == "complete":
        console.print(f"next: bnnbench report {run_id}{where}", highlight=False, markup=False, soft_wrap=True)
    else:
        hint = f"{result.outcome}: finish it with bnnbench run --resume {run_id}{where}"
        console.print(Text(hint, style="yellow"), soft_wrap=True)


def print_json(result: RunResult) -> None:
    """The run's id, outcome and rows; missing figures are null."""
    from bnnbench.results import load

    rows = json.loads(load(result.stored).to_json(orient="records", date_format="iso"))
    json.dump(
        {
            "schema": 1,
            "run_id": result.stored.record.run_id,
            "outcome": result.outcome,
            "failures": result.failures,
            "overhead": result.stored.end.overhead if result.stored.end else {},
            "cases": rows,
        },
        sys.stdout,
        indent=1,
    )
    sys.stdout.write("\n")
