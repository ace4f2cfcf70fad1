"""The overview: devices and suites with their last runs, what changed this week, what is running."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from markupsafe import Markup

from bnnbench.results.alerts.alert import Alert
from bnnbench.results.site.alert_list import alert_list
from bnnbench.results.site.cases import CaseKey, CaseSummary
from bnnbench.results.site.comparing.pairs import verdicts_path
from bnnbench.results.site.last_runs import last_runs, running
from bnnbench.results.site.page import Page, Planned, digest
from bnnbench.results.site.pages import Kind, compare
from bnnbench.results.site.run_paths import run_paths
from bnnbench.results.site.source import Source, device_path
from bnnbench.results.site.sparkline import sparkline

MOST_CHANGES = 60
"""Changes that are listed; how many more there are is said."""
_LATEST = 10


@dataclass(frozen=True, slots=True)
class News:
    """An alert: a change point of a case, or a verdict against a baseline. `effect` is in words, `size` what it is
    sorted by; `path` is that of the case's page, empty where it has none."""

    alert: Alert
    name: str
    path: str
    effect: str
    size: float
    spark: Markup


def plan(source: Source) -> Iterable[Planned]:
    """One page, made at each build: it says when that was."""
    made_of = digest(source.now.isoformat(), " ".join(source.fingerprints.values()))
    yield Planned("index.html", made_of, partial(_page, source))


def changes_since(found: Sequence[Alert], begin: str) -> list[Alert]:
    """The alerts that are not closed from a moment on, ISO 8601 in UTC: what got worse first, the largest first."""
    week = [alert for alert in found if alert.is_open and alert.when >= begin]
    return sorted(week, key=lambda one: (one.subject.kind != "regression", -abs(one.effect), one.id))


def latest_changes(found: Sequence[Alert], most: int) -> list[Alert]:
    """The newest alerts of all."""
    return sorted(found, key=lambda one: (one.when, one.id), reverse=True)[:most]


def _page(source: Source) -> Page:
    begin = f"{source.now - timedelta(days=source.asked.week_days):%Y-%m-%dT%H:%M:%SZ}"
    found = alert_list(source)
    week = changes_since(found, begin)
    shown = week[:MOST_CHANGES] or latest_changes(found, _LATEST)
    last = last_runs(source)
    compared = compare.paths(source)
    runs = [one.line.run_id for one in last if one.line.comparisons]
    return Page(
        path="index.html",
        template="overview.html",
        title="Overview",
        context={
            "last": last,
            "running": running(source),
            "news": [_news(source, alert) for alert in shown],
            "changed": len(week),
            "days": source.asked.week_days,
            "linked": run_paths(source),
            "verdicts": {id_: path for id_ in runs if (path := verdicts_path(id_)) in compared},
            "device_paths": {name: device_path(name) for name in source.devices},
            "runs": len(source.runs),
            "cases": len(source.cases),
            "devices": len({case.device for case in source.cases.values()}),
        },
        contents=[("last", "Last runs"), ("changes", "Changes"), ("running", "Running now")],
    )


def _news(source: Source, alert: Alert) -> News:
    subject = alert.subject
    key = CaseKey(subject.device, subject.workload, subject.engine, subject.variant or "", subject.threads)
    case = source.cases.get(key)
    threads = f" x{subject.threads}" if subject.threads > 1 else ""
    return News(
        alert=alert,
        name=f"{subject.workload} · {subject.engine} {subject.variant or ''}".rstrip() + threads,
        path="" if case is None else case.path,
        effect=f"{alert.effect * 100:+.1f} {'points' if alert.effect_unit == 'difference' else '%'}",
        size=alert.effect,
        spark=Markup("") if case is None else _spark(case),
    )


def _spark(case: CaseSummary) -> Markup:
    if len(case.recent) < 2:
        return Markup("")
    low, high = min(case.recent), max(case.recent)
    return sparkline(case.recent, f"last {len(case.recent)} runs, spread {(high / low - 1) * 100:.0f} %" if low else "")


KIND = Kind(plan, "Overview", "index.html")
