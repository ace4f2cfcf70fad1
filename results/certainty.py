"""A median with how sure it is, in the same words on every line that shows one: its interval, its trust, and why.

`2.89 ms (2.57-4.31), low trust: VM, load`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.metric import Metric
from bnnbench.results.statistics.level import Level, coverage, depth


def median_with_interval(row: Mapping[Any, Any], plain: bool = False) -> str:
    """The latency of a row of `bnnbench.results.load`, its interval, its trust and what lowers it; nothing where none
    was measured."""
    return ", ".join(part for part in (latency_text(row, plain), trust_text(row)) if part)


def latency_text(row: Mapping[Any, Any], plain: bool = False) -> str:
    """`2.89 ms (2.57-4.31)`: the latency of a row with its interval; nothing where none was measured."""
    value = _number(row, "latency_ns")
    if value is None:
        return ""
    n = _number(row, "latency_n")
    return duration_text(
        value, _number(row, "latency_low_ns"), _number(row, "latency_high_ns"), None if n is None else int(n), plain
    )


def figure_text(row: Mapping[Any, Any], metric: Metric) -> str:
    """A row's figure for a metric with its interval: `88.65 % (88.01-89.26)`; nothing where none was measured."""
    if metric.column == "latency_ns":
        return latency_text(row)
    value = _number(row, metric.column)
    if value is None:
        return ""
    low, high = (_number(row, end) if end else None for end in (metric.low, metric.high))
    if low is None or high is None:
        return metric.text(value)
    if metric.between is not None:
        return metric.between(value, low, high)
    return f"{metric.text(value)} ({metric.text(low).removesuffix(' %')}-{metric.text(high).removesuffix(' %')})"


def duration_text(
    ns: float,
    low: float | None,
    high: float | None,
    n: int | None = None,
    plain: bool = False,
    what: str = "invocation",
) -> str:
    """A median in ns with its interval, or why it has none; `n` figures were there, None where that is not known."""
    if n == 1:
        return f"{quantity.duration(ns, plain)} (no interval: 1 {what})"
    if low is None or high is None:
        return f"{quantity.duration(ns, plain)} (no interval)"
    return quantity.duration_between(ns, low, high, plain)


def level_text(level: Level, plain: bool = False, what: str = "invocation") -> str:
    """A level in ns with its interval, as `duration_text`."""
    return duration_text(level.value, level.low, level.high, level.n, plain, what)


def trust_text(row: Mapping[Any, Any]) -> str:
    """`low trust: VM, load`; nothing where a row has no times."""
    grade, words = _text(row, "trust"), _text(row, "trust_words")
    return trust_words(grade, words.split("; ") if words else ()) if grade else ""


def short_trust(row: Mapping[Any, Any]) -> str:
    """`low: VM, load`, under a heading that says what it is."""
    return trust_text(row).replace(" trust", "", 1)


def trust_words(grade: str, words: Iterable[str]) -> str:
    """`low trust: VM, load`."""
    return ": ".join(part for part in (f"{grade} trust", ", ".join(words)) if part)


def interval_meaning(counts: Iterable[Any], what: str = "invocation") -> str:
    """What the brackets behind medians of so many figures each are: `98 % interval of the median`."""
    known = sorted({int(n) for n in counts if not pd.isna(n) and n > 1})
    if not known:
        return ""
    shares = sorted({f"{coverage(n, depth(n)) * 100:.0f} %" for n in known}, key=lambda share: int(share.split()[0]))
    few = f", as few as {known[0]} {what}s" if known[0] < _ENOUGH else ""
    return f"in brackets: the {' to '.join(dict.fromkeys((shares[0], shares[-1])))} interval of the median{few}"


_ENOUGH = 7


def _number(row: Mapping[Any, Any], key: str) -> float | None:
    value = row.get(key)
    return None if value is None or pd.isna(value) else float(value)


def _text(row: Mapping[Any, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None or pd.isna(value) else str(value)
