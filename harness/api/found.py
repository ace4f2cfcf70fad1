"""A stored run as Python's callers see it: with its outcome, and why devices failed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bnnbench.results.store.stored_run import StoredRun


class Found(NamedTuple):
    """`outcome` is `complete`, `incomplete` or `interrupted`; `failures` are by the name of a device."""

    stored: StoredRun
    outcome: str
    failures: dict[str, str]


def found(stored: StoredRun) -> Found:
    """A run as it was read."""
    from ..errors import HarnessError
    from ..run.resume import run_result

    failures: dict[str, str] = {}
    with suppress(HarnessError):  # a run of another version, or from elsewhere
        failures = run_result(stored).failures
    return Found(stored, stored.end.outcome if stored.end else "incomplete", failures)


def readable(read: Callable[[], Found]) -> list[StoredRun]:
    """The run; none, and a warning (StoreWarning), where it cannot be read."""
    from bnnbench.results.errors import StoreWarning

    from .error import CallError

    try:
        return [read().stored]
    except CallError as error:
        warnings.warn(StoreWarning(f"a run is left out: {error}"), stacklevel=3)
        return []
