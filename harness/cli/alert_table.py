"""Alerts in a terminal: the table of a list, and all about one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bnnbench.results.alerts import Alert
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import metric_of
from bnnbench.results.sheet import Column, Sheet
from bnnbench.results.verdict.rows import signed

_LEAST_PREFIX = 6


def table(alerts: Sequence[Alert]) -> Sheet:
    """A row for each alert, in their order."""
    sheet = Sheet(
        *(Column("id"), Column("state", rank=1), Column("change", right=True), Column("case", folds=True)),
        *(Column("device"), Column("since"), Column("commit", rank=2), Column("runs", rank=4, right=True)),
        Column("certainty", rank=3),
    )
    digits = prefix_length([alert.id for alert in alerts])
    for alert in alerts:
        sheet.add(
            alert.id[:digits],
            alert.state,
            effect(alert),
            case(alert),
            alert.subject.device,
            alert.when[:10],
            (alert.first_commit or "")[:8],
            str(alert.runs_since),
            certainty(alert),
        )
    return sheet


def details(alert: Alert) -> Sheet:
    """All about an alert, a line for each fact."""
    metric, subject = metric_of(alert.subject.metric, alert.unit), alert.subject
    sheet = Sheet(Column("alert"), Column(alert.id, folds=True))
    since = "comparisons" if subject.source == "verdicts" else "runs"
    facts = {
        "kind": f"{subject.kind} of {metric.label}, by {_SOURCES[subject.source]}",
        "state": alert.state + (f", since {alert.changed[:16].replace('T', ' ')} UTC" if alert.changed else ""),
        "note": alert.note,
        "case": case(alert),
        "device": subject.device,
        "against": subject.against or "",
        "change": f"{effect(alert)}{_interval(alert)}",
        "before": _value(metric, alert.before),
        "after": _value(metric, alert.after),
        "certainty": certainty(alert),
        "first run": _run(alert.first_run, alert.first_commit) + f", begun {alert.when[:16].replace('T', ' ')} UTC",
        "last run before": _run(alert.previous_run, alert.previous_commit),
        since: f"{alert.runs_before} before, {alert.runs_since} since",
        "still so": "yes" if alert.is_current else "no, it changed again since",
        "why": alert.why or "",
    }
    for name, value in facts.items():
        if value:
            sheet.add(name, value)
    return sheet


_SOURCES = {"verdicts": "the verdicts of comparisons", "history": "a change point of the case's history"}


def sentence(alert: Alert) -> str:
    """`+4.1 % latency of quicknet_s · native on pi4 since run 20260131-142501-9f3a1c`."""
    metric = metric_of(alert.subject.metric, alert.unit)
    of = f"{effect(alert)} {metric.label} of {case(alert)}"
    return f"{of} on {alert.subject.device} since run {alert.first_run}"


def case(alert: Alert) -> str:
    """Workload and engine, and what else tells the case from others."""
    subject = alert.subject
    words = [subject.engine, subject.variant or "", f"x{subject.threads}" if subject.threads > 1 else ""]
    metric = metric_of(subject.metric, alert.unit)
    name = f"{subject.workload} · {' '.join(word for word in words if word)}"
    return name if metric.is_main and metric.is_time else f"{name}, {metric.word}"


def effect(alert: Alert) -> str:
    """`+4.1 %`, of accuracies `-0.2 points`."""
    if metric_of(alert.subject.metric, alert.unit).in_points:
        return f"{alert.effect * 100:+.1f} points"
    return signed(alert.effect)


def certainty(alert: Alert) -> str:
    """`99.95 %` of a change point; of a verdict its pairs, or `exact`."""
    if alert.subject.source == "history":
        return "" if alert.confidence is None else f"{alert.confidence * 100:.2f} %"
    if alert.level == 1.0:
        return "exact"
    return f"{alert.pairs} pairs" if alert.pairs else ""


def prefix_length(ids: Sequence[str]) -> int:
    """The digits that tell these ids apart, some at least."""
    ordered = sorted(set(ids))
    shared = [
        next((place for place, pair in enumerate(zip(one, two, strict=True)) if pair[0] != pair[1]), 0)
        for one, two in pairwise(ordered)
    ]
    return max([_LEAST_PREFIX, *(place + 1 for place in shared)])


def _interval(alert: Alert) -> str:
    if alert.low is None or alert.high is None or alert.level == 1.0:
        return ""
    level = "" if alert.level is None else f", {alert.level * 100:.3g} % interval"
    if metric_of(alert.subject.metric, alert.unit).in_points:
        return f" ({alert.low * 100:+.1f} .. {alert.high * 100:+.1f} points{level})"
    return f" ({signed(alert.low)} .. {signed(alert.high)}{level})"


def _value(metric: Metric, figure: float | None) -> str:
    return "" if figure is None else metric.text(figure)


def _run(run: str | None, commit: str | None) -> str:
    if run is None:
        return ""
    return run + (f" (commit {commit[:12]})" if commit else "")
