"""Engines side by side: which rows of a frame belong together, what they are called, and by how much they
differ."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bnnbench.results.columns import equal, named
from bnnbench.results.metrics import METRICS
from bnnbench.results.ratios import span

PROVEN = ("ok", "unstable")
UNVERIFIED = "unverified: its outputs were not compared"
_SPEEDUP: Mapping[str, Any] = {
    **dict.fromkeys(("speedup", "speedup_low", "speedup_high"), "Float64"),
    **dict.fromkeys(("over", "over_caveat"), pd.StringDtype("python")),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One case: times in ns, `speedup` is the baseline's latency over this one's; None where not measured."""

    status: str
    reason: str | None
    latency_ns: float | None
    low_ns: float | None
    high_ns: float | None
    gops: float | None
    speedup: float | None
    speedup_span: tuple[float, float] | None = None
    over: str | None = None
    """The series that it is a speed-up over, and below what has to be said beside that ratio."""
    caveat: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    """By the key of a metric, and below the intervals of those that have one."""
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """All engines' cases of one workload, place (a device, and its run where that is not clear) and
    thread count."""

    workload: str
    place: str
    threads: int
    cells: dict[str, Cell]


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with two more columns: `series`, the engine with its variant, and with its ISA or build where
    one workload was run with several; and `place`, the device, with the run where it is in several. Names that are
    missing become `unknown`, and a missing thread count 1."""
    frame = named(frame)
    names = frame["engine"] + (" " + frame["variant"]).fillna("")
    for extra in (frame["isa"], frame["engine_build"].str[:8]):
        keys = pd.DataFrame({"name": names, **{k: frame[k] for k in ("run_id", "workload", "device", "threads")}})
        twins = set(names[keys.duplicated(keep=False)])
        names = names.where(~names.isin(twins), names + (" " + extra).fillna(""))
    frame["series"] = names
    runs = frame.groupby("device")["run_id"].transform("nunique")
    frame["place"] = frame["device"].where(runs == 1, frame["device"] + " (" + frame["run_id"] + ")")
    return frame


def with_speedup(frame: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """The labelled frame with the speed-up of each row within its workload, place and thread count: the latency of
    `baseline` (an engine or series), or of the slowest, over the row's own. Missing where there is nothing to compare.

    `speedup_low` and `speedup_high` are what the intervals of the two latencies allow, `over` is the series that it is
    a speed-up over, and `over_caveat` what has to be said of the two beside the ratio; missing in that one's row."""
    frame = labelled(frame)
    timed = frame[frame["latency_ns"].notna()]
    rivals = timed
    if baseline is not None:
        rivals = timed[equal(timed["series"], baseline) | equal(timed["engine"], baseline)]
    slowest: dict[tuple[str, ...], dict[Any, Any]] = {}
    for row in rivals.to_dict("records"):
        known = slowest.setdefault(_line_of(row), row)
        if row["latency_ns"] > known["latency_ns"]:
            slowest[_line_of(row)] = row
    counts = Counter(_line_of(row) for row in timed.to_dict("records"))
    speedups = [_speedup(row, slowest.get(_line_of(row)), counts[_line_of(row)]) for row in frame.to_dict("records")]
    for name, kind in _SPEEDUP.items():
        frame[name] = pd.Series([speedup.get(name, pd.NA) for speedup in speedups], index=frame.index, dtype=kind)
    return frame


def _line_of(row: dict[Any, Any]) -> tuple[str, ...]:
    return str(row["workload"]), str(row["place"]), str(row["threads"])


def _speedup(row: dict[Any, Any], rival: dict[Any, Any] | None, rivals: int) -> dict[str, Any]:
    if rival is None or rivals < 2 or pd.isna(row["latency_ns"]):
        return {}
    ratio = {"speedup": rival["latency_ns"] / row["latency_ns"]}
    if row["series"] == rival["series"]:
        return ratio
    ends = span(*((item["latency_low_ns"], item["latency_high_ns"]) for item in (rival, row)))
    if ends is not None:
        ratio |= {"speedup_low": ends[0], "speedup_high": ends[1]}
    message = caveats(row, rival)
    return {**ratio, "over": str(rival["series"]), "over_caveat": message or pd.NA}


