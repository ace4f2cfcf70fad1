"""The results in a terminal: what is proven, a row per case, and what went wrong."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from bnnbench.results import quantity
from bnnbench.results.case_result import CUT_OFF
from bnnbench.results.certainty import duration_text, interval_meaning, latency_text, short_trust
from bnnbench.results.columns import equal
from bnnbench.results.engine_table import labelled, summary, with_speedup
from bnnbench.results.grouped import by_reason, counted, some
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.sheet import THE_SAME, Column, Sheet, say
from bnnbench.results.sheet import is_plain as is_plain

_STATUS_STYLE = {
    "wrong_output": "bold red",
    "failed": "red",
    "unstable": "yellow",
    "unverified": "yellow",
}
_BESIDE = [metric for metric in METRICS.values() if metric.in_tables and not metric.is_main]
_MAIN = [metric for metric in METRICS.values() if metric.is_main and not metric.is_time]


def show(frame: pd.DataFrame, console: Console, baseline: str | None = None, again: str = THE_SAME) -> None:
    """Prints the summary, the table and the notes; ASCII only when the terminal is not a UTF-8 one.

    `again` is the command that shows what finds no room.
    """
    say(console, summary(frame), "bold")
    if rows := _rows(frame, baseline):
        left_out = _sheet(rows, is_plain(console)).print(console, again)
        for text in _meaning(rows, baseline, "speed-up" not in left_out):
            say(console, text, "dim")
    for note in notes(frame):
        say(console, note)


def notes(frame: pd.DataFrame) -> list[str]:
    """What is to be said of cases that are not `ok` or have a reason: a sentence for each status and reason, with the
    cases that share it; one for all that were skipped, and one for all that an interrupt cut off."""
    frame = labelled(frame)
    notable = frame[~equal(frame["status"], "ok") | frame["reason"].notna()]
    unfinished = equal(notable["reason_code"], CUT_OFF)
    count, notable = int(unfinished.sum()), notable[~unfinished]
    lines = [f"{count} cases are not finished" if count != 1 else "1 case is not finished"] if count else []
    skipped = notable[equal(notable["status"], "skipped")].to_dict("records")
    if skipped:
        several = frame["place"].nunique() > 1
        remarks_on = [(str(row["workload"]), _reason(row) + f" (on {row['place']})" * several) for row in skipped]
        lines.append(counted(remarks_on, "skipped"))
    others = notable[~equal(notable["status"], "skipped")].to_dict("records")
    for (status, reason), names in by_reason(
        (_case(row), (str(row["status"]), _reason(row))) for row in others
    ).items():
        many = f"{len(names)} cases, " if len(names) > 1 else ""
        lines.append(f"{status.replace('_', ' ')}: {many}{some(names)}: {reason}")
    return lines


def table(frame: pd.DataFrame, *, baseline: str | None = None, plain: bool = False) -> Sheet:
    """A row for each case that was not skipped, workloads in their order of appearance, with its latency, its speed-up
    over `baseline` (an engine's name) or over the slowest, and its trust."""
    return _sheet(_rows(frame, baseline), plain)


def _rows(frame: pd.DataFrame, baseline: str | None) -> list[dict[Any, Any]]:
    return [row for row in with_speedup(frame, baseline).to_dict("records") if row["status"] != "skipped"]


def _sheet(rows: list[dict[Any, Any]], plain: bool) -> Sheet:
    several = {key: len({row[key] for row in rows}) > 1 for key in ("place", "threads")}
    sheet = Sheet(
        Column("workload", folds=True),
        Column("device", folds=True),
        Column("engine", folds=True),
        Column("thr", right=True),
        Column("latency", right=True),
        Column("speed-up", right=True, rank=1),
        Column("trust", folds=True),
        Column("speed", right=True, rank=2),
        *(Column(metric.word, right=True, rank=3 + place) for place, metric in enumerate(_BESIDE)),
    )
    order = {workload: place for place, workload in enumerate(dict.fromkeys(row["workload"] for row in rows))}
    for row in sorted(rows, key=lambda row: order[row["workload"]]):
        ahead = not pd.isna(row["speedup"]) and row["speedup"] > 1.005
        sheet.add(
            str(row["workload"]),
            str(row["place"]) if several["place"] else "",
            str(row["series"]),
            str(int(row["threads"])) if several["threads"] else "",
            _figure(row, plain),
            Text(_written(row, "speedup", lambda value: quantity.ratio(value, plain)), "green" if ahead else "dim"),
            short_trust(row),
            _written(row, "gops", quantity.rate),
            *(_beside(row, metric, plain) for metric in _BESIDE),
        )
    return sheet


def _figure(row: Mapping[Any, Any], plain: bool) -> Text:
    """The latency, or what was counted instead, or why there is neither."""
    style = _STATUS_STYLE.get(str(row["status"]), "")
    if text := latency_text(row, plain):
        return Text(text, style)
    if row["status"] == "ok":
        for metric in _MAIN:
            if text := _written(row, metric.column, metric.text):
                return Text(f"{text} {metric.label}")
    return Text(str(row["status"]).replace("_", " "), style)


def _beside(row: Mapping[Any, Any], metric: Metric, plain: bool) -> str:
    """A figure of another metric, with its interval where it has one."""
    if metric.between is not None and metric.is_time and metric.low and metric.high and not pd.isna(row[metric.column]):
        n = None if pd.isna(row["latency_n"]) else int(row["latency_n"])
        return duration_text(float(row[metric.column]), _end(row, metric.low), _end(row, metric.high), n, plain)
    return _written(row, metric.column, metric.text)


def _end(row: Mapping[Any, Any], column: str) -> float | None:
    return None if pd.isna(row[column]) else float(row[column])


def _written(row: Mapping[Any, Any], column: str, text: Any) -> str:
    return "" if pd.isna(row[column]) else str(text(float(row[column])))


def _meaning(rows: list[dict[Any, Any]], baseline: str | None, is_compared: bool) -> list[str]:
    """What the figures are."""
    timed = [row for row in rows if not pd.isna(row["latency_ns"])]
    if not timed:
        return []
    brackets = interval_meaning(row["latency_n"] for row in timed)
    parts = ["latency: the median of one execution" + (f", {brackets}" if brackets else "")]
    if is_compared and any(not pd.isna(row["speedup"]) for row in timed):
        parts.append(f"speed-up over {baseline or 'the slowest'}")
    return ["; ".join(parts)]


def _reason(row: Mapping[Any, Any]) -> str:
    return "no reason recorded" if pd.isna(row["reason"]) else str(row["reason"])


def _case(row: Mapping[Any, Any]) -> str:
    threads = "" if row["threads"] == 1 else f", {row['threads']} threads"
    return f"{row['series']} on {row['place']}, {row['workload']}{threads}"
