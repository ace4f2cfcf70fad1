"""Runs side by side, case by case, and ratios of two. No verdict: between two runs lie drift and other noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnnbench.results.certainty import latency_text, short_trust
from bnnbench.results.columns import equal
from bnnbench.results.printable import shorten

_LIKE = {
    "device": "device",
    "device_model": "kind of device",
    "engine": "engine",
    "variant": "variant",
    "isa": "ISA level",
    "threads": "number of threads",
    "dataset_sha256": "dataset",
}
"""Columns in which two cases must agree to be compared -> what they are called."""

Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A case that both runs have, with the intervals of its latencies, None where there is none; `ratio` is the head's
    latency over the base's, and `low` to `high` is what the two intervals allow."""

    workload: str
    engine: str
    device: str
    threads: int
    base_ns: float
    head_ns: float
    base_interval_ns: tuple[float, float] | None
    head_interval_ns: tuple[float, float] | None
    low: float | None
    high: float | None
    base: str = ""
    head: str = ""
    """Both sides in words, each with its interval: `2.89 ms (2.57-4.31)`."""
    trust: str = ""
    """How far both can be believed: `low: VM, load`, or one after the other where they differ."""

    @property
    def ratio(self) -> float:
        return self.head_ns / self.base_ns


@dataclass(frozen=True, slots=True)
class RunComparison:
    """What could be compared, and each case of the head that could not, with the reason."""

    ratios: list[Ratio]
    unlike: list[tuple[str, str]]

    @property
    def refused(self) -> list[str]:
        """A sentence for each that could not be compared."""
        return [f"{name}: {reason}" for name, reason in self.unlike]


def compare(base: pd.DataFrame, head: pd.DataFrame) -> RunComparison:
    """Frames of one run each, of `bnnbench.results.load`."""
    ratios: list[Ratio] = []
    unlike: list[tuple[str, str]] = []
    candidates = base.to_dict("records")
    for row in head.to_dict("records"):
        same_name = [candidate for candidate in candidates if _text(candidate["workload"]) == _text(row["workload"])]
        name = f"{_text(row['workload'])} on {_text(row['engine'])}"
        if not same_name:
            unlike.append((name, "the base has no such workload"))
            continue
        nearest = min(same_name, key=lambda item: len(_differences(item, row)))
        if differences := _differences(nearest, row):
            unlike.append((name, f"the runs differ in {'; '.join(differences)}"))
        elif pd.isna(row["latency_ns"]) or pd.isna(nearest["latency_ns"]):
            side, of = ("head", row) if pd.isna(row["latency_ns"]) else ("base", nearest)
            unlike.append((name, f"the {side} has no time, it is {str(of['status']).replace('_', ' ')}"))
        else:
            ratios.append(_ratio(nearest, row))
    return RunComparison(ratios, unlike)


def joined(frames: Sequence[pd.DataFrame]) -> list[list[Row | None]]:
    """The rows of frames of one run each, case by case in their order of appearance: of each case the row of every
    frame, None where the frame has no such case. Skipped cases are none.

    A case that failed has no ISA level, and another data set is no other case: its times can be compared.
    """
    found: dict[tuple[str, ...], list[list[Row | None]]] = {}
    for place, frame in enumerate(frames):
        for row in frame[~equal(frame["status"], "skipped")].to_dict("records"):
            lines = found.setdefault(tuple(_text(row[column]) for column in _CASE), [])
            line = next((line for line in lines if line[place] is None and _is_like(row, line)), None)
            if line is None:
                line = list[Row | None]([None] * len(frames))
                lines.append(line)
            line[place] = row
    return [line for lines in found.values() for line in lines]


_CASE = ("workload", "device", "engine", "variant", "threads")
_WHERE_KNOWN = ("isa", "device_model")


def _is_like(row: Row, others: Sequence[Row | None]) -> bool:
    known = [(row[column], other[column]) for other in others if other is not None for column in _WHERE_KNOWN]
    return all(pd.isna(mine) or pd.isna(theirs) or mine == theirs for mine, theirs in known)


def span(of: tuple[Any, Any], over: tuple[Any, Any]) -> tuple[float, float] | None:
    """Which ratios the intervals (low, high) of two figures allow; None where an end is missing or no figure.

    It holds the ratio of the true figures where both intervals hold theirs: of two with 98.4 %, with 96.8 % at least.
    """
    if any(pd.isna(end) for end in (*of, *over)) or float(over[0]) <= 0:
        return None
    return float(of[0]) / float(over[1]), float(of[1]) / float(over[0])


def _differences(row: Row, other: Row) -> list[str]:
    return [
        f"{word}: {shorten(_text(row[column]), 24)} and {shorten(_text(other[column]), 24)}"
        for column, word in _LIKE.items()
        if _text(row[column]) != _text(other[column])
    ]


def _text(value: Any) -> str:
    return "none" if pd.isna(value) else str(value)


def _interval(row: Row) -> tuple[float, float] | None:
    low, high = row["latency_low_ns"], row["latency_high_ns"]
    return None if pd.isna(low) or pd.isna(high) else (float(low), float(high))


def _ratio(base: Row, head: Row) -> Ratio:
    intervals = [_interval(item) for item in (base, head)]
    low, high = (None, None)
    if intervals[0] is not None and intervals[1] is not None:
        low, high = span(intervals[1], intervals[0]) or (None, None)
    return Ratio(
        workload=_text(head["workload"]),
        engine=_text(head["engine"]),
        device=_text(head["device"]),
        threads=1 if pd.isna(head["threads"]) else int(head["threads"]),
        base_ns=float(base["latency_ns"]),
        head_ns=float(head["latency_ns"]),
        base_interval_ns=intervals[0],
        head_interval_ns=intervals[1],
        low=low,
        high=high,
        base=latency_text(base),
        head=latency_text(head),
        trust="; ".join(dict.fromkeys(short_trust(row) for row in (base, head))),
    )
