"""The overview: devices and suites with their last runs, what changed this week, what is running."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from markupsafe import Markup

from bnnbench.results.site.cases import CaseSummary, Change
from bnnbench.results.site.last_runs import last_runs, running
from bnnbench.results.site.page import Page, Planned, digest
from bnnbench.results.site.pages import Kind
from bnnbench.results.site.run_paths import run_paths
from bnnbench.results.site.source import Source, device_path
from bnnbench.results.site.sparkline import sparkline

MOST_CHANGES = 60
"""Changes that are listed; how many more there are is said."""
_LATEST = 10


@dataclass(frozen=True, slots=True)
class News:
    """A change point of a case."""

    case: CaseSummary
    change: Change
    spark: Markup


def plan(source: Source) -> Iterable[Planned]:
    """One page, made at each build: it says when that was."""
    made_of = digest(source.now.isoformat(), " ".join(source.fingerprints.values()))
    yield Planned("index.html", made_of, partial(_page, source))


def changes_since(source: Source, begin: str) -> list[tuple[CaseSummary, Change]]:
    """The change points from a moment on, ISO 8601 in UTC: the largest first, slower before faster."""
    found = [
        (case, change)
        for case in source.cases.values()
        for change in case.changes
        if change.created >= begin and change.before > 0
    ]
    return sorted(found, key=lambda item: (item[1].effect < 0, -abs(item[1].effect), item[0].path))


def latest_changes(source: Source, most: int) -> list[tuple[CaseSummary, Change]]:
    """The newest change points of all."""
    found = [(case, change) for case in source.cases.values() for change in case.changes]
    return sorted(found, key=lambda item: (item[1].created, item[0].path), reverse=True)[:most]


def _page(source: Source) -> Page:
    begin = f"{source.now - timedelta(days=source.asked.week_days):%Y-%m-%dT%H:%M:%SZ}"
    week = changes_since(source, begin)
    shown = week[:MOST_CHANGES] or latest_changes(source, _LATEST)
    return Page(
        path="index.html",
        template="overview.html",
        title="Overview",
        context={
            "last": last_runs(source),
            "running": running(source),
            "news": [News(case, change, _spark(case)) for case, change in shown],
            "changed": len(week),
            "days": source.asked.week_days,
            "linked": run_paths(source),
            "device_paths": {name: device_path(name) for name in source.devices},
            "runs": len(source.runs),
            "cases": len(source.cases),
            "devices": len({case.device for case in source.cases.values()}),
        },
        contents=[("last", "Last runs"), ("changes", "Changes"), ("running", "Running now")],
    )


def _spark(case: CaseSummary) -> Markup:
    if len(case.recent) < 2:
        return Markup("")
    low, high = min(case.recent), max(case.recent)
    return sparkline(case.recent, f"last {len(case.recent)} runs, spread {(high / low - 1) * 100:.0f} %" if low else "")


KIND = Kind(plan, "Overview", "index.html")
