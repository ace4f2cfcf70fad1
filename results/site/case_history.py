"""The history of a case as its page shows it: the last runs one by one, older ones by week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.certainty import duration_text, short_trust
from bnnbench.results.site.cases import CaseSummary, moment_text, timed
from bnnbench.results.site.history_chart import Event, Level, Point, Week
from bnnbench.results.site.render import day, figure

MOST_RUNS = 300
"""Runs that a page shows one by one."""
MOST_EVENTS = 200


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the table of a case."""

    run_id: str
    href: str
    created: str
    commit: str
    value: str
    sort: float | None
    status: str
    trust: str


@dataclass(frozen=True, slots=True)
class CaseHistory:
    """What a page shows; `runs` are newest first. `thinned` is how many older runs are in `weeks`."""

    points: list[Point]
    weeks: list[Week]
    levels: list[Level]
    events: list[Event]
    runs: list[RunRow]
    thinned: int


def case_history(case: CaseSummary, rows: pd.DataFrame, linked: Mapping[str, str]) -> CaseHistory:
    """Of a case and its rows, oldest run first; `linked` are the paths of runs that have a page."""
    figures = timed(rows, case.unit)
    older = figures.iloc[: max(0, len(figures) - MOST_RUNS)]
    shown = _measured(rows.tail(MOST_RUNS), case.unit)
    times = _times(rows)
    runs = [_run(one, case.unit, linked) for one in shown]
    is_older = set(map(str, older["run_id"]))
    points = [
        _point(one, run)
        for one, run in zip(shown, runs, strict=True)
        if one.value is not None and one.status in ("ok", "unstable") and one.run_id not in is_older
    ]
    return CaseHistory(
        points=points,
        weeks=_weeks(older, case.unit),
        levels=_levels(case, figures),
        events=[*_changes(case, times), *_events(rows.tail(MOST_RUNS))],
        runs=runs[::-1],
        thinned=len(older),
    )


class _Measured(NamedTuple):
    """A row as plain values; None for what is missing."""

    run_id: str
    created: Any
    commit: str | None
    status: str
    trust: str | None
    trust_words: str | None
    value: float | None
    low: float | None
    high: float | None
    n: int | None


def _measured(rows: pd.DataFrame, unit: str) -> list[_Measured]:
    value = ("latency_ns", "latency_low_ns", "latency_high_ns") if unit == "ns" else ("instructions",) * 3
    names = ("run_id", "created", "commit", "status", "trust", "trust_words", *value, "latency_n")
    columns = [rows[name].astype(object).where(rows[name].notna(), None).tolist() for name in names]
    return [_Measured(*values) for values in zip(*columns, strict=True)]


def _times(rows: pd.DataFrame) -> dict[str, int]:
    """When each run began, in ms since 1970."""
    moments = rows["created"].dt.as_unit("ms").astype("int64").where(rows["created"].notna(), 0)
    return dict(zip(rows["run_id"].tolist(), moments.tolist(), strict=True))


def _ms(moment: Any) -> int:
    return 0 if moment is None or pd.isna(moment) else int(moment.timestamp() * 1000)


def _run(one: _Measured, unit: str, linked: Mapping[str, str]) -> RunRow:
    trust = {"trust": one.trust, "trust_words": one.trust_words}
    value = ""
    if one.value is not None:
        is_time = unit == "ns"
        value = duration_text(one.value, one.low, one.high, one.n) if is_time else figure(one.value, unit)
    return RunRow(
        run_id=one.run_id,
        href=f"../{linked[one.run_id]}" if one.run_id in linked else "",
        created=moment_text(one.created),
        commit=(one.commit or "")[:12],
        value=value,
        sort=one.value,
        status=one.status,
        trust=short_trust(trust),
    )


def _point(one: _Measured, run: RunRow) -> Point:
    kind = "unstable" if one.status == "unstable" else "low trust" if one.trust == "low" else "measured"
    commit = f", commit {one.commit[:8]}" if one.commit else ""
    said = f"{run.value}\n{day(run.created)}, run {run.run_id}{commit}" + (f"\ntrust {run.trust}" if run.trust else "")
    return Point(_ms(one.created), float(one.value or 0.0), one.low, one.high, kind, said, run.href)


def _weeks(older: pd.DataFrame, unit: str) -> list[Week]:
    """By ISO week, Monday to Sunday in UTC."""
    if older.empty:
        return []
    days = older["created"].dt.floor("D")
    begins = days - pd.to_timedelta(days.dt.day_of_week, unit="D")
    weeks = older["value"].astype(float).groupby(begins).agg(["median", "min", "max", "size"])
    found = []
    for begin, middle, low, high, count in weeks.itertuples(name=None):
        between = quantity.duration_between(middle, low, high) if unit == "ns" else figure(middle, unit)
        said = f"{between}\nweek of {begin:%Y-%m-%d}: median, least and greatest of {count} runs"
        found.append(Week(_ms(begin), middle, low, high, count, said))
    return found


def _levels(case: CaseSummary, figures: pd.DataFrame) -> list[Level]:
    """A level before the first change, and one from each change on."""
    if not case.changes:
        return []
    times = _times(figures)
    edges = [_ms(figures["created"].iloc[0])]
    edges += [times.get(change.run_id, 0) for change in case.changes]
    edges += [_ms(figures["created"].iloc[-1])]
    values = [case.changes[0].before, *(change.after for change in case.changes)]
    return [Level(begin, end, value) for begin, end, value in zip(edges, edges[1:], values, strict=False)]


def _changes(case: CaseSummary, times: Mapping[str, int]) -> list[Event]:
    return [
        Event(
            at=times.get(change.run_id, 0),
            kind="change point",
            say=f"{change.effect * 100:+.1f} % from run {change.run_id}"
            + (f" (commit {change.commit[:8]})" if change.commit else "")
            + f" on, {change.confidence * 100:.2f} % sure",
            text=f"{change.effect * 100:+.1f} %",
        )
        for change in case.changes
    ]


def _events(rows: pd.DataFrame) -> list[Event]:
    """Reboots and new builds of the engine between runs, the newest `MOST_EVENTS`."""
    found: list[Event] = []
    before: Mapping[Any, Any] | None = None
    for row in rows[["run_id", "created", "boot_id", "engine_build"]].to_dict("records"):
        if before is not None:
            for column, kind, what in _OBSERVED:
                old, new = before[column], row[column]
                if not pd.isna(old) and not pd.isna(new) and old != new:
                    shown = f": {str(old)[:8]} to {str(new)[:8]}" if column == "engine_build" else ""
                    found.append(Event(_ms(row["created"]), kind, f"{what}{shown}, before run {row['run_id']}"))
        before = row
    return found[-MOST_EVENTS:]


_OBSERVED: Sequence[tuple[str, str, str]] = (
    ("boot_id", "reboot", "the device was rebooted"),
    ("engine_build", "engine build", "another build of the engine"),
)
