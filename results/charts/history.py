"""Each case over its runs: a row per case, its level before and after every change."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.charts import style
from bnnbench.results.charts.chart import Chart, ChartContext
from bnnbench.results.history import History, histories
from bnnbench.results.printable import shorten
from bnnbench.results.records import Peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 24
_WIDE = 6.0
_ROW, _NAME, _FRAME = 0.62, 0.2, 0.7
_LEAST_SPAN = 0.05
"""A row shows this much of a change at least, so that noise does not fill it."""


def height(frame: pd.DataFrame, width: float) -> float:
    """Inches that the chart needs."""
    return _FRAME + (_ROW + _NAME) * min(MOST_ROWS, len(histories(frame)))


def case_histories(frame: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draws latencies relative to the median of each case's runs, the cases that changed most on top.

    Raises ValueError when no case has a history.
    """
    rows = histories(frame)[:MOST_ROWS]
    if not rows:
        raise ValueError("no case was measured in three runs")
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(8.0, height(frame, 8.0))).subplots()
    runs = sorted({(moment, run) for row in rows for moment, run in zip(row.moments, row.run_ids, strict=True)})
    places = {run: place for place, (_, run) in enumerate(runs)}
    several = len({row.device for row in rows}) > 1
    tints = style.colours(dict.fromkeys(row.series for row in rows))
    for number, row in enumerate(rows):
        name = f"{row.name} · {row.device}" if several else row.name
        _row(ax, row, name, number * (_ROW + _NAME), places, tints[row.series].light, len(runs))
    ax.set_ylim(len(rows) * (_ROW + _NAME), -0.02)
    ax.set_yticks([])
    room = 0.22 if _width(ax) < _WIDE else 0.12
    ax.set_xlim(-0.02 * len(runs) - 0.2, (len(runs) - 1) * (1 + room) + 0.4)
    ax.set_xticks(*_dates([moment for moment, _ in runs], 3 if _width(ax) < _WIDE else 6))
    ax.set_xlabel("runs, oldest first")
    return ax


def _row(ax: "Axes", row: History, name: str, top: float, places: dict[str, int], tint: str, runs: int) -> None:
    x = [places[run] for run in row.run_ids]
    middle = float(pd.Series(row.values_ns).median())
    relative = [value / middle - 1 for value in row.values_ns]
    low, high = min(relative), max(relative)
    span = max(high - low, _LEAST_SPAN)
    base = (low + high) / 2

    def y(share: float) -> float:
        return top + _NAME + _ROW * (0.42 - 0.62 * (share - base) / span)

    ax.axhspan(top + 0.01, top + _NAME + _ROW - 0.03, color=style.BAND.light, linewidth=0, zorder=0)
    name = shorten(name, 46 if _width(ax) < _WIDE else 90)
    ax.text(
        0.008, top + _NAME / 2 + 0.02, name, transform=ax.get_yaxis_transform(), va="center", size=7.5, parse_math=False
    )
    ax.plot(x, [y(share) for share in relative], "-", color=style.LINK.light, linewidth=1, zorder=2)
    ax.plot(x, [y(share) for share in relative], "o", color=tint, markersize=3.2, zorder=3)
    edges = [0, *(change.at for change in row.changes), len(x)]
    for begin, end in pairwise(edges):
        level = float(pd.Series(relative[begin:end]).median())
        ax.hlines(y(level), x[begin], x[end - 1], color=tint, linewidth=2.2, alpha=0.55, zorder=1)
    for change in row.changes:
        at = (x[change.at] + x[change.at - 1]) / 2
        ax.vlines(at, top + _NAME, top + _NAME + _ROW - 0.08, color=style.ALARM.light, linewidth=1, zorder=2)
        ax.text(
            at,
            top + _NAME + _ROW - 0.085,
            f"  {(change.after / change.before - 1) * 100:+.1f} %  ",
            va="center",
            ha="left" if at < 0.8 * runs else "right",
            size=7,
            color=style.ALARM.light,
        )
    ax.text(x[-1] + 0.015 * runs + 0.12, y(relative[-1]), quantity.duration(row.values_ns[-1]), va="center", size=7.5)


def _dates(moments: list[pd.Timestamp], most: int) -> tuple[list[int], list[str]]:
    """Evenly spread ticks, each with its day."""
    count = min(most, len(moments))
    at = sorted({round(i * (len(moments) - 1) / max(count - 1, 1)) for i in range(count)})
    labels = [f"{moments[place]:%d %b %Y}" for place in at]
    return at, [label if place == 0 or label != labels[place - 1] else "" for place, label in enumerate(labels)]


def _width(ax: "Axes") -> float:
    figure = ax.get_figure(root=True)
    return float(figure.get_figwidth()) if figure is not None else _WIDE


def _draw(frame: pd.DataFrame, context: ChartContext, ax: "Axes") -> "Axes":
    return case_histories(frame, ax)


def _suits(frame: pd.DataFrame, roofs: Sequence[Peak]) -> bool:
    return bool(histories(frame))


CHART = Chart(
    "history",
    "Over runs",
    "Latency of each case over its runs, those that changed most on top. A vertical line is a change point: the "
    "figures before and after it differ with at least 99 %. Days lie between runs, so this shows less than a "
    "comparison does.",
    _draw,
    height,
    _suits,
    shows_every_run=True,
)
