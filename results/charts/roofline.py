"""A roofline: how near a device's own limits its cases come (Williams, Waterman, Patterson 2009, CACM 52:4).

Each case is a dot at its operations per byte that it has to move at least, and at its operations per second. Level
lines are what the popcount instructions (for f32 layers: the multiply-adds) can do, sloping ones what each level of the
memory can feed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.charts import style
from bnnbench.results.charts.chart import Chart, ChartContext
from bnnbench.results.charts.decades import decades
from bnnbench.results.charts.labels import Label, place
from bnnbench.results.charts.legend import legend
from bnnbench.results.columns import equal
from bnnbench.results.engine_table import gops_interval, labelled, series_of
from bnnbench.results.printable import shorten
from bnnbench.results.records import Peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEVELS = {"l1": "L1", "l2": "L2", "llc": "LLC", "dram": "DRAM"}
_RADIUS = 3.5
_ROOM = 1.9  # of the figures above the roof and beside the outermost dots, for names
_ALIKE = 1.15  # bandwidths so near each other are one line
_NAME_GAP = 10.0  # points between the middles of upright names
_NAME_ROOM = 76.0  # points that the longest of them takes
_STEPS = 60  # of a sloping line, which names keep off


def height(frame: pd.DataFrame, width: float) -> float:
    """Inches that the chart needs at a width in inches."""
    return 4.6 if width >= 6.0 else 4.2


def can_be_drawn(frame: pd.DataFrame, roofs: Sequence[Peak]) -> bool:
    """Whether it is one device's, with throughputs and roofs."""
    devices = set(_cases(frame)["device"])
    return len(devices) == 1 and bool(_of(roofs, devices.pop()))


def roofline(frame: pd.DataFrame, roofs: Sequence[Peak] = (), ax: "Axes | None" = None) -> "Axes":
    """Draws the kernels of one device, a model's layers among them, that were timed with one thread.

    Raises ValueError when there are none, when they are of several devices, or when no roof was measured there.
    """
    cases = _cases(frame)
    devices = sorted(set(cases["device"].astype(str)))
    if not devices:
        raise ValueError("no kernel was timed with one thread")
    if len(devices) > 1:
        raise ValueError(f"it shows one device; choose one of {', '.join(devices)} by --where \"device == '...'\"")
    peaks = _of(roofs, devices[0])
    if not peaks:
        raise ValueError(f"no roof was measured on {devices[0]}; bnnbench run measures them")
    if ax is None:
        from matplotlib.figure import Figure

        with style.applied():
            ax = Figure(figsize=(8.0, height(frame, 8.0))).subplots()
    figure = ax.get_figure(root=True)
    assert figure is not None
    width = float(figure.get_figwidth())
    levels = {isa: max(p.popcount_gops or 0.0 for p in peaks if (p.isa or "") == isa) for isa in _isas(peaks)}
    top = max(levels.values())
    f32 = max(p.fma_gflops or 0.0 for p in peaks)
    if f32 and (cases["macs_32bit"].fillna(0) > 0).any():
        int8 = max(p.int8_gops or 0.0 for p in peaks)
        levels |= {"f32": f32, **({"int8": int8} if int8 else {})}
        top = max(levels.values())
    reads = _reads(peaks)
    tints = style.colours(series_of(labelled(frame)))
    intensity = 2 * _macs(cases) / cases["bytes_moved"].astype(float)
    ridges = [top / bandwidth for _, bandwidth in reads]
    low = min([*intensity, *ridges]) / _ROOM
    share = min(0.6, _NAME_ROOM / max(1.0, 72.0 * width - _NAME_ROOM))
    high = max([max(intensity) * _ROOM, *((ridge / low) ** (share / (1 - share)) * ridge for ridge in ridges)])
    bottom = min([*cases["gops"].astype(float), *levels.values()]) / _ROOM
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(bottom, top * (top / bottom) ** _above(width)))
    for gops in levels.values():
        begin = gops / max((bandwidth for _, bandwidth in reads), default=math.inf)
        _line(ax, (max(begin, low), gops), (high, gops))
    for _, bandwidth in reads:
        _line(ax, (low, low * bandwidth), (top / bandwidth, top))
    _points(ax, cases.assign(x=intensity), tints)
    _axes(ax, high / low, top / bottom, width)
    legend(ax, tints, [(devices[0], 1)])
    style.settle(figure)
    uprights = _name_levels(ax, reads, top)
    names = [
        Label(high / 1.02, gops, 0.0, f"{shorten(isa, 12)} {quantity.rate(gops)}".strip())
        for isa, gops in levels.items()
    ]
    best = cases.assign(x=intensity).sort_values("gops", ascending=False)
    if width >= 6.0:
        names += [
            Label(float(row["x"]), float(row["gops"]), _RADIUS + 1.5, shorten(str(row["workload"]), 26))
            for row in best.drop_duplicates("workload").to_dict("records")
        ]
    taken = [(float(row["x"]), float(row["gops"])) for row in best.to_dict("records")]
    for _, bandwidth in reads:
        steps = [low * (top / bandwidth / low) ** (step / _STEPS) for step in range(_STEPS + 1)]
        taken += [(x, x * bandwidth) for x in steps]
    place(
        ax,
        names,
        [*((low, gops, high, gops) for gops in levels.values()), *((x, y, x, y) for x, y in taken), *uprights],
    )
    return ax


