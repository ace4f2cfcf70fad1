"""Two runs side by side, case by case: ratios of their latencies. No verdict: between two runs lie drift and other
noise."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from bnnbench.results.certainty import latency_text, short_trust
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
    base: str = ""
    head: str = ""
    """Both sides in words, each with its interval: `2.89 ms (2.57-4.31)`."""
    trust: str = ""
    """How far both can be believed: `low: VM, load`, or one after the other where they differ."""

    @property
    def ratio(self) -> float:
        return self.head_ns / self.base_ns


@dataclass(frozen=True, slots=True)
class Comparison:
    """What could be compared, and each case of the head that could not, with the reason."""

    ratios: list[Ratio]
    unlike: list[tuple[str, str]]

    @property
    def refused(self) -> list[str]:
        """A sentence for each that could not be compared."""
        return [f"{name}: {reason}" for name, reason in self.unlike]


def compare(base: pd.DataFrame, head: pd.DataFrame) -> Comparison:
    """Frames of one run each, of `bnnbench.results.load`."""
    ratios: list[Ratio] = []
    unlike: list[tuple[str, str]] = []
    candidates = base.to_dict("records")
    for row in head.to_dict("records"):
        same_name = [one for one in candidates if _text(one["workload"]) == _text(row["workload"])]
        name = f"{_text(row['workload'])} on {_text(row['engine'])}"
        if not same_name:
            unlike.append((name, "the base has no such workload"))
            continue
        nearest = min(same_name, key=lambda one: len(_differences(one, row)))
        if differences := _differences(nearest, row):
            unlike.append((name, f"the runs differ in {'; '.join(differences)}"))
        elif pd.isna(row["latency_ns"]) or pd.isna(nearest["latency_ns"]):
            side, of = ("head", row) if pd.isna(row["latency_ns"]) else ("base", nearest)
            unlike.append((name, f"the {side} has no time, it is {str(of['status']).replace('_', ' ')}"))
        else:
            ratios.append(_ratio(nearest, row))
    return Comparison(ratios, unlike)


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
        base=latency_text(base),
        head=latency_text(head),
        trust="; ".join(dict.fromkeys(short_trust(row) for row in (base, head))),
    )
