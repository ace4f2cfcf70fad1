"""The pages of single runs: the report of each, with a link back; with charts where asked, which take seconds each."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from warnings import warn

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.report import html
from bnnbench.results.report.page_context import PageContext
from bnnbench.results.site.page import Planned, WholePage, digest
from bnnbench.results.site.pages import Kind
from bnnbench.results.site.run_paths import run_paths
from bnnbench.results.site.source import Source
from bnnbench.results.store.stored_run import read_run


def plan(source: Source) -> Iterable[Planned]:
    """A page for each run that pages link to."""
    for run_id, path in {**run_paths(source), **source.linked}.items():
        yield Planned(path, digest(source.fingerprints[run_id]), partial(_page, source, run_id, path))


def _page(source: Source, run_id: str, path: str) -> WholePage | None:
    line = source.line(run_id)
    if line is None:
        return None
    try:
        run = read_run(source.store.runs_path / run_id)
    except StoreError as error:
        warn(StoreWarning(f"run {run_id} has no page: {error}"), stacklevel=2)
        return None
    return WholePage(path, lambda home: html.render(run, PageContext(home=home, charts=source.asked.report_charts)))


KIND = Kind(plan)
