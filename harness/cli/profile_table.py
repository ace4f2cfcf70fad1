"""What `bnnbench profile` prints."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from bnnbench.results.quantity import duration, percentage, rate

from ..tasks.profile import ModelProfile
from .terminal import Console


def print_profile(name: str, device: str, done: ModelProfile) -> None:
    """A row for each step, and the sum; `name` is the model's."""

    table = Table(box=None, pad_edge=False)
    for title, justify in [
        ("#", "right"),
        ("step", "left"),
        ("kernel", "left"),
        ("time", "right"),
        ("share", "right"),
        ("speed", "right"),
        ("of roof", "right"),
        ("roof", "left"),
    ]:
        table.add_column(title, justify=justify, no_wrap=title != "step", overflow="fold")  # type: ignore[arg-type]
    for op in done.ops:
        table.add_row(
            str(op.index),
            Text(op.name),
            Text(op.kernel),
            duration(op.time_ns),
            percentage(op.share),
            "" if op.gops is None else rate(op.gops),
            "" if op.roof_share is None else percentage(op.roof_share),
            op.roof or "",
        )
    console = Console()
    console.print(table)
    counts = f"{done.runs} runs, {done.threads} thread{'s' if done.threads > 1 else ''}"
    console.print(
        f"{name} on {device}: {duration(done.total_ns)} in all, the steps add up to {duration(done.sum_ns)} "
        f"({percentage(done.sum_ns / done.total_ns)}); medians of {counts}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
