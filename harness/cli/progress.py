"""The live display of a run. It draws only when told to, so that nothing moves while a block is timed."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from bnnbench.results.sheet import say

from .terminal import Console

_PLAIN_EVERY_S = 10.0


class Display:
    """A bar per device on a terminal; a line now and then where there is none."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._last_line = 0.0
        self._begun: tuple[str, int, int, float] = ("", 0, 0, 0.0)
        columns: list[ProgressColumn] = [
            TextColumn(
                "{task.fields[device]}",
                markup=False,
                table_column=Column(max_width=16, no_wrap=True, overflow="ellipsis"),
            ),
            BarColumn(bar_width=10, table_column=Column(width=10)),
            MofNCompleteColumn(table_column=Column(min_width=7, no_wrap=True)),
            TimeRemainingColumn(compact=True, table_column=Column(min_width=6, no_wrap=True)),
            TextColumn("left", table_column=Column(min_width=4, no_wrap=True)),
            TextColumn(
                "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
            ),
        ]
        self._progress = Progress(
            *columns, console=console, auto_refresh=False, speed_estimate_period=120, transient=True, expand=True
        )

    def phase(self, device: str, text: str, done: int, total: int) -> None:
        """See `context.Watcher`."""
        if not self._console.is_terminal:
            self._print_line(device, text, done, total)
            return
        if device not in self._tasks:
            self._tasks[device] = self._progress.add_task(text, total=total, device=device)
        self._progress.update(self._tasks[device], description=text, completed=done, total=total)
        self._progress.refresh()

    def note(self, text: str) -> None:
        """See `context.Watcher`."""
        say(self._console, text)

    def _print_line(self, device: str, text: str, done: int, total: int) -> None:
        moment = time.monotonic()
        if self._begun[:2] != (device, total) or done < self._begun[2]:
            self._begun = (device, total, done, moment)
        if moment - self._last_line >= _PLAIN_EVERY_S:
            self._last_line = moment
            self.note(f"{device}: {done}/{total} {text}{self._left(done, total, moment)}")

    def _left(self, done: int, total: int, moment: float) -> str:
        """By the pace since this began."""
        *_, first, since = self._begun
        if done <= first or moment <= since:
            return ""
        return f", about {(total - done) * (moment - since) / (done - first):.0f} s left"

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()
