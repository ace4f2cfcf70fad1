"""The columns of the frames with their pandas types: the contract of docs/store.md."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bnnbench.results.metrics import METRICS

_TEXT, _WHOLE, _REAL, _TRUTH, _TIME, _OBJECT = (
    "string",
    "Int64",
    "Float64",
    "boolean",
    "datetime64[us, UTC]",
    "object",
)

_COLUMNS: Mapping[str, str] = {
    "run_id": _TEXT,
    "created": _TIME,
    "commit": _TEXT,
    "device": _TEXT,
    "device_model": _TEXT,
    "emulated": _TRUTH,
    "boot_id": _TEXT,
    "engine": _TEXT,
    "variant": _TEXT,
    "engine_build": _TEXT,
    "isa": _TEXT,
    "workload": _TEXT,
    "kind": _TEXT,
    "op": _TEXT,
    "threads": _WHOLE,
    "status": _TEXT,
    "reason": _TEXT,
    "trust": _TEXT,
    "trust_reasons": _TEXT,
    "trust_words": _TEXT,
    "rounding": _TEXT,
    "confirmed_by": _TEXT,
    "latency_ns": _REAL,
    "latency_low_ns": _REAL,
    "latency_high_ns": _REAL,
    "latency_n": _WHOLE,
    "p90_ns": _REAL,
    "first_ns": _REAL,
    "first_low_ns": _REAL,
    "first_high_ns": _REAL,
    "load_ns": _REAL,
    "load_low_ns": _REAL,
    "load_high_ns": _REAL,
    "gops": _REAL,
    "macs_1bit": _WHOLE,
    "macs_32bit": _WHOLE,
    "bytes_moved": _WHOLE,
    "size_bytes": _WHOLE,
    "plan_sha256": _TEXT,
    "arena_bytes": _WHOLE,
    "peak_rss_bytes": _WHOLE,
    "instructions": _REAL,
    "energy_mj": _REAL,
    "accuracy": _REAL,
    "accuracy_low": _REAL,
    "accuracy_high": _REAL,
    "accuracy_n": _WHOLE,
    "accuracy_top5": _REAL,
    "compared": _WHOLE,
    "differing": _WHOLE,
    "dataset": _TEXT,
    "dataset_sha256": _TEXT,
    "reason_code": _TEXT,
    "caveat": _TEXT,
    "comparison": _TRUTH,
}

CASE_COLUMNS: Mapping[str, str] = {
    **_COLUMNS,
    **{
        name: _WHOLE if metric.is_whole else _REAL
        for metric in METRICS.values()
        for name in (metric.column, metric.low, metric.high)
        if name is not None and name not in _COLUMNS
    },
}
"""Those of a metric that has none here come last."""

INVOCATION_COLUMNS: Mapping[str, str] = {
    **{name: CASE_COLUMNS[name] for name in list(CASE_COLUMNS)[: list(CASE_COLUMNS).index("status")]},
    "case_id": _TEXT,
    "index": _WHOLE,
    "order": _WHOLE,
    "pair": _WHOLE,
    "status": _TEXT,
    "reason": _TEXT,
    "started": _TIME,
    "median_ns": _REAL,
    "mean_ns": _REAL,
    "p90_ns": _REAL,
    "first_ns": _REAL,
    "load_ns": _REAL,
    "iterations": _WHOLE,
    "samples_ns": _OBJECT,
    "each_ns": _OBJECT,
    "deadline_ns": _REAL,
    "start_warm_ns": _REAL,
    "start_dropped_ns": _REAL,
    "extras_note": _TEXT,
    "warmup_samples_ns": _OBJECT,
    "clock_hz": _OBJECT,
    "start_ns": _WHOLE,
    "end_ns": _WHOLE,
    "run_request_ns": _REAL,
    "wall_ns": _REAL,
    "cpus_used": _OBJECT,
    "counters": _OBJECT,
    "counters_error": _TEXT,
    "watch": _OBJECT,
    "telemetry": _OBJECT,
    "arena_bytes": _WHOLE,
    "peak_rss_bytes": _WHOLE,
    "output_sha256": _TEXT,
    "stderr": _TEXT,
}


_NAMELESS = dict.fromkeys(("workload", "engine", "device", "run_id", "status"), "unknown")


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with `unknown` for names that are missing, and 1 for a missing thread count."""
    names = {**_NAMELESS, "threads": 1}
    missing = {name: names[name] for name in names.keys() & set(frame.columns) if frame[name].isna().any()}
    return frame.fillna(missing) if missing else frame.copy(deep=False)


def equal(column: "pd.Series[Any]", value: object) -> "pd.Series[bool]":
    """Whether each row has this value; a missing one has not."""
    return (column == value).fillna(False).astype(bool)


def build(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """A frame with exactly these columns and types; a key that a row lacks, or None, is missing in the
    frame."""
    records = list(rows)
    series: dict[str, pd.Series[Any]] = {}
    for name, kind in columns.items():
        values: list[Any] = [row.get(name) for row in records]
        if kind == _TIME:
            times = pd.to_datetime(values, utc=True, format="ISO8601", errors="coerce")
            series[name] = pd.Series(times.as_unit("us"))
        elif kind == _OBJECT:
            series[name] = pd.Series([pd.NA if value is None else value for value in values], dtype=object)
        else:
            # Strings kept by Python: masks of Arrow's with missing values do not combine with those of numbers.
            series[name] = pd.Series(values, dtype=pd.StringDtype("python") if kind == _TEXT else kind)
    return pd.DataFrame(series, columns=list(columns))