def caveats(row: dict[Any, Any], rival: dict[Any, Any]) -> str:
    """What has to be said beside a ratio of two rows, of the one that it is over first; empty for nothing."""
    found = []
    for one, name in ((rival, ""), (row, f"{row['series']}: ")):
        words = [UNVERIFIED] if one["status"] == "unverified" else []
        words += [] if pd.isna(one["caveat"]) else [str(one["caveat"])]
        found += [f"{name}{word}" for word in words]
    return "; ".join(found)


def lines(frame: pd.DataFrame, baseline: str | None = None) -> Iterator[Line]:
    """The frame's rows as lines, workloads in their order of appearance, each with its places and thread
    counts."""
    order: dict[str, dict[tuple[str, int], dict[str, Cell]]] = {}
    for row in with_speedup(frame, baseline).to_dict("records"):
        spots = order.setdefault(str(row["workload"]), {})
        spots.setdefault((str(row["place"]), int(row["threads"])), {})[str(row["series"])] = _cell(row)
    for workload, spots in order.items():
        for (place, threads), cells in spots.items():
            yield Line(workload, place, threads, cells)


def gops_interval(row: Mapping[Any, Any]) -> tuple[float, float]:
    """The interval of a timed row's GOPS, which is that of its latency turned over; both ends are the figure itself
    where it has none."""
    gops = float(row["gops"])
    latency, low, high = (_number(row[name]) for name in ("latency_ns", "latency_low_ns", "latency_high_ns"))
    return (gops * latency / high, gops * latency / low) if latency and low and high else (gops, gops)


def series_of(frame: pd.DataFrame) -> list[str]:
    """The names of the series of a labelled frame, in their order of appearance."""
    return [str(name) for name in frame["series"].unique()]


def summary(frame: pd.DataFrame) -> str:
    """How many of the cases are proven, and what became of the others. Unstable ones are proven: their
    output is right, only their time is not to be relied on."""
    statuses = frame["status"].value_counts().to_dict()
    skipped = statuses.pop("skipped", 0)
    total = sum(statuses.values())
    proven = sum(statuses.get(status, 0) for status in PROVEN)
    text = f"{proven} of {total} case{'' if total == 1 else 's'} proven"
    text += ": outputs equal the reference" if proven else ""
    words = {
        "wrong_output": "wrong output",
        "failed": "failed",
        "unverified": "unverified",
        "unstable": "unstable",
    }
    others = [f"{statuses[status]} {word}" for status, word in words.items() if statuses.get(status)]
    if skipped:
        others.append(f"{skipped} skipped")
    return "; ".join([text, ", ".join(others)]) if others else text


def _cell(row: dict[Any, Any]) -> Cell:
    return Cell(
        status=str(row["status"]),
        reason=None if pd.isna(row["reason"]) else str(row["reason"]),
        latency_ns=_number(row["latency_ns"]),
        low_ns=_number(row["latency_low_ns"]),
        high_ns=_number(row["latency_high_ns"]),
        gops=_number(row["gops"]),
        speedup=_number(row["speedup"]),
        speedup_span=None if pd.isna(row["speedup_low"]) else (float(row["speedup_low"]), float(row["speedup_high"])),
        over=None if pd.isna(row["over"]) else str(row["over"]),
        caveat=None if pd.isna(row["over_caveat"]) else str(row["over_caveat"]),
        figures={
            metric.key: figure for metric in METRICS.values() if (figure := _number(row.get(metric.column))) is not None
        },
        intervals={
            metric.key: (low, high)
            for metric in METRICS.values()
            if (low := _number(row.get(metric.low))) is not None and (high := _number(row.get(metric.high))) is not None
        },
    )


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
