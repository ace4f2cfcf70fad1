"""What every command that measures shares: a display while the run goes on, and SIGTERM ending it as an interrupt."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bnnbench.results.store.runs import Store

from ..lab.choose import hosts_at
from ..run.execute import RunResult
from ..run.resume import resume_run
from ..tasks.measure import Call
from .progress import Display
from .terminal import Console

INTERRUPTED, NOT_MEASURED = 130, 3
"""Exit statuses."""


@contextmanager
def displayed() -> Iterator[Display]:
    """A display on stderr; within it SIGTERM ends a run as an interrupt does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Display(Console(stderr=True)) as display:
        yield display


@contextmanager
def called(
    store: Store,
    devices: list[str],
    inventory: Path | None,
    threads: list[int] | None = None,
    filter: str | None = None,
    *,
    lab: str | None = None,
    any: int | None = None,
    all: bool = False,
) -> Iterator[Call]:
    """The call that this command line is, displayed."""
    with displayed() as display:
        yield Call(store, display, ["bnnbench", *sys.argv[1:]], devices, inventory, threads, filter, lab, any, all)


def finish(store: Store, run: str, inventory: Path | None, trusts: bool, lab: str | None) -> RunResult:
    """The rest of a run that was cut off; `lab` goes before the address of before. Raises as `resume_run`."""
    with displayed() as display:
        return resume_run(store, run, display, inventory=inventory, trusts=trusts, hosts_of=hosts_at(lab))
