"""Models by two objectives, with the front that nothing beats; a third objective may be the size of the dots.

Filled dots were measured here, with boxes for their intervals; hollow ones are figures that others published.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from bnnbench.results.charts import style
from bnnbench.results.charts.chart import Chart, ChartContext
from bnnbench.results.charts.decades import decades
from bnnbench.results.charts.labels import Label, place
from bnnbench.results.charts.legend import legend
from bnnbench.results.columns import equal
from bnnbench.results.engine_table import labelled, series_of
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import OBJECTIVES
from bnnbench.results.models import CHOICE, choices, data_sets, require_one_data_set
from bnnbench.results.pareto import pareto
from bnnbench.results.printable import shorten
from bnnbench.results.records import Peak

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGEST_AREA = 420.0
_AREA = 42.0
_LOG_FROM = 3.0
_FEW_DECADES = 30.0


def tradeoff_chart(name: str, title: str, objectives: tuple[str, ...], caption: str) -> Chart:
    """The chart of two or three objectives."""

    def draw(frame: pd.DataFrame, context: ChartContext, ax: "Axes") -> "Axes":
        return tradeoff(frame, objectives, ax, context.published)

    def suits(frame: pd.DataFrame, roofs: Sequence[Peak]) -> bool:
        return can_be_drawn(frame, objectives)

    return Chart(
        name,
        title,
        caption,
        draw,
        height,
        suits,
        per_data_set=is_rated(objectives),
        is_of_times=any(OBJECTIVES[objective].is_time for objective in objectives),
        objectives=objectives,
        shows_every_run=True,  # a model's figures may be of several; `choices` takes the newest of each
    )


def size_accuracy(frame: pd.DataFrame, ax: "Axes | None" = None, published: pd.DataFrame | None = None) -> "Axes":
    """Accuracy by the size of the model file. ValueError when no model has both."""
    return tradeoff(frame, ("size", "accuracy"), ax, published)


def latency_accuracy(frame: pd.DataFrame, ax: "Axes | None" = None, published: pd.DataFrame | None = None) -> "Axes":
    """Accuracy by latency. ValueError when no model has both."""
    return tradeoff(frame, ("latency", "accuracy"), ax, published)


def size_latency(frame: pd.DataFrame, ax: "Axes | None" = None, published: pd.DataFrame | None = None) -> "Axes":
    """Latency by the size of the model file. ValueError when no model has both."""
    return tradeoff(frame, ("size", "latency"), ax, published)


def three_objectives(frame: pd.DataFrame, ax: "Axes | None" = None, published: pd.DataFrame | None = None) -> "Axes":
    """Accuracy by latency, and the size of the file as the area of the dots. ValueError when no model has all."""
    return tradeoff(frame, ("latency", "accuracy", "size"), ax, published)


def height(frame: pd.DataFrame, width: float) -> float:
    """Inches that the chart needs at a width."""
    return min(4.6, max(3.1, 0.52 * width))


def is_rated(objectives: Sequence[str]) -> bool:
    """Whether one of them is of a data set."""
    return any(OBJECTIVES[name].in_points for name in objectives)


def can_be_drawn(frame: pd.DataFrame, objectives: Sequence[str]) -> bool:
    """Whether two models at least have all these figures: a front of one says nothing."""
    found = choices(frame)
    if is_rated(objectives) and len(data_sets(found)) > 1:
        return False
    columns = [OBJECTIVES[name].column for name in objectives]
    return int(found.loc[found[columns].notna().all(axis=1), "workload"].nunique()) > 1


def tradeoff(
    frame: pd.DataFrame,
    objectives: Sequence[str],
    ax: "Axes | None" = None,
    published: pd.DataFrame | None = None,
) -> "Axes":
    """Draws the choices of a frame of `bnnbench.results.load`: x, y, and perhaps the area of the dots.

    `published` is a frame in the same columns with the status `published`. The front is that of the objectives shown,
    measured and published apart, each device by itself. Published accuracies are shown beside measured ones of their
    data set only. Raises ValueError when there is nothing to draw, and for accuracies of several data sets.
    """
    x, y, *area = (OBJECTIVES[name] for name in objectives)
    rated = is_rated(objectives)
    measured = _front(_choices(frame, rated), objectives)
    others = _front(_beside(published, measured, rated), objectives) if published is not None else measured.iloc[:0]
    every = pd.concat([part for part in (measured, others) if len(part)] or [measured], ignore_index=True)
    if every.empty:
        raise ValueError(f"no model has {' and '.join(OBJECTIVES[name].title for name in objectives)}")
    if ax is None:
        from matplotlib.figure import Figure

        with style.applied():
            ax = Figure(figsize=(8.0, height(frame, 8.0))).subplots()
    figure = ax.get_figure(root=True)
    assert figure is not None
    width = float(figure.get_figwidth())
    every = labelled(every.assign(run_id=""))  # a choice is a device's, not a run's
    tints = style.colours(series_of(every))
    tracks = [
        (str(row["place"]), int(row["threads"]))
        for row in every[["place", "threads"]]
        .astype({"threads": "Int64"})
        .fillna({"threads": 1})
        .drop_duplicates()
        .to_dict("records")
    ]
    largest = max((float(value) for value in every[area[0].column]), default=1.0) if area else 1.0
    _axes(ax, every, x, y, width)
    every["dot"] = _AREA if not area else (every[area[0].column] * (_LARGEST_AREA / largest)).clip(lower=14.0)
    for row in every.to_dict("records"):
        at = (float(row[x.column]), float(row[y.column]))
        track = tracks.index((str(row["place"]), 1 if pd.isna(row["threads"]) else int(row["threads"])))
        _mark(
            ax, row, at, tints[str(row["series"])].light, style.MARKERS[track % len(style.MARKERS)], (x, y), bool(area)
        )
    lines: list[tuple[float, float, float, float]] = []
    for _, part in every.groupby(["place", every["status"] == "published"], sort=False):
        if not area:
            lines += _staircase(ax, part[part["on_front"].fillna(False)], x, y)
    legend(ax, tints, tracks, hollow="published, not measured here" if len(others) else None)
    style.settle(figure)
    place(ax, _labels(every, x, y, area), lines)
    return ax


def _choices(frame: pd.DataFrame, rated: bool) -> pd.DataFrame:
    """Those of one data set; ValueError when accuracies are of several. A choice once where none are shown."""
    found = choices(frame)
    if not rated:
        return found.drop_duplicates(list(CHOICE)).reset_index(drop=True)
    require_one_data_set(found)
    return found


def _beside(published: pd.DataFrame, measured: pd.DataFrame, rated: bool) -> pd.DataFrame:
    """Published figures that may share an axis with the measured ones."""
    if not rated or measured.empty:
        return published
    (name, _), *_ = data_sets(measured)
    return published[equal(published["dataset"], name)].reset_index(drop=True)


def _front(frame: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    models = pareto(frame, objectives)
    return models[models["on_front"].notna()].reset_index(drop=True)


def _axes(ax: "Axes", every: pd.DataFrame, x: Metric, y: Metric, width: float) -> None:
    for objective, axis, scale in ((x, ax.xaxis, ax.set_xscale), (y, ax.yaxis, ax.set_yscale)):
        low, high = _extent(every, objective)
        span = high / low if low > 0 else 1.0
        logarithmic = objective.is_logarithmic and span > _LOG_FROM
        if logarithmic:
            scale("log")
        limits = ax.set_xlim if axis is ax.xaxis else ax.set_ylim
        if logarithmic:
            limits(low / span**0.1 / 1.08, high * span**0.1 * 1.08)
            decades(axis, span, 8.0 if span < _FEW_DECADES else width)
            axis.set_minor_formatter(lambda *_: "")
        else:
            margin = (high - low or abs(high) or 1.0) * 0.1
            limits(low - margin, high + margin)
        axis.set_major_formatter(partial(_tick, objective))
        label = objective.title + (" (log scale)" if logarithmic and width >= 5.0 else "")
        (ax.set_xlabel if axis is ax.xaxis else ax.set_ylabel)(label)
    ax.grid(axis="both", color=style.GRID.light)
    ax.set_axisbelow(True)


def _extent(every: pd.DataFrame, objective: Metric) -> tuple[float, float]:
    """Of the figures with their intervals."""
    columns = [name for name in (objective.column, objective.low, objective.high) if name is not None]
    figures = every[columns].astype("Float64")
    return float(figures.min().min()), float(figures.max().max())


def _tick(objective: Metric, value: float, _: object) -> str:
    return "" if value < 0 else objective.tick(value)


def _mark(
    ax: "Axes",
    row: dict[Any, Any],
    at: tuple[float, float],
    colour: str,
    marker: str,
    objectives: tuple[Metric, Metric],
    fade: bool,
) -> None:
    """One dot and its box; `fade` pales what is not on the front, where no line shows it."""
    from matplotlib.patches import Rectangle

    published = row["status"] == "published"
    if not published:
        (left, right), (low, high) = (_interval(row, objective) for objective in objectives)
        if right > left or high > low:
            box = Rectangle((left, low), right - left, high - low, facecolor=colour, edgecolor=colour)
            box.set(alpha=0.25, linewidth=1.0, zorder=3, in_layout=False)
            ax.add_patch(box)
    ax.scatter(
        [at[0]],
        [at[1]],
        s=float(row["dot"]),
        alpha=0.3 if fade and not row["on_front"] else 1.0,
        marker=marker,
        facecolors=style.SURFACE.light if published else colour,
        edgecolors=colour if published else style.SURFACE.light,
        linewidths=1.3 if published else 0.9,
        zorder=4 if row["on_front"] else 3.5,
    )


def _interval(row: dict[Any, Any], objective: Metric) -> tuple[float, float]:
    value = float(row[objective.column])
    if objective.low is None or objective.high is None or pd.isna(row[objective.low]) or pd.isna(row[objective.high]):
        return value, value
    return float(row[objective.low]), float(row[objective.high])


def _staircase(ax: "Axes", front: pd.DataFrame, x: Metric, y: Metric) -> list[tuple[float, float, float, float]]:
    """The border of what the front reaches, a step at each of its members; returns its lines."""
    # Every objective that an x axis has is one to keep small.
    ordered = front.sort_values([x.column, y.column])
    xs, ys = (ordered[item.column].astype(float).tolist() for item in (x, y))
    ax.step(xs, ys, where="post", color=style.MUTED.light, linewidth=1.1, linestyle=(0, (4, 2)), zorder=2.5)
    corners = list(zip(xs, ys, xs[1:], ys[1:], strict=False))
    return [
        line
        for left, low, right, high in corners
        for line in ((left, low, right, low), (right, min(low, high), right, max(low, high)))
    ]


def _labels(every: pd.DataFrame, x: Metric, y: Metric, area: Sequence[Metric]) -> list[Label]:
    """Those of the front first, so that they find a place."""
    ordered = every.assign(last=~every["on_front"].fillna(False).astype(bool)).sort_values("last", kind="stable")
    labels, seen = [], set()
    for row in ordered.to_dict("records"):
        name = shorten(str(row["workload"]), 26)
        text = name if not area else f"{name}, {area[0].text(float(row[area[0].column]))}"
        at = (float(row[x.column]), float(row[y.column]))
        if (text, at) not in seen:
            seen.add((text, at))
            labels.append(Label(*at, float(row["dot"]) ** 0.5 / 2 + 0.7, text))
    return labels
