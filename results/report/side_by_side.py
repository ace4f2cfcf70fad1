"""Several runs side by side: a line for each case, a column for each run, and ratios to the first."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bnnbench.results.environment import differences, environment_of, lines_of
from bnnbench.results.frames import load
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.ratios import Row, joined, span
from bnnbench.results.report.figures import MISSING, Figure, doubt_of, figure_of, fine_ratio, interval, ratio, real
from bnnbench.results.report.method import day
from bnnbench.results.store.stored_run import StoredRun

ABSENT = "not in this run"


@dataclass(frozen=True, slots=True)
class Head:
    """A run as a column: a letter for it, its id, and when it began."""

    letter: str
    run_id: str
    when: str


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A metric of one case: the figures of all runs, and ratios of the second and later ones to the first."""

    workload: str
    case: str
    metric: str
    figures: list[Figure]
    ratios: list[Figure]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """`common`: how many cases all runs have, of `cases`; `environment` says what differs from the first run."""

    heads: list[Head]
    lines: list[CaseLine]
    common: int
    cases: int
    environment: list[str]


def side_by_side(runs: Sequence[StoredRun]) -> SideBySide | None:
    """None for a single run."""
    if len(runs) < 2:
        return None
    heads = [
        Head(
            f"{chr(ord('A') + place)}" if len(runs) <= 26 else f"#{place + 1}",
            run.record.run_id,
            day(run.record.created),
        )
        for place, run in enumerate(runs)
    ]
    cases = joined([load(run) for run in runs])
    places = {str(row["device"]) for case in cases for row in case if row is not None}
    return SideBySide(
        heads=heads,
        lines=[line for case in cases for line in _lines(case, len(places) > 1)],
        common=sum(all(row is not None for row in case) for case in cases),
        cases=len(cases),
        environment=_environment(heads, runs),
    )


def _environment(heads: Sequence[Head], runs: Sequence[StoredRun]) -> list[str]:
    """`B, different on pi4: kernel 6.6.20 -> 6.12.1`: what differs between the first run and each later one."""
    first, *later = map(environment_of, runs)
    return [
        f"{head.letter}, {line}"
        for head, other in zip(heads[1:], later, strict=True)
        for line in lines_of(differences(first, other))
    ]


def _lines(case: Sequence[Row | None], several_places: bool) -> list[CaseLine]:
    one = next(row for row in case if row is not None)
    words = [str(one["engine"]), *([] if pd.isna(one["variant"]) else [str(one["variant"])])]
    words += [] if pd.isna(one["isa"]) else [str(one["isa"])]
    words += [f"on {one['device']}"] if several_places else []
    words += [] if pd.isna(one["threads"]) or one["threads"] == 1 else [f"{one['threads']} threads"]
    measured = [metric for metric in METRICS.values() if _is_shown(metric, case)]
    # Of a case without any figure the line says so.
    shown = measured or [next(metric for metric in METRICS.values() if metric.is_main)]
    return [
        CaseLine(
            workload=str(one["workload"]),
            case=" ".join(words),
            metric=metric.label,
            figures=[_figure(row, metric) for row in case],
            ratios=[_ratio(row, case[0], metric) for row in case[1:]],
        )
        for metric in shown
    ]


def _is_shown(metric: Metric, case: Sequence[Row | None]) -> bool:
    """Latencies, instructions where they are counted instead, and accuracies."""
    rows = [row for row in case if row is not None]
    if not any(real(row[metric.column]) is not None for row in rows):
        return False
    if metric.is_main and not metric.is_time:
        return all(real(row[METRICS["latency"].column]) is None for row in rows)
    return metric.is_main or metric.in_points


def _figure(row: Row | None, metric: Metric) -> Figure:
    if row is None:
        return Figure("", None, notes=(ABSENT,))
    found = figure_of(row, metric, *doubt_of(row, metric))
    status = str(row["status"]).replace("_", " ")
    if not found.text:
        return Figure("", None, notes=("not measured" if status == "ok" else status,))
    return found if status == "ok" else Figure(found.text, found.order, found.span, (status, *found.notes))


def _ratio(row: Row | None, first: Row | None, metric: Metric) -> Figure:
    """Of accuracies the difference in points, where both are of one data set."""
    if row is None or first is None:
        return MISSING
    value, base = real(row[metric.column]), real(first[metric.column])
    if value is None or base is None or base <= 0:
        return MISSING
    if metric.in_points:
        if str(row["dataset_sha256"]) != str(first["dataset_sha256"]):
            return Figure("", None, notes=("another data set",))
        return Figure(f"{(value - base) * 100:+.2f} points", value - base)
    ends, base_ends = interval(row, metric), interval(first, metric)
    allowed = None if ends is None or base_ends is None else span(ends, base_ends)
    return ratio(value / base, allowed, text=fine_ratio)
