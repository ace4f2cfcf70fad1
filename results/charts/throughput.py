"""Throughput against the size of the op, under the roof that the device's own popcount instructions set."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.charts import style
from bnnbench.results.charts.chart import Chart, ChartContext
from bnnbench.results.charts.decades import decades
from bnnbench.results.charts.legend import legend
from bnnbench.results.charts.per_workload import LOG_FROM
from bnnbench.results.engine_table import gops_interval, labelled, series_of
from bnnbench.results.printable import shorten
from bnnbench.results.records import Peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Shares of the axis that a roof's label of two lines needs.
_LABEL_GAP = 0.105


def height(frame: pd.DataFrame, width: float) -> float:
    """Inches that the chart needs at a width in inches."""
    return 4.4 if width >= 6.0 else 4.0


def gops_by_size(frame: pd.DataFrame, roofs: Sequence[Peak] = (), ax: "Axes | None" = None) -> "Axes":
    """Draws GOPS over binary multiply-accumulates of every timed case of `frame`, and each roof as a line.

    Of several roofs with one device, ISA and thread count the highest is drawn. Raises ValueError when no
    case has GOPS.
    """
    cases = labelled(frame)
    cases = cases[cases["gops"].notna() & cases["macs_1bit"].notna()]
    if cases.empty:
        raise ValueError("no case has a throughput to draw")
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(8.0, height(frame, 8.0))).subplots()
    figure = ax.get_figure(root=True)
    width = float(figure.get_figwidth()) if figure is not None else 8.0
    tints = style.colours(series_of(labelled(frame)))
    tracks = [
        (str(row["place"]), int(row["threads"]))
        for row in cases[["place", "threads"]].drop_duplicates().to_dict("records")
    ]
    highest = _highest(roofs, set(cases["device"]))
    figures = [*cases["gops"].astype(float), *highest.values()]
    logarithmic = max(figures) / min(figures) > LOG_FROM
    ax.set_xscale("log")
    if logarithmic:
        ax.set_yscale("log")
        ax.set_ylim(min(figures) / 1.6, max(figures) * 1.5)
    else:
        ax.set_ylim(0.0, max(figures) * 1.08)
    for row in cases.to_dict("records"):
        marker = style.MARKERS[tracks.index((str(row["place"]), int(row["threads"]))) % len(style.MARKERS)]
        tint = tints[str(row["series"])].light
        ax.plot([float(row["macs_1bit"])] * 2, gops_interval(row), color=tint, linewidth=1.6, alpha=0.5, zorder=3)
        ax.plot(
            float(row["macs_1bit"]),
            float(row["gops"]),
            marker,
            color=tint,
            markersize=7,
            markeredgecolor=style.SURFACE.light,
            zorder=4,
        )
    decades(ax.xaxis, cases["macs_1bit"].max() / cases["macs_1bit"].min(), width)
    _roofs(ax, highest, logarithmic, len(tracks) > 1)
    ax.margins(x=0.06)
    ax.xaxis.set_major_formatter(lambda value, _: quantity.tick(quantity.count(value)))
    ax.yaxis.set_major_formatter(lambda value, _: quantity.significant(value, 1) if value else "0")
    ax.xaxis.set_minor_formatter(lambda *_: "")
    ax.yaxis.set_minor_formatter(lambda *_: "")
    ax.grid(axis="both", color=style.GRID.light)
    ax.set_axisbelow(True)
    ax.set_xlabel("binary multiply-accumulates" + (" of one execution (log scale)" if width >= 6.0 else ""))
    ax.set_ylabel("GOPS" + (" (log scale)" if logarithmic else ""))
    legend(ax, tints, tracks)
    return ax


def _highest(roofs: Sequence[Peak], devices: set[str]) -> dict[tuple[str, str, int], float]:
    """The best popcount roof of each device, ISA and thread count, highest first."""
    best: dict[tuple[str, str, int], float] = {}
    for roof in roofs:
        if roof.popcount_gops and roof.device in devices:
            key = (roof.device, roof.isa or "", roof.threads)
            best[key] = max(best.get(key, 0.0), roof.popcount_gops)
    return dict(sorted(best.items(), key=lambda item: -item[1]))


def _roofs(ax: "Axes", highest: dict[tuple[str, str, int], float], logarithmic: bool, several: bool) -> None:
    """Lines across, named at the right; names that would touch move down and a thin line leads to them."""
    many_threads = len({threads for _, _, threads in highest}) > 1
    lowest_free = 1.0
    for (device, isa, threads), gops in highest.items():
        ax.axhline(gops, color=style.MUTED.light, linewidth=1.1, linestyle=(0, (4, 3)), zorder=3)
        at = _share(ax, gops, logarithmic)
        label_at = min(at, lowest_free)
        lowest_free = label_at - _LABEL_GAP
        words = [shorten(device, 16)] if several else []
        words += [shorten(isa, 12)] if isa else []
        words += [f"{threads} thr"] if many_threads else []
        ax.annotate(
            f"{' '.join(words) or 'roof'}\n{quantity.rate(gops)}",
            xy=(1.0, at),
            xytext=(1.025, label_at),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            size=7,
            color=style.MUTED.light,
            annotation_clip=False,
            parse_math=False,
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0.0, 0.5),
                "color": style.MUTED.light,
                "linewidth": 0.7,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )


def _share(ax: "Axes", value: float, logarithmic: bool) -> float:
    """Where `value` is on the y axis, from 0 to 1."""
    low, high = ax.get_ylim()
    if logarithmic:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)


def _draw(frame: pd.DataFrame, context: ChartContext, ax: "Axes") -> "Axes":
    return gops_by_size(frame, context.roofs, ax)


def _suits(frame: pd.DataFrame, roofs: Sequence[Peak]) -> bool:
    return bool(frame["gops"].notna().any())


CHART = Chart(
    "throughput",
    "Throughput by size",
    "Dashed lines are roofs: the most that the popcount instructions of a device can do.",
    _draw,
    height,
    _suits,
    shows_roofs=True,
)
