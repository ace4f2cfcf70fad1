"""The samples of one workload by engine: which share of them took at most so long (empirical distribution function).

A steep line is an engine whose samples agree; a step in it is a second mode, a long end at the right are outliers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from bnnbench.results.charts import style
from bnnbench.results.charts.chart import Chart, ChartContext
from bnnbench.results.charts.decades import decades
from bnnbench.results.charts.legend import legend
from bnnbench.results.engine_table import PROVEN, labelled, series_of
from bnnbench.results.metrics import METRICS
from bnnbench.results.printable import shorten
from bnnbench.results.records import Peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LATENCY = METRICS["latency"]
_LOG_FROM = 3.0
_MOST_STEPS = 500  # of a line; more than a page has dots
_CASE = ["run_id", "device", "engine", "variant", "threads", "workload"]


def height(frame: pd.DataFrame, width: float) -> float:
    """Inches that the chart needs at a width in inches."""
    return min(3.8, max(2.9, 0.45 * width))


def can_be_drawn(frame: pd.DataFrame, roofs: Sequence[Peak]) -> bool:
    """Whether one workload was timed with the right output."""
    return int(_cases(frame)["workload"].nunique()) == 1


def ecdf(frame: pd.DataFrame, invocations: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draws the samples of the cases of `frame`, from the rows of `bnnbench.results.load_invocations`; a marker stands
    at the median.

    Raises ValueError when no case has samples, or when they are of several workloads.
    """
    cases = _cases(frame)
    workloads = [str(name) for name in cases["workload"].unique()]
    if len(workloads) > 1:
        names = ", ".join(shorten(name, 40) for name in workloads)
        raise ValueError(f"it shows one workload; choose one of {names} by --where \"workload == '...'\"")
    lines = _samples(cases, invocations)
    if not lines:
        raise ValueError("no case has samples to draw")
    if ax is None:
        from matplotlib.figure import Figure

        with style.applied():
            ax = Figure(figsize=(8.0, height(frame, 8.0))).subplots()
    figure = ax.get_figure(root=True)
    width = float(figure.get_figwidth()) if figure is not None else 8.0
    tints = style.colours(series_of(labelled(frame)))
    tracks = list(dict.fromkeys((place, threads) for _, place, threads in lines))
    for (series, place, threads), samples in lines.items():
        marker = style.MARKERS[tracks.index((place, threads)) % len(style.MARKERS)]
        _line(ax, samples, tints[series].light, marker)
    _axis(ax, min(line.iloc[0] for line in lines.values()), max(line.iloc[-1] for line in lines.values()), width)
    of_what = shorten(workloads[0], 40 if width < 6.0 else 90)
    ax.set_xlabel(f"{ax.get_xlabel()}\n{of_what}", parse_math=False)
    drawn = dict.fromkeys(series for series, _, _ in lines)
    legend(ax, {series: tints[series] for series in drawn}, tracks)
    return ax


def _cases(frame: pd.DataFrame) -> pd.DataFrame:
    """Those with a time that stands for a right output; an emulated device's have none."""
    cases = labelled(frame)
    return cases[cases[_LATENCY.column].notna() & cases["status"].isin(PROVEN)]


def _samples(cases: pd.DataFrame, invocations: pd.DataFrame) -> dict[tuple[str, str, int], "pd.Series[float]"]:
    """(series, place, threads) -> all samples in ns, the shortest first."""
    timed = invocations[invocations["status"].isin(PROVEN) & invocations["samples_ns"].notna()]
    of_case: dict[tuple[str, ...], list[float]] = {}
    for row in timed.to_dict("records"):
        of_case.setdefault(tuple(str(row[name]) for name in _CASE), []).extend(row["samples_ns"])
    found: dict[tuple[str, str, int], list[float]] = {}
    for row in cases.to_dict("records"):
        samples = [ns for ns in of_case.get(tuple(str(row[name]) for name in _CASE), []) if ns > 0]
        if samples:
            found.setdefault((str(row["series"]), str(row["place"]), int(row["threads"])), []).extend(samples)
    return {line: pd.Series(samples, dtype=float).sort_values(ignore_index=True) for line, samples in found.items()}


def _line(ax: "Axes", samples: "pd.Series[float]", tint: str, marker: str) -> None:
    count = len(samples)
    places = sorted({round(step * (count - 1) / _MOST_STEPS) for step in range(_MOST_STEPS + 1)})
    xs = [float(samples.iloc[0]), *(float(samples.iloc[place]) for place in places)]
    ax.step(xs, [0.0, *((place + 1) / count for place in places)], where="post", color=tint, linewidth=1.5, zorder=3)
    ax.plot(
        float(samples.median()), 0.5, marker, color=tint, markersize=6, markeredgecolor=style.SURFACE.light, zorder=4
    )


def _axis(ax: "Axes", low: float, high: float, width: float) -> None:
    logarithmic = high / low > _LOG_FROM
    if logarithmic:
        ax.set_xscale("log")
        ax.set_xlim(low / (high / low) ** 0.04, high * (high / low) ** 0.04)
        decades(ax.xaxis, high / low, width)
    else:
        margin = (high - low or high) * 0.06
        ax.set_xlim(low - margin, high + margin)
        ax.locator_params(axis="x", nbins=8 if width >= 6.0 else 4)
    ax.xaxis.set_major_formatter(lambda value, _: _LATENCY.tick(value))
    ax.xaxis.set_minor_formatter(lambda *_: "")
    ax.set_ylim(0.0, 1.03)
    ax.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], labels=["0", "25 %", "50 %", "75 %", "100 %"])
    ax.grid(axis="both", color=style.GRID.light)
    ax.set_axisbelow(True)
    ax.set_xlabel("latency of one execution" + (" (log scale)" if logarithmic else ""))
    ax.set_ylabel("share of the samples")


def _draw(frame: pd.DataFrame, context: ChartContext, ax: "Axes") -> "Axes":
    if context.invocations is None:
        raise ValueError("no case has samples to draw")
    return ecdf(frame, context.invocations(), ax)


CHART = Chart(
    "ecdf",
    "Samples by engine",
    "Share of the samples up to each latency, one line per engine; a marker shows the median. A steep line means that "
    "the samples of this engine agree.",
    _draw,
    height,
    can_be_drawn,
    in_report=False,
    of_one_run=True,
)
