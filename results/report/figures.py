"""A figure of the page with what stands beside it: its interval, and why it is not to be trusted more."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.doubts import doubt
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS

Record = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """`order` is None when it was not measured, and then it sorts last. `span` is its interval, `notes` what else has
    to be read with it."""

    text: str
    order: float | None = None
    span: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it on one line."""
        return ", ".join([f"{self.text} ({self.span})" if self.span else self.text, *self.notes])


MISSING = Figure("")


def figure_of(record: Record, metric: Metric, *notes: str) -> Figure:
    """A row's figure for a metric, with its interval where the metric has one."""
    value = real(record[metric.column])
    if value is None:
        return MISSING
    ends = interval(record, metric)
    return Figure(metric.text(value), value, "" if ends is None else span(*ends, metric.text), notes)


def main_figure(record: Record) -> Figure:
    """What a row is about, with the trust in it: its latency, or its instructions where these are counted instead."""
    for metric in METRICS.values():
        if metric.is_main and real(record[metric.column]) is not None:
            found = figure_of(record, metric, *doubt_of(record, metric))
            return found if metric.is_time else replace(found, text=f"{found.text} {metric.label}")
    return MISSING


def doubt_of(record: Record, metric: Metric) -> tuple[str, ...]:
    """Why a time is trusted less; nothing of what is no time."""
    message = doubt(record) if metric.is_time else None
    return () if message is None else (message,)


def interval(record: Record, metric: Metric) -> tuple[float, float] | None:
    """The ends of a row's interval; None where there is none."""
    if metric.low is None or metric.high is None:
        return None
    low, high = real(record[metric.low]), real(record[metric.high])
    return None if low is None or high is None else (low, high)


def span(low: float, high: float, text: Callable[[float], str]) -> str:
    """Both ends as `2.57–4.31 ms`, the unit once where it is the same."""
    first, last = text(low), text(high)
    unit = re.sub(r".*\d", "", first)
    return f"{first.removesuffix(unit) if last.endswith(unit) else first}–{last}"


def ratio(
    value: float,
    ends: tuple[float, float] | None,
    *notes: str,
    text: Callable[[float], str] = quantity.ratio,
) -> Figure:
    """A ratio as `5.7×` with what the intervals of its two figures allow."""
    return Figure(text(value), value, "" if ends is None else span(*ends, text), notes)


def speedup_of(record: Record) -> Figure:
    """Of a row of `with_speedup`: with its interval, what it is over, and what has to be said of that."""
    value, low, high = (real(record[name]) for name in ("speedup", "speedup_low", "speedup_high"))
    if value is None:
        return MISSING
    ends = None if low is None or high is None else (low, high)
    if pd.isna(record["over"]):
        return ratio(value, ends)
    message = "" if pd.isna(record["over_caveat"]) else f" ({record['over_caveat']})"
    return ratio(value, ends, f"over {record['over']}{message}")


def fine_ratio(value: float) -> str:
    """A ratio near 1, as `0.987×`."""
    return f"{quantity.significant(value)}×"


def real(value: object) -> float | None:
    """A figure of a frame; None where it is missing."""
    return None if pd.isna(value) else float(value)  # type: ignore[arg-type, call-overload]
