"""A run in the formats of other tools, one per module. `EXPORTS` is the table by name."""

from collections.abc import Callable

from bnnbench.results.store.stored_run import StoredRun

from . import bmf, chrome_trace, csv, google_benchmark, pytest_benchmark

EXPORTS: dict[str, Callable[[StoredRun], str]] = {
    "pytest-benchmark": pytest_benchmark.render,
    "google-benchmark": google_benchmark.render,
    "bmf": bmf.render,
    "chrome-trace": chrome_trace.render,
    "csv": csv.render,
}
"""Name -> the run as text. Times of emulated devices are in none of them."""
