"""Two runs side by side, case by case: ratios of their latencies. No verdict: between two runs lie drift and other
noise."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

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


@dataclass(frozen=True, slots=True)
class Ratio:
    """A case that both runs have; `ratio` is the head's latency over the base's."""

    workload: str
    engine: str
    device: str
    threads: int
    base_ns: float
    head_ns: float
    overlap: bool
    """Whether the intervals of the two overlap."""

    @property
    def ratio(self) -> float:
        return self.head_ns / self.base_ns


@dataclass(frozen=True, slots=True)
class Comparison:
    """What could be compared, and a sentence for each case of the head that could not."""

    ratios: list[Ratio]
    refused: list[str]


def compare(base: pd.DataFrame, head: pd.DataFrame) -> Comparison:
    """Frames of one run each, of `bnnbench.results.load`."""
    ratios, refused = [], []
    candidates = base.to_dict("records")
    for row in head.to_dict("records"):
        same_name = [one for one in candidates if _text(one["workload"]) == _text(row["workload"])]
        name = f"{_text(row['workload'])} on {_text(row['engine'])}"
        if not same_name:
            refused.append(f"{name}: the base has no such workload")
            continue
        nearest = min(same_name, key=lambda one: len(_differences(one, row)))
        unlike = _differences(nearest, row)
        if unlike:
            refused.append(f"{name}: the runs differ in {'; '.join(unlike)}")
        elif pd.isna(row["latency_ns"]) or pd.isna(nearest["latency_ns"]):
            side, of = ("head", row) if pd.isna(row["latency_ns"]) else ("base", nearest)
            refused.append(f"{name}: the {side} has no time, it is {of['status']}")
        else:
            ratios.append(_ratio(nearest, row))
    return Comparison(ratios, refused)


def _differences(one: dict[Any, Any], other: dict[Any, Any]) -> list[str]:
    return [
        f"{word}: {shorten(_text(one[column]), 24)} and {shorten(_text(other[column]), 24)}"
        for column, word in _LIKE.items()
        if _text(one[column]) != _text(other[column])
    ]


def _text(value: Any) -> str:
    return "none" if pd.isna(value) else str(value)


def _ratio(base: dict[Any, Any], head: dict[Any, Any]) -> Ratio:
    known = not any(pd.isna(one[name]) for one in (base, head) for name in ("latency_low_ns", "latency_high_ns"))
    apart = known and (
        head["latency_low_ns"] > base["latency_high_ns"] or head["latency_high_ns"] < base["latency_low_ns"]
    )
    return Ratio(
        workload=_text(head["workload"]),
        engine=_text(head["engine"]),
        device=_text(head["device"]),
        threads=1 if pd.isna(head["threads"]) else int(head["threads"]),
        base_ns=float(base["latency_ns"]),
        head_ns=float(head["latency_ns"]),
        overlap=known and not apart,
    )
