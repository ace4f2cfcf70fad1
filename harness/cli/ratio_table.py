"""Ratios of two runs as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnnbench.results.ratios import RunComparison

    from .terminal import Console


def print_ratios(found: RunComparison, console: Console) -> None:
    """A row per case, and what could not be compared."""
    from bnnbench.results.grouped import counted
    from bnnbench.results.sheet import Column, Sheet, say

    sheet = Sheet(
        Column("workload", folds=True),
        Column("engine", folds=True),
        Column("device", folds=True),
        Column("base", folds=True),
        Column("head", folds=True),
        Column("ratio", right=True),
        Column("trust", folds=True),
    )
    several = len({ratio.device for ratio in found.ratios}) > 1
    for item in found.ratios:
        threads = f" x{item.threads}" if item.threads > 1 else ""
        interval = "no interval" if item.low is None or item.high is None else f"{item.low:.2f}-{item.high:.2f}"
        ratio = f"{item.ratio:.3f} ({interval})"
        sheet.add(item.workload, item.engine + threads, item.device * several, item.base, item.head, ratio, item.trust)
    sheet.print(console)
    if found.unlike:
        say(console, counted(found.unlike, "not compared"), "yellow")
    say(
        console,
        "ratio: head over base; ratios of two runs are no verdicts: use bnnbench ab, or check --baseline",
        "dim",
    )
