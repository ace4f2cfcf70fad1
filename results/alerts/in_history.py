"""The change points of one case's history as alerts. Pure: the same history gives the same alerts."""

from itertools import pairwise

import pandas as pd

from bnnbench.results.alerts.alert import Alert, NearRun, alert_id
from bnnbench.results.history import History
from bnnbench.results.metrics import METRICS
from bnnbench.results.ratios import span
from bnnbench.results.statistics.change_point import LEAST
from bnnbench.results.statistics.level import level
from bnnbench.results.store.alert_states import Subject

NEAR = 2 * LEAST
"""By how many runs a change point may move when more runs are known, and still be the same one."""


def case_alerts(history: History) -> list[Alert]:
    """An alert for each change point of at least the metric's floor, oldest first; all are `new`.

    It depends on nothing but the history, so what it returns can be kept until the case has a new run.
    """
    latency = METRICS["latency"]
    edges = [0, *(change.at for change in history.changes), len(history.values_ns)]
    found = []
    for (start, at), (_, end), change in zip(pairwise(edges), pairwise(edges[1:]), history.changes, strict=False):
        effect = change.after / change.before - 1
        if abs(effect) < latency.floor:
            continue
        before, after = level(history.values_ns[start:at]), level(history.values_ns[at:end])
        ends = span((after.low, after.high), (before.low, before.high))
        subject = Subject(
            kind="regression" if effect > 0 else "improvement",
            source="history",
            device=history.device,
            workload=history.workload,
            engine=history.engine,
            variant=history.variant,
            threads=history.threads,
            metric=latency.key,
        )
        found.append(
            Alert(
                id=alert_id(subject, history.run_ids[at]),
                subject=subject,
                unit=latency.unit,
                effect_unit="ratio",
                effect=effect,
                low=None if ends is None else ends[0] - 1,
                high=None if ends is None else ends[1] - 1,
                # Both intervals hold their medians with at least this probability (Bonferroni).
                level=None if ends is None else max(0.0, before.coverage + after.coverage - 1),
                before=change.before,
                after=change.after,
                confidence=change.confidence,
                runs_before=at - start,
                runs_since=len(history.values_ns) - at,
                pairs=None,
                first_run=history.run_ids[at],
                first_commit=history.commits[at],
                previous_run=history.run_ids[at - 1],
                previous_commit=history.commits[at - 1],
                when=iso(history.moments[at]),
                until=iso(history.moments[-1]),
                is_current=end == len(history.values_ns),
                near=[
                    NearRun(history.run_ids[place], iso(history.moments[place]))
                    for place in range(max(0, at - NEAR), min(len(history.values_ns), at + NEAR + 1))
                ],
            )
        )
    return found


def iso(moment: pd.Timestamp) -> str:
    """ISO 8601 in UTC, which sorts by time."""
    return moment.tz_convert("UTC").isoformat(timespec="microseconds")
