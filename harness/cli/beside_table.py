"""What `bnnbench profile --engine` prints: the same ops in several engines."""

from __future__ import annotations

from collections.abc import Mapping

from bnnbench.results.quantity import duration, percentage, significant
from bnnbench.results.sheet import Column, Sheet, is_plain, say

from ..tasks.profile import ModelProfile
from .terminal import Console

_METHODS: Mapping[str, str] = {
    "profiler": "by its own profiler, in whole microseconds",
    "repeats": "by what the model takes longer with an op repeated",
}
_LEAST, _MOST = 0.85, 1.15
"""Share of the whole that ops, timed one after the other, add up to on a quiet machine."""


def print_beside(done: ModelProfile, console: Console) -> None:
    """A row for each group of ops, with each engine's time and its ratio to native's, and where the times are from."""
    plain = is_plain(console)
    columns = [
        column
        for other in done.others
        for column in (Column(other.engine, right=True), Column("ratio", right=True, rank=1))
    ]
    sheet = Sheet(Column("op", folds=True), Column("native", right=True), *columns)
    for group in done.side_by_side:
        own, *times = group.times_ns
        cells = [group.name, "" if own is None else duration(own, plain)]
        for time in times:
            cells.append("" if time is None else duration(time, plain))
            cells.append(f"{significant(time / own)}x" if time and own else "")
        sheet.add(*cells)
    sheet.print(console)
    for other in done.others:
        whole, ops = duration(other.total_ns, plain), duration(other.sum_ns, plain)
        ratio, share = significant(other.total_ns / done.total_ns), percentage(other.sum_ns / other.total_ns)
        say(
            console,
            f"{other.engine} {other.version}: {whole} in all, {ratio}x native's; its ops add up to {ops} ({share}), "
            f"timed {_METHODS[other.method]}",
        )
        if other.method == "repeats" and not _LEAST < other.sum_ns / other.total_ns < _MOST:
            say(console, f"{other.engine}: other load has disturbed the times of its ops; measure again", "yellow")
    say(console, "engines were measured one after the other; ops that one of them fuses are one row", "dim")
