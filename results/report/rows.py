"""The rows of the page's table: what is shown, and what it is sorted by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.charts import style
from bnnbench.results.engine_table import with_speedup
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Peak

OTHERS = tuple(metric for metric in METRICS.values() if metric.in_tables)
"""What has a column where it was measured, beside latency."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the table; `order` is None when it was not measured, and then it sorts last."""

    text: str
    order: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One case; `colour` is the CSS variable of its engine, `leads` says that it is the fastest of its
    line; `others` are the figures of `OTHERS`."""

    workload: str
    place: str
    threads: int
    engine: str
    colour: str
    isa: str
    latency: Figure
    interval: Figure
    gops: Figure
    roof: Figure
    speedup: Figure
    others: tuple[Figure, ...]
    energy: Figure
    status: str
    reason: str
    trust: str
    doubts: tuple[str, ...]
    leads: bool


def rows(frame: pd.DataFrame, peaks: Sequence[Peak] = ()) -> list[Row]:
    """A row for every case of a frame of `bnnbench.results.load`, in its order."""
    compared = with_speedup(frame)
    tints = style.colours([str(name) for name in compared["series"].unique()])
    roofs: dict[tuple[str, str, int], float] = {}
    for peak in peaks:
        key = (peak.device, peak.isa or "", peak.threads)
        roofs[key] = max(roofs.get(key, 0.0), peak.popcount_gops or 0.0)
    keys = [compared["workload"], compared["place"], compared["threads"]]
    fastest = compared["latency_ns"].groupby(keys).transform("min")
    told = []
    for record, best in zip(compared.to_dict("records"), fastest, strict=True):
        isa = "" if pd.isna(record["isa"]) else str(record["isa"])
        roof = roofs.get((str(record["device"]), isa, int(record["threads"])), 0.0)
        latency, gops, speedup = (_real(record[name]) for name in ("latency_ns", "gops", "speedup"))
        told.append(
            Row(
                workload=str(record["workload"]),
                place=str(record["place"]),
                threads=int(record["threads"]),
                engine=str(record["series"]),
                colour=f"var(--chart-{tints[str(record['series'])].role})",
                isa=isa,
                latency=Figure("", None) if latency is None else Figure(quantity.duration(latency), latency),
                interval=_interval(latency, _real(record["latency_low_ns"]), _real(record["latency_high_ns"])),
                gops=Figure("", None) if gops is None else Figure(quantity.significant(gops), gops),
                roof=Figure(quantity.percentage(gops / roof), gops / roof) if gops and roof else Figure("", None),
                speedup=Figure("", None) if speedup is None else Figure(quantity.ratio(speedup), speedup),
                others=tuple(_figure(_real(record[metric.column]), metric.text) for metric in OTHERS),
                energy=_figure(_real(record["energy_mj"]), lambda mj: f"{quantity.significant(mj)} mJ"),
                trust="" if pd.isna(record["trust"]) else str(record["trust"]),
                doubts=() if pd.isna(record["trust_reasons"]) else tuple(str(record["trust_reasons"]).split("; ")),
                status=str(record["status"]).replace("_", " "),
                reason="" if pd.isna(record["reason"]) else str(record["reason"]),
                leads=speedup is not None and latency == best and speedup > 1.005,
            )
        )
    return told


def _figure(value: float | None, text: Callable[[float], str]) -> Figure:
    return Figure("", None) if value is None else Figure(text(value), value)


def _interval(latency: float | None, low: float | None, high: float | None) -> Figure:
    if not latency or low is None or high is None:
        return Figure("", None)
    return Figure(f"{quantity.duration(low)} – {quantity.duration(high)}", (high - low) / latency)


def _real(value: object) -> float | None:
    return None if pd.isna(value) else float(value)  # type: ignore[arg-type, call-overload]
