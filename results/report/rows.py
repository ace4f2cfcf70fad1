"""The rows of the page's table: what is shown, and what it is sorted by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.charts import style
from bnnbench.results.columns import equal
from bnnbench.results.doubts import doubts
from bnnbench.results.engine_table import UNVERIFIED, gops_interval, with_speedup
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Peak
from bnnbench.results.report.figures import MISSING, Figure, figure_of, main_figure, real, span, speedup_of

_Roof = tuple[str, str, str, int]
"""Run id, device, ISA level and threads."""
_LEAST_FILLED = 0.5
"""A column has figures in so many of its rows at least; those of others stand below the workload's name."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of figures; narrow windows show those that are `main`."""

    name: str
    style: str = "wide"


@dataclass(frozen=True, slots=True)
class Row:
    """One case; `colour` is the CSS variable of its engine, `leads` says that it is the fastest of its line;
    `figures` are those of the table's columns, `more` what has no column."""

    workload: str
    place: str
    threads: int
    engine: str
    colour: str
    isa: str
    figures: list[Figure]
    more: list[str]
    status: str
    doubts: list[str]
    leads: bool


@dataclass(frozen=True, slots=True)
class Table:
    """Every case that was tried; `skipped` were not."""

    columns: list[Column]
    rows: list[Row]
    skipped: int
    several_places: bool
    several_threads: bool


def table(frame: pd.DataFrame, peaks: Mapping[str, Sequence[Peak]] = MappingProxyType({})) -> Table:
    """Of a frame of `bnnbench.results.load`, in its order. `peaks` are the roofs by run id: a case is held against
    those of its own run."""
    compared = with_speedup(frame)
    tints = style.colours([str(name) for name in compared["series"].unique()])
    skipped = equal(compared["status"], "skipped")
    tried = compared[~skipped]
    keys = [tried["workload"], tried["place"], tried["threads"]]
    fastest = tried["latency_ns"].groupby(keys).transform("min")
    records = tried.to_dict("records")
    roofs = _roofs(peaks)
    figures = [_figures(record, roofs) for record in records]
    filled = {
        column: sum(bool(figure[column].text) for figure in figures) / len(figures)
        for column in (figures[0] if figures else ())
    }
    kept = [column for column, share in filled.items() if share >= _LEAST_FILLED or (share and column.style != "wide")]
    rows = [
        Row(
            workload=str(record["workload"]),
            place=str(record["place"]),
            threads=int(record["threads"]),
            engine=str(record["series"]),
            colour=f"var(--chart-{tints[str(record['series'])].role})",
            isa="" if pd.isna(record["isa"]) else str(record["isa"]),
            figures=[own[column] for column in kept],
            more=[
                *([UNVERIFIED] if record["status"] == "unverified" else []),
                *(
                    f"{column.name.lower()} {value.sentence}"
                    for column, value in own.items()
                    if column not in kept and value.text
                ),
            ],
            status=str(record["status"]).replace("_", " "),
            doubts=doubts(record),
            leads=(real(record["speedup"]) or 0.0) > 1.005 and record["latency_ns"] == best,
        )
        for record, own, best in zip(records, figures, fastest, strict=True)
    ]
    return Table(
        columns=kept,
        rows=rows,
        skipped=int(skipped.sum()),
        several_places=len({row.place for row in rows}) > 1,
        several_threads=len({row.threads for row in rows}) > 1,
    )


_MAIN = Column("Measured", "latency")
_SPEEDUP = Column("Speed-up", "gain")
_GOPS, _ROOF = Column("GOPS"), Column("Of roof")
_OTHERS = {metric.key: Column(metric.word.capitalize()) for metric in METRICS.values() if metric.in_tables}


def _figures(record: dict[Any, Any], roofs: dict[_Roof, float]) -> dict[Column, Figure]:
    """All that can be said of a case, by column."""
    main, gops = main_figure(record), real(record["gops"])
    isa = "" if pd.isna(record["isa"]) else str(record["isa"])
    roof = roofs.get((str(record["run_id"]), str(record["device"]), isa, int(record["threads"])), 0.0)
    is_counted = real(record["latency_ns"]) is None
    return {
        _MAIN: main,
        _SPEEDUP: speedup_of(record),
        _GOPS: _gops(record, gops),
        _ROOF: Figure(quantity.percentage(gops / roof), gops / roof) if gops and roof else MISSING,
        **{
            column: MISSING if METRICS[key].is_main and is_counted else figure_of(record, METRICS[key])
            for key, column in _OTHERS.items()
        },
    }


def _gops(record: dict[Any, Any], gops: float | None) -> Figure:
    """Its interval is that of the latency, turned over."""
    if gops is None:
        return MISSING
    low, high = gops_interval(record)
    return Figure(quantity.significant(gops), gops, span(low, high, quantity.significant) if low < high else "")


def _roofs(peaks: Mapping[str, Sequence[Peak]]) -> dict[_Roof, float]:
    roofs: dict[_Roof, float] = {}
    for run_id, measured in peaks.items():
        for peak in measured:
            key = (run_id, peak.device, peak.isa or "", peak.threads)
            roofs[key] = max(roofs.get(key, 0.0), peak.popcount_gops or 0.0)
    return roofs
