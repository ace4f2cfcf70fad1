"""The history of a case as its page shows it: the last runs one by one, older ones by week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.certainty import duration_text, short_trust
from bnnbench.results.site.cases import CaseSummary, moment_text, timed
from bnnbench.results.site.history_chart import Event, Level, Point, Week
from bnnbench.results.site.render import day, figure

MOST_RUNS = 500
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
    recent, older = figures.tail(MOST_RUNS), figures.iloc[: max(0, len(figures) - MOST_RUNS)]
    records = recent.to_dict("records")
    points = [_point(row, case.unit, linked) for row in records]
    shown = {str(run) for run in rows["run_id"].tail(MOST_RUNS)}
    runs = [_run(row, case.unit, linked) for row in rows.tail(MOST_RUNS).to_dict("records")]
    times = {str(run): _ms(at) for run, at in zip(rows["run_id"], rows["created"], strict=True)}
    return CaseHistory(
        points=points,
        weeks=_weeks(older, case.unit),
        levels=_levels(case, figures),
        events=[*_changes(case, times), *_events(rows[rows["run_id"].isin(shown)])],
        runs=runs[::-1],
        thinned=len(older),
    )


def _ms(moment: Any) -> int:
    return 0 if pd.isna(moment) else int(moment.timestamp() * 1000)


def _text(row: Mapping[Any, Any], unit: str) -> str:
    value = row.get("value")
    if value is None or pd.isna(value):
        return ""
    if unit != "ns":
        return figure(float(value), unit)
    low, high, n = row.get("low"), row.get("high"), row.get("latency_n")
    ends = [None if end is None or pd.isna(end) else float(end) for end in (low, high)]
    return duration_text(float(value), ends[0], ends[1], None if n is None or pd.isna(n) else int(n))


def _point(row: Mapping[Any, Any], unit: str, linked: Mapping[str, str]) -> Point:
    run = str(row["run_id"])
    trust = short_trust(row)
    kind = "unstable" if row["status"] == "unstable" else "low trust" if row["trust"] == "low" else "measured"
    commit = "" if pd.isna(row["commit"]) else f", commit {str(row['commit'])[:8]}"
    said = f"{_text(row, unit)}\n{day(moment_text(row['created']))}, run {run}{commit}"
    said += f"\ntrust {trust}" if trust else ""
    low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
    href = f"../{linked[run]}" if run in linked else ""
    return Point(_ms(row["created"]), float(row["value"]), low, high, kind, said, href)


def _run(row: Mapping[Any, Any], unit: str, linked: Mapping[str, str]) -> RunRow:
    run = str(row["run_id"])
    column = "latency_ns" if unit == "ns" else "instructions"
    value = None if pd.isna(row[column]) else float(row[column])
    ends = {"low": row["latency_low_ns"], "high": row["latency_high_ns"]}
    return RunRow(
        run_id=run,
        href=f"../{linked[run]}" if run in linked else "",
        created=moment_text(row["created"]),
        commit="" if pd.isna(row["commit"]) else str(row["commit"])[:12],
        value=_text({**row, **ends, "value": value}, unit),
        sort=value,
        status=str(row["status"]),
        trust=short_trust(row),
    )


def _weeks(older: pd.DataFrame, unit: str) -> list[Week]:
    """By ISO week, Monday to Sunday in UTC."""
    if older.empty:
        return []
    days = older["created"].dt.floor("D")
    begins = days - pd.to_timedelta(days.dt.dayofweek, unit="D")
    found = []
    for begin, group in older.groupby(begins):
        values = group["value"].astype(float)
        middle, low, high = float(values.median()), float(values.min()), float(values.max())
        between = quantity.duration_between(middle, low, high) if unit == "ns" else figure(middle, unit)
        said = f"{between}\nweek of {begin:%Y-%m-%d}: median, least and greatest of {len(values)} runs"
        found.append(Week(_ms(begin), middle, low, high, len(values), said))
    return found


def _levels(case: CaseSummary, figures: pd.DataFrame) -> list[Level]:
    """A level before the first change, and one from each change on."""
    if not case.changes:
        return []
    times = {str(run): _ms(at) for run, at in zip(figures["run_id"], figures["created"], strict=True)}
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
