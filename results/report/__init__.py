"""Reports, one format per file; `FORMATS` names them."""

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bnnbench.results.store.stored_run import StoredRun

if TYPE_CHECKING:
    from bnnbench.results.report.page_context import PageContext

Runs = StoredRun | Iterable[StoredRun]

# Name -> module; each has write(runs, directory, beside), which returns the file to open.
FORMATS: dict[str, str] = {
    "html": "bnnbench.results.report.html",
    "csv": "bnnbench.results.report.csv",
}


def write(runs: Runs, directory: Path, format: str = "html", context: "PageContext | None" = None) -> Path:
    """Writes a report of one or several runs and returns the file to open.

    Raises StoreError when the folder can't be written or there is no run, KeyError for an unknown format.
    """
    writer: Callable[[Runs, Path, PageContext | None], Path] = import_module(FORMATS[format]).write
    return writer(runs, directory, context)
