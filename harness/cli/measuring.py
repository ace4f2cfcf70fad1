"""What every command that measures shares: the run's configuration from its options, and the run itself."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bnnbench.results.store.runs import Store

from ..plan.comparisons import Compare
from ..plan.config import RunConfig, inventory_path
from ..run.execute import RunResult
from ..run.resume import resume_run
from ..run.start import start_run
from ..suite.tables import Suite
from .progress import Display
from .terminal import Console

INTERRUPTED, NOT_MEASURED = 130, 3
"""Exit statuses."""


def run_config(
    suite: Suite,
    devices: Sequence[str],
    inventory: Path | None,
    *,
    engines: Sequence[str] | None = None,
    threads: list[int] | None = None,
    filter: str | None = None,
    compare: Compare | None = None,
    files: Sequence[Path] = (),
    layers: bool = False,
) -> RunConfig:
    """`engines` are names, or lists of names with commas; `files` and `layers` are what the suite was loaded from.
    Raises InventoryError."""
    return RunConfig(
        suite=suite,
        devices=[*devices] or ["local"],
        engines=[name for names in engines for name in names.split(",")] if engines else None,
        threads=threads,
        filter=filter,
        compare=compare,
        sources=[str(file.resolve() if file.is_file() else file) for file in files],
        layers=layers,
        inventory=inventory_path(inventory),
        inventory_given=inventory is not None,
    )


def measure(config: RunConfig, store: Store) -> RunResult:
    """A new run, shown while it goes on; SIGTERM ends it as an interrupt does. Raises as `start_run`."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Display(Console(stderr=True)) as display:
        return start_run(config, store, display, ["bnnbench", *sys.argv[1:]])


def finish(store: Store, run: str, inventory: Path | None, trusts: bool) -> RunResult:
    """The rest of a run that was cut off; as `measure`. Raises as `resume_run`."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Display(Console(stderr=True)) as display:
        return resume_run(store, run, display, inventory=inventory, trusts=trusts)
