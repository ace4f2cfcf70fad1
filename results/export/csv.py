"""The run as `bnnbench.results.load` gives it, a row per case."""

from bnnbench.results.frames import load
from bnnbench.results.report.csv import text
from bnnbench.results.store.stored_run import StoredRun


def render(run: StoredRun) -> str:
    """What was not measured is an empty field."""
    return text(load(run))
