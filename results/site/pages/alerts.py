"""The alerts page: confirmed regressions and change points, with what was decided about them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from bnnbench.results import quantity
from bnnbench.results.alerts.alert import Alert
from bnnbench.results.errors import StoreError
from bnnbench.results.metrics import metric_of
from bnnbench.results.site.alert_list import alert_list
from bnnbench.results.site.cases import CaseKey
from bnnbench.results.site.comparing.ab_command import AbCommand, Case, KeptBaseline, of_comparison, of_runs
from bnnbench.results.site.comparing.pairs import path_of, verdicts_path
from bnnbench.results.site.comparing.sides import PairName, SideName
from bnnbench.results.site.page import Page, Planned, digest
from bnnbench.results.site.pages import Kind, compare
from bnnbench.results.site.run_paths import run_paths
from bnnbench.results.site.source import Source
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.stored_run import read_record

PATH = "alerts.html"
_MOST = 500
"""Alerts that the page lists, open ones first; how many more there are is said."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert in words. `case_path` and `compare_path` are empty where there is no such page; `acknowledge` is the
    command that marks it."""

    alert: Alert
    metric: str
    effect: str
    interval: str
    certainty: str
    case_path: str
    compare_path: str
    acknowledge: str
    settle: AbCommand


def plan(source: Source) -> Iterable[Planned]:
    """One page, made again when an alert, a decision or a page that it links to changed."""
    found = alert_list(source)
    linked = run_paths(source)
    paths = compare.paths(source)
    shown = sorted(found, key=lambda alert: not alert.is_open)[:_MOST]
    links = [(linked.get(one.first_run), linked.get(one.previous_run or "")) for one in shown]
    made_of = digest([repr(one) for one in shown], links, len(found), [_compare_path(one, paths) for one in shown])
    yield Planned(PATH, made_of, partial(_page, source, shown, len(found), linked, paths))


def _page(source: Source, shown: Sequence[Alert], count: int, linked: dict[str, str], paths: set[str]) -> Page:
    kept = [KeptBaseline(one.name, one.run_id, one.kept) for one in Baselines(source.store.path).all()]
    rows = [_row(source, one, paths, kept) for one in shown]
    return Page(
        path=PATH,
        template="alerts.html",
        title="Alerts",
        context={
            "rows": rows,
            "count": count,
            "linked": linked,
            "devices": sorted({one.subject.device for one in shown}),
            "engines": sorted({one.subject.engine for one in shown}),
            "states": list(dict.fromkeys(one.state for one in shown)),
            "kinds": list(dict.fromkeys(one.subject.kind for one in shown)),
            "sources": list(dict.fromkeys(one.subject.source for one in shown)),
        },
        scripts=("compare.js",),
        contents=[("alerts", "Alerts"), ("details", "Details")] if rows else [],
    )


def _row(source: Source, alert: Alert, paths: set[str], kept: Sequence[KeptBaseline]) -> AlertRow:
    subject = alert.subject
    metric = metric_of(subject.metric, alert.unit)
    key = CaseKey(subject.device, subject.workload, subject.engine, subject.variant or "", subject.threads)
    case = source.cases.get(key)
    unit = "points" if alert.effect_unit == "difference" else "%"
    between = ""
    if alert.low is not None and alert.high is not None and alert.low != alert.high:
        between = f"{alert.low * 100:+.1f} .. {alert.high * 100:+.1f} {unit}"
    return AlertRow(
        alert=alert,
        metric=metric.word,
        effect=f"{alert.effect * 100:+.1f} {unit}",
        interval=between,
        certainty=_certainty(alert),
        case_path="" if case is None else case.path,
        compare_path=_compare_path(alert, paths),
        acknowledge=acknowledging(alert.id),
        settle=_settle(source, alert, kept),
    )


def acknowledging(alert_id: str) -> str:
    """The command that says that somebody works on it."""
    return shlex.join(["bnnbench", "alerts", "ack", alert_id, "--note", "who, and what is done"])


def _certainty(alert: Alert) -> str:
    """`99.98 % sure`: never rounded to all."""
    if alert.confidence is None:
        return "not known"
    return (
        "exact" if alert.confidence == 1.0 else "> 99.99 %" if alert.confidence > 0.9999 else _percent(alert.confidence)
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %" if share >= 0.0995 else quantity.percentage(share)


def _compare_path(alert: Alert, paths: set[str]) -> str:
    """Of the verdicts that it is from, or of the runs before and after it; empty where these have no page."""
    found = [verdicts_path(alert.first_run)]
    if alert.previous_run is not None:
        found.append(path_of(PairName(SideName(alert.previous_run), SideName(alert.first_run))))
    return next((path for path in found if path in paths), "")


def _settle(source: Source, alert: Alert, kept: Sequence[KeptBaseline]) -> AbCommand:
    subject = alert.subject
    case = Case(subject.workload, subject.device, subject.threads)
    try:
        first = read_record(source.store.runs_path / alert.first_run)
        if subject.against is not None:
            return of_comparison(first, case, subject.against, subject.engine)
        if alert.previous_run is None:
            return AbCommand("", notes=["The run before it is not known."])
        previous = read_record(source.store.runs_path / alert.previous_run)
    except StoreError:
        return AbCommand("", notes=["Its runs are not in the store any more."])
    return of_runs(previous, first, case, subject.engine, kept)


KIND = Kind(plan, "Alerts", PATH)
