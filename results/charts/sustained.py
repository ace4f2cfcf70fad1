"""Latency over time of models that ran on and on, the clock and the temperature below.

A dashed line is the knee, its band the interval; a dotted level is the equilibrium with its interval at the right end.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING

import pandas as pd

from bnnbench.results.charts import style
from bnnbench.results.charts.chart import Chart, ChartContext
from bnnbench.results.metrics import METRICS
from bnnbench.results.printable import printable, shorten
from bnnbench.results.records import Peak, Window
from bnnbench.results.sustained import Sustained, celsius, clock, sustained

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LATENCY = METRICS["latency"]
_MOST_LINES, _LONG_S = 6, 300.0
_TINTS = (*style.ENGINES.values(), *style.OTHERS)


def height(frame: pd.DataFrame, width: float) -> float:
    """Inches that the chart needs at a width in inches."""
    return min(5.2, max(3.6, 0.62 * width))


def can_be_drawn(frame: pd.DataFrame, roofs: Sequence[Peak]) -> bool:
    """It needs windows, which no frame has: it is drawn when it is asked for."""
    return False


def over_time(cases: Sequence[Sustained], ax: "Axes") -> "Axes":
    """Draws the windows of the cases. Raises ValueError when there are none, or too many cases."""
    drawn = [one for one in cases if one.windows]
    if not drawn:
        raise ValueError("no case ran on and on; run bnnbench sustain")
    if len(drawn) > _MOST_LINES:
        raise ValueError(f"it shows at most {_MOST_LINES} cases, and there are {len(drawn)}; choose by --where")
    unit = 60.0 if max(one.seconds for one in drawn) >= _LONG_S else 1.0
    several = len({one.case.device for one in drawn}) > 1
    for one, tint in zip(drawn, _TINTS, strict=False):
        _line(ax, one, tint.light, unit, several)
    low = min(min(_typical(one)) for one in drawn)
    high = max(max(_typical(one)) for one in drawn)
    margin = 0.25 * (high - low) + 0.02 * high
    ax.set_ylim(max(0.0, low - margin), high + margin)
    ax.yaxis.set_major_formatter(lambda value, _: _LATENCY.tick(value))
    ax.set_ylabel("latency")
    ax.grid(axis="both", color=style.GRID.light)
    ax.set_axisbelow(True)
    ax.legend(loc="best", fontsize=7.5, frameon=False)
    bottom = ax
    readings: tuple[tuple[str, Callable[[Window], float | None], float], ...] = (
        ("clock, GHz", clock, 1e-9),
        ("hottest, °C", celsius, 1.0),
    )
    for label, read, factor in readings:
        bottom = _below(ax, bottom, drawn, label, read, factor, unit) or bottom
    bottom.set_xlabel("minutes since the start" if unit > 1 else "seconds since the start")
    return ax


def _typical(one: Sustained) -> list[float]:
    """Medians of runs of windows, so that a single disturbed one does not stretch the axis."""
    values = [window.median_ns or 0.0 for window in one.windows]
    return [median(values[at : at + 5]) for at in range(0, len(values), 5)]


def _line(ax: "Axes", one: Sustained, tint: str, unit: float, several: bool) -> None:
    times = [(window.begin_s + window.end_s) / 2 / unit for window in one.windows]
    where = f", {one.case.device}" if several else ""
    name = printable(shorten(f"{one.case.workload}, {one.case.engine}{where}", 60))
    ax.plot(times, [window.median_ns or 0.0 for window in one.windows], color=tint, linewidth=1.1, label=name, zorder=3)
    fall = one.fall
    if fall is None or not fall.is_reliable:
        return
    last, end = fall.equilibrium, one.seconds / unit
    if fall.knee is not None:
        ax.axvline(fall.knee.value / unit, color=tint, linestyle="--", linewidth=0.9, zorder=2)
        ax.axvspan(fall.knee.low / unit, fall.knee.high / unit, color=tint, alpha=0.15, linewidth=0, zorder=1)
    ax.axhline(last.value, color=tint, linestyle=":", linewidth=0.9, zorder=2)
    ax.plot([end * 1.01] * 2, [last.low, last.high], color=tint, linewidth=3, solid_capstyle="butt", zorder=4)


def _below(
    ax: "Axes",
    above: "Axes",
    drawn: Sequence[Sustained],
    label: str,
    read: Callable[[Window], float | None],
    factor: float,
    unit: float,
) -> "Axes | None":
    """A strip with a reading, where any window has it."""
    from mpl_toolkits.axes_grid1 import make_axes_locatable  # type: ignore[import-untyped]

    lines = [
        (
            [
                ((one.begin_s + one.end_s) / 2 / unit, value * factor)
                for one in item.windows
                if (value := read(one)) is not None
            ]
        )
        for item in drawn
    ]
    if not any(lines):
        return None
    if above is ax:
        ax.sustained_divider = make_axes_locatable(ax)  # type: ignore[attr-defined]
    strip: Axes = ax.sustained_divider.append_axes("bottom", size="32%", pad=0.12, sharex=ax)  # type: ignore[attr-defined]
    for points, tint in zip(lines, _TINTS, strict=False):
        if points:
            strip.plot(*zip(*points, strict=True), color=tint.light, linewidth=1.0)
    strip.set_ylabel(label)
    strip.grid(axis="both", color=style.GRID.light)
    strip.set_axisbelow(True)
    above.tick_params(labelbottom=False)
    return strip


def _draw(frame: pd.DataFrame, context: ChartContext, ax: "Axes") -> "Axes":
    wanted = {
        (str(row["run_id"]), str(row["device"]), str(row["engine"]), str(row["workload"]), int(row["threads"]))
        for row in frame.to_dict("records")
    }
    cases = [
        one
        for run in (context.runs() if context.runs is not None else ())
        for one in sustained(run).values()
        if (run.record.run_id, one.case.device, one.case.engine, one.case.workload, one.case.threads) in wanted
    ]
    return over_time(cases, ax)


CHART = Chart(
    "sustained",
    "Latency while running on and on",
    "Median latency of each window of time, and below the clock and the temperature where they can be read. Dashed: "
    "where the fall of speed begins, with its interval of 95 %; dotted: the level that lasts, its interval at the end.",
    _draw,
    height,
    can_be_drawn,
    in_report=False,
    of_one_run=True,
)
