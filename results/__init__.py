"""Records, store, statistics, frames, charts and reports.

`load` and `load_invocations` are imported on first use: pandas takes longer to import than `--help` may take.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnnbench.results.frames import load as load
    from bnnbench.results.frames import load_invocations as load_invocations
    from bnnbench.results.store.runs import Store, StoreError

_HOMES = {
    "Store": "bnnbench.results.store.runs",
    "StoreError": "bnnbench.results.store.runs",
    "load": "bnnbench.results.frames",
    "load_invocations": "bnnbench.results.frames",
}

__all__ = ["Store", "StoreError", "load", "load_invocations"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'bnnbench.results' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
