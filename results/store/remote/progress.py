"""A bar on a terminal while objects are exchanged, if that takes long."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AFTER_S = 1.0


@contextmanager
def shown(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Gives a function to call after each of `total` steps; draws nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    begun = time.monotonic()
    console = Console(stderr=True)
    with Progress(console=console, transient=True, auto_refresh=False, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=total, visible=False)

        def step() -> None:
            late = time.monotonic() - begun > _AFTER_S
            progress.update(task, advance=1, visible=late, refresh=late)

        yield step
