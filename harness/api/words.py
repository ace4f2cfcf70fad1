"""What callers may write, as the harness takes it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from bnnbench.results.store.runs import Store

    from ..bench.context import Watcher
    from ..bench.reach import Tell

P = ParamSpec("P")
R = TypeVar("R")
Names: TypeAlias = str | Sequence[str]
"""One name, or several."""
File: TypeAlias = str | PathLike[str]
Files: TypeAlias = File | Sequence[File]
"""One file, or several."""
Threads: TypeAlias = int | str | Sequence[int]
"""A count, several, or `"1,4"`."""


def names(given: Names | None) -> list[str]:
    """A list of what may be one name."""
    return [given] if isinstance(given, str) else list(given or ())


def paths(given: Files | None) -> list[Path]:
    """A list of what may be one file."""
    return [Path(given)] if isinstance(given, str | PathLike) else [Path(item) for item in given or ()]


def path_of(given: File | None) -> Path | None:
    """A path, or None."""
    return None if given is None else Path(given)


def counts(given: Threads | None) -> list[int] | None:
    """Thread counts. Raises harness.errors.CallError."""
    from ..cli.words import thread_counts

    if given is None:
        return None
    several = [given] if isinstance(given, int | str) else given
    return thread_counts(",".join(map(str, several)))


def duration(given: str | float | None) -> float | None:
    """Seconds, of a number of them or `"5min"`. Raises harness.errors.CallError."""
    from ..cli.words import seconds

    return seconds(given if given is None or isinstance(given, str) else f"{given} s")


def opened(store: File | None) -> Store:
    """The store, of which nothing is said: whoever wants to know looks at a run's `path`."""
    from bnnbench.results.errors import StoreNotice
    from bnnbench.results.store.runs import Store

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreNotice)
        return Store(path_of(store))


@contextmanager
def watched(progress: bool) -> Iterator[Watcher]:
    """A display on stderr where it is asked for: bars in a terminal, lines in a notebook."""
    from ..bench.context import Silent

    if not progress:
        yield Silent()
        return
    from ..cli.progress import Display
    from ..cli.terminal import Console

    with Display(Console(stderr=True, force_jupyter=False)) as display:
        yield display


def teller(progress: bool) -> Tell:
    """Takes what a command tells while it gets ready, a line each."""
    return lambda line: print(line, file=sys.stderr) if progress else None


def waits(function: Callable[P, R]) -> Callable[P, R]:
    """Within a call of the function, a busy device is waited for as its argument `wait` says."""

    @wraps(function)
    def patient(*arguments: P.args, **options: P.kwargs) -> R:
        from ..bench.waiting import waiting

        limit_s = duration(cast("str | float | None", options.get("wait"))) or 0.0
        with waiting(limit_s, teller(bool(options.get("progress")))):
            return function(*arguments, **options)

    return patient


def command(function: str, files: Files | None, options: Mapping[str, object]) -> list[str]:
    """What runs keep as the command that repeats them; options that were not given are left out."""
    named = [str(path) for path in paths(files)]
    words = [repr(named[0] if len(named) == 1 else named)] if named else []
    given = {key: option for key, option in options.items() if option is not None and option is not False}
    words += [f"{key}={_plain(value)!r}" for key, value in given.items() if not _is_default(function, value)]
    return ["python", "-c", f"import bnnbench; bnnbench.{function}({', '.join(words)})"]


def _is_default(function: str, value: object) -> bool:
    """`check` is made on the baseline's devices, the others here."""
    return value in ((), []) or (value == "local" and function != "check")


def _plain(value: object) -> object:
    """Paths as text: a command that is repeated has no Path."""
    return str(value) if isinstance(value, PathLike) else value
