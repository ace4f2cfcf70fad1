"""A metric of each workload: a dot per engine on one line per device, joined so that the gap shows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bnnbench.results.charts import style
from bnnbench.results.charts.chart import Chart, ChartContext
from bnnbench.results.charts.decades import decades
from bnnbench.results.charts.legend import legend
from bnnbench.results.columns import equal, named
from bnnbench.results.engine_table import Line, labelled, lines, series_of
from bnnbench.results.metric import Metric
from bnnbench.results.models import require_one_data_set
from bnnbench.results.printable import printable, shorten
from bnnbench.results.records import Peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# From this ratio of the largest to the smallest on, equal steps mean equal factors.
LOG_FROM = 30.0
# Below this width (inches) names stand above their lines instead of beside them.
_WIDE = 6.0
_SHARE, _MOST_ROOM = 0.58, 0.6
"""Of a wide figure, its axis; of the axis, the most that is left for words."""
_LETTER, _BEFORE = 0.062, 0.15
"""Inches of a letter, and before the first one."""
_AS_PLANNED = {"skipped", "not measured"}
_ROW, _GAP, _NAME, _FRAME = 0.17, 0.12, 0.17, 1.05


def metric_chart(
    metric: Metric,
    caption: str = "One line per workload and device, one dot per engine.",
    axis: str | None = None,
    in_report: bool = False,
) -> Chart:
    """The chart of one metric; `axis` is what its figures are called below the chart, where the title does not do."""

    def draw(frame: pd.DataFrame, context: ChartContext, ax: "Axes") -> "Axes":
        return metric_per_workload(frame, metric, ax, axis)

    def suits(frame: pd.DataFrame, roofs: Sequence[Peak]) -> bool:
        return bool(frame[metric.column].notna().any())

    def needed(frame: pd.DataFrame, width: float) -> float:
        return height(_shown(frame, metric), width)

    title = f"{metric.label[:1].upper()}{metric.label[1:]} per workload"
    of_times = metric.is_time
    return Chart(
        *(metric.slug, title, caption, draw, needed, suits),
        in_report=in_report,
        is_of_times=of_times,
        per_data_set=metric.in_points,
    )


def _shown(frame: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """What can have a figure: an emulated device has no times, and no one planned what was skipped on all engines."""
    frame = frame[~equal(frame["emulated"], True)] if metric.is_time else frame
    tried = named(frame)
    line = [tried[name] for name in ("workload", "device", "threads", "run_id")]
    return frame[(~equal(tried["status"], "skipped")).groupby(line).transform("any").astype(bool)]


def height(frame: pd.DataFrame, width: float) -> float:
    """Inches that the chart needs at a width in inches."""
    every = list(lines(_one_place(frame)))
    workloads = len({line.workload for line in every})
    return _FRAME + _ROW * len(every) + workloads * (_GAP + (_NAME if width < _WIDE else 0.0))


def metric_per_workload(
    frame: pd.DataFrame, metric: Metric, ax: "Axes | None" = None, axis: str | None = None
) -> "Axes":
    """Draws the figure of every case of `frame` (of `bnnbench.results.load`), with whiskers from low to high.

    A case without a figure is written where its dot would be, in red what went wrong. Raises ValueError when no case
    has one.
    """
    frame = _one_place(_shown(frame, metric))
    if metric.in_points:
        require_one_data_set(frame)
    every = list(lines(frame))
    figures = frame[metric.column].dropna().astype(float)
    if figures.empty:
        raise ValueError(f"no case has a {'time' if metric.is_paired else metric.label} to draw")
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(8.0, height(frame, 8.0))).subplots()
    width = _width(ax)
    names = series_of(labelled(frame))
    tints = style.colours(names)
    tracks = list(dict.fromkeys((line.place, line.threads) for line in every))
    logarithmic = metric.is_logarithmic and figures.min() > 0 and figures.max() / figures.min() > LOG_FROM
    if logarithmic:
        ax.set_xscale("log")
        decades(ax.xaxis, figures.max() / figures.min(), width)
    top = _rows(ax, every, width < _WIDE)
    for line, y in top:
        _line(ax, line, y, metric, tints, style.MARKERS[tracks.index((line.place, line.threads)) % len(style.MARKERS)])
    longest = max((len(_missing(line, metric)[0]) for line in every), default=0)
    _limits(ax, frame, metric, logarithmic, _SHARE * width if width >= _WIDE else width, longest)
    ax.xaxis.set_major_formatter(lambda value, _: metric.tick(value))
    ax.xaxis.set_minor_formatter(lambda *_: "")
    ax.grid(axis="x", color=style.GRID.light)
    ax.set_axisbelow(True)
    ax.set_xlabel((axis or metric.title) + (" (log scale)" if logarithmic else ""))
    legend(ax, tints, tracks)
    return ax


def _one_place(frame: pd.DataFrame) -> pd.DataFrame:
    """Without run ids where every case is in one run only: then a device is one place."""
    keys = ["device", "engine", "variant", "engine_build", "isa", "threads", "workload"]
    return frame if frame.duplicated(keys).any() else frame.assign(run_id="")


def _width(ax: "Axes") -> float:
    figure = ax.get_figure(root=True)
    return float(figure.get_figwidth()) if figure is not None else _WIDE


def _rows(ax: "Axes", every: list[Line], narrow: bool) -> list[tuple[Line, float]]:
    """Places the lines from top to bottom, in inches, and names the workloads."""
    placed: list[tuple[Line, float]] = []
    y, ticks, labels = 0.0, [], []
    workloads = list(dict.fromkeys(line.workload for line in every))
    for index, workload in enumerate(workloads):
        own = [line for line in every if line.workload == workload]
        extent = _GAP + _ROW * len(own) + (_NAME if narrow else 0.0)
        if index % 2 == 0:
            ax.axhspan(y, y + extent, color=style.BAND.light, linewidth=0, zorder=0)
        first = y + _GAP / 2 + (_NAME if narrow else 0.0)
        if narrow:
            middle = y + _GAP / 2 + _NAME / 2
            ax.text(
                0.008,
                middle,
                shorten(workload, 46),
                transform=ax.get_yaxis_transform(),
                va="center",
                size=7.5,
                parse_math=False,
            )
        for offset, line in enumerate(own):
            placed.append((line, first + _ROW * (offset + 0.5)))
        ticks.append(first + _ROW * len(own) / 2)
        labels.append(shorten(workload, 44))
        y += extent
    ax.set_ylim(y, 0.0)
    ax.set_yticks([] if narrow else ticks, labels=[] if narrow else labels, parse_math=False)
    return placed


def _line(ax: "Axes", line: Line, y: float, metric: Metric, tints: dict[str, style.Colour], marker: str) -> None:
    figures = {name: cell.figures[metric.key] for name, cell in line.cells.items() if metric.key in cell.figures}
    values = list(figures.values())
    if len(values) > 1:
        ax.hlines(y, min(values), max(values), color=style.LINK.light, linewidth=1.6, zorder=2)
    for name, figure in figures.items():
        tint = tints[name].light
        if metric.key in line.cells[name].intervals:
            ax.hlines(y, *line.cells[name].intervals[metric.key], color=tint, linewidth=3, zorder=3)
        ax.plot(
            figure,
            y,
            marker,
            color=tint,
            markersize=6,
            markeredgecolor=style.SURFACE.light,
            zorder=4,
        )
    missing, wrong = _missing(line, metric)
    if missing:
        anchor: Any = (max(values), y) if values else (0.008, y)
        ax.annotate(
            missing,
            anchor,
            xycoords="data" if values else ax.get_yaxis_transform(),
            xytext=(8 if values else 0, 0),
            textcoords="offset points",
            va="center",
            size=7,
            color=style.ALARM.light if wrong else style.MUTED.light,
            parse_math=False,
        )


def _missing(line: Line, metric: Metric) -> tuple[str, bool]:
    """What is said of cells without a figure, empty for none; and whether something went wrong in one of them."""
    statuses = {
        name: "not measured" if cell.status == "ok" else cell.status
        for name, cell in line.cells.items()
        if metric.key not in cell.figures
    }
    text = ", ".join(f"{name}: {status.replace('_', ' ')}" for name, status in statuses.items())
    return printable(text), not _AS_PLANNED.issuperset(statuses.values())


def _limits(ax: "Axes", frame: pd.DataFrame, metric: Metric, logarithmic: bool, inches: float, letters: int) -> None:
    """`inches` is how wide the axis is, about; `letters` is how long the longest words are that stand behind a dot."""
    ends = frame[[name for name in (metric.column, metric.low, metric.high) if name]].astype("Float64")
    low, high = float(ends.min().min()), float(ends.max().max()) or 1.0
    # Room at the right for the words of what was not measured.
    share = min(_MOST_ROOM, (_LETTER * letters + _BEFORE) / inches) if letters else 0.0
    room = max(0.05, share * 1.05 / (1 - share))
    if logarithmic:
        factor = high / low
        ax.set_xlim(low / factor**0.05, high * factor**room)
    else:
        ax.set_xlim(0.0, high * (1 + room))