def _axes(ax: "Axes", across: float, up: float, width: float) -> None:
    """Ticks and names of both; the largest figure on them is so many times the smallest."""
    for axis, extent in ((ax.xaxis, across), (ax.yaxis, up)):
        decades(axis, extent, width)
        axis.set_major_formatter(lambda value, _: quantity.significant(value, 1))
        axis.set_minor_formatter(lambda *_: "")
    ax.grid(axis="both", color=style.GRID.light)
    ax.set_axisbelow(True)
    ax.set_xlabel("operations per byte" + (" that has to be moved (log scale)" if width >= 6.0 else ""))
    ax.set_ylabel("GOPS (log scale)")


def _points(ax: "Axes", cases: pd.DataFrame, tints: Mapping[str, style.Colour]) -> None:
    """A dot for each case, at its column `x`, and a line over its interval."""
    for row in cases.to_dict("records"):
        colour = tints[str(row["series"])].light
        ax.vlines(row["x"], *gops_interval(row), color=colour, linewidth=1.6, alpha=0.5, zorder=3)
        ax.plot(
            row["x"], float(row["gops"]), "o", color=colour, markersize=2 * _RADIUS,
            markeredgecolor=style.SURFACE.light, zorder=4,
        )  # fmt: skip


def _line(ax: "Axes", begin: tuple[float, float], end: tuple[float, float]) -> None:
    x, y = zip(begin, end, strict=True)
    ax.plot(x, y, color=style.MUTED.light, linewidth=1.1, linestyle=(0, (4, 3)), zorder=2)


def _name_levels(ax: "Axes", reads: Sequence[tuple[str, float]], top: float) -> list[tuple[float, float, float, float]]:
    """Upright above where the lines meet the roof; names that would touch move to the right. Returns the lines that
    other names must not cover."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    free, points, covered = -math.inf, 72.0 / figure.dpi, []
    for name, bandwidth in reads:
        at = float(ax.transData.transform((top / bandwidth, top))[0]) * points
        moved = max(at, free)
        free = moved + _NAME_GAP
        for side in (-_NAME_GAP / 2, 0.0, _NAME_GAP / 2):
            x = float(ax.transData.inverted().transform(((moved + side) / points, 0.0))[0])
            covered.append((x, top, x, ax.get_ylim()[1]))
        ax.annotate(
            f"{name} {bandwidth:.3g} GB/s",
            xy=(top / bandwidth, top),
            xytext=(moved - at, 7.0),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            size=7,
            color=style.MUTED.light,
            parse_math=False,
            arrowprops={
                "arrowstyle": "-", "color": style.MUTED.light, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0,
                "relpos": (0.5, 0.0),
            },
        ).set_in_layout(False)  # fmt: skip
    return covered


def _above(width: float) -> float:
    """How much longer than up to the roof the axis is, as a share: room for the names of the levels."""
    return _NAME_ROOM / (72.0 * (height(pd.DataFrame(), width) - 1.1) - _NAME_ROOM)


def _cases(frame: pd.DataFrame) -> pd.DataFrame:
    cases = labelled(frame)
    has = cases["gops"].notna() & (_macs(cases) > 0) & (cases["bytes_moved"].astype("Float64").fillna(0.0) > 0)
    return cases[has & equal(cases["kind"], "kernel") & equal(cases["threads"], 1)]


def _macs(cases: pd.DataFrame) -> "pd.Series[float]":
    return cases["macs_1bit"].fillna(0).astype(float) + cases["macs_32bit"].fillna(0).astype(float)


def _of(roofs: Sequence[Peak], device: str) -> list[Peak]:
    return [peak for peak in roofs if peak.device == device and peak.threads in (None, 1) and peak.popcount_gops]


def _isas(peaks: Sequence[Peak]) -> list[str]:
    return list(dict.fromkeys(peak.isa or "" for peak in peaks))


def _reads(peaks: Sequence[Peak]) -> list[tuple[str, float]]:
    """Levels of the memory with the most that each was read at, in GB/s; those that are alike are one."""
    found: list[tuple[str, float]] = []
    for level, name in _LEVELS.items():
        bandwidth = max((peak.read_gb_s.get(level) or 0.0 for peak in peaks if peak.read_gb_s), default=0.0)
        if not bandwidth:
            continue
        if found and found[-1][1] / bandwidth < _ALIKE:
            found[-1] = (f"{found[-1][0]}, {name}", max(found[-1][1], bandwidth))
        else:
            found.append((name, bandwidth))
    return found


def _draw(frame: pd.DataFrame, context: ChartContext, ax: "Axes") -> "Axes":
    return roofline(frame, context.roofs, ax)


CHART = Chart(
    "roofline",
    "Roofline",
    "Kernels and layers by the operations that they do on each byte they must move at least, one thread. The level "
    "line is the most that the popcount instructions can do, sloping ones are what each level of the memory can feed: "
    "the nearer to the lower of them, the less is left to gain.",
    _draw,
    height,
    can_be_drawn,
    per_device=True,
    of_one_run=True,
    shows_roofs=True,
)
