"""Two runs side by side, case by case: ratios of their latencies. No verdict: between two runs lie drift and other
noise."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

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
        same_name = [one for one in candidates if one["workload"] == row["workload"]]
        name = f"{row['workload']} on {row['engine']}"
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
        f"{word}: {_shown(one[column])} and {_shown(other[column])}"
        for column, word in _LIKE.items()
        if _shown(one[column]) != _shown(other[column])
    ]


def _shown(value: Any) -> str:
    return "none" if pd.isna(value) else str(value)[:24]


def _ratio(base: dict[Any, Any], head: dict[Any, Any]) -> Ratio:
    apart = head["latency_low_ns"] > base["latency_high_ns"] or head["latency_high_ns"] < base["latency_low_ns"]
    return Ratio(
        workload=str(head["workload"]),
        engine=str(head["engine"]),
        device=str(head["device"]),
        threads=int(head["threads"]),
        base_ns=float(base["latency_ns"]),
        head_ns=float(head["latency_ns"]),
        overlap=not apart,
    )
