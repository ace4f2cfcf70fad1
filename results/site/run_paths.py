"""Which runs of a store get a page of their own."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from bnnbench.results.site.page import slug
from bnnbench.results.site.source import Source

_CHANGE_DAYS = 90
_MOST_CHANGES = 30


def run_paths(source: Source) -> dict[str, str]:
    """Run id -> path: the last runs of each device and suite, and the newest of those at change points."""
    return source.once("run_paths", _chosen)


def _chosen(source: Source) -> dict[str, str]:
    seen: Counter[tuple[tuple[str, ...], str]] = Counter()
    chosen: list[str] = []
    for line in source.runs:
        group = (tuple(line.devices), line.suite)
        if seen[group] < source.asked.last_runs:
            seen[group] += 1
            chosen.append(line.run_id)
    first = f"{source.now - timedelta(days=_CHANGE_DAYS):%Y-%m-%dT%H:%M:%SZ}"
    changes = {
        (change.created, change.run_id)
        for case in source.cases.values()
        for change in case.changes
        if change.created >= first and source.line(change.run_id) is not None
    }
    chosen += [run_id for _, run_id in sorted(changes, reverse=True)[:_MOST_CHANGES]]
    return {run_id: run_path(run_id) for run_id in dict.fromkeys(chosen)}


def run_path(run_id: str) -> str:
    """Of a run's page."""
    return f"run/{run_id if len(run_id) <= 64 and not run_id.startswith('.') else slug(run_id)}.html"
