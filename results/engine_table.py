"""Engines side by side: which rows of a frame belong together, what they are called, and by how much they
differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bnnbench.results.columns import equal, named
from bnnbench.results.metrics import METRICS

PROVEN = ("ok", "unstable")


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
    """The labelled frame with a column `speedup`: the latency of `baseline` (an engine or series), or of
    the slowest, over the row's own, within a workload, place and thread count. Missing where there is
    nothing to compare."""
    frame = labelled(frame)
    keys = [frame["workload"], frame["place"], frame["threads"]]
    latency = frame["latency_ns"]
    rivals = latency
    if baseline is not None:
        rivals = latency.where(equal(frame["series"], baseline) | equal(frame["engine"], baseline))
    slowest = rivals.groupby(keys).transform("max")
    others = latency.groupby(keys).transform("count")
    frame["speedup"] = (slowest / latency).where(others > 1)
    return frame


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
