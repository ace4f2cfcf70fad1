"""One chart per file; `CHARTS` names them.

Each draws a frame of `bnnbench.results.load` on axes it is given, or on a new figure.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bnnbench.results.records import Peak

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Beside:
    """What a chart may show beside the frame's rows: measured roofs, and figures that others published."""

    roofs: Sequence[Peak] = ()
    published: "pd.DataFrame | None" = None


@dataclass(frozen=True, slots=True)
class Chart:
    """`draw(frame, beside, axes)` draws it, `height(frame, width)` says how many inches it needs, and `suits(frame)`
    whether the
    frame and roofs have what it shows. One that is `per_device` is drawn for each device by itself, one that is
    `per_data_set` for each data set."""

    name: str
    title: str
    caption: str
    draw: "Callable[[pd.DataFrame, Beside, Axes], Axes]"
    height: "Callable[[pd.DataFrame, float], float]"
    suits: "Callable[[pd.DataFrame, Sequence[Peak]], bool]"
    per_device: bool = False
    per_data_set: bool = False

    def figure(
        self,
        frame: "pd.DataFrame",
        roofs: Sequence[Peak] = (),
        width: float = 8.0,
        published: "pd.DataFrame | None" = None,
    ) -> "Figure":
        """A figure of a width in inches. Raises ValueError when the frame has nothing to draw."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        from bnnbench.results.charts import style

        with style.applied(), warnings.catch_warnings():
            # Names in scripts that the measuring font lacks: the browser has a font for them.
            warnings.filterwarnings("ignore", message="Glyph")
            figure = Figure(figsize=(width, self.height(frame, width)))
            FigureCanvasAgg(figure)  # measures texts; without one, each measurement prints the whole figure
            self.draw(frame, Beside(roofs, published), figure.subplots())
            if figure.get_layout_engine() is None:  # else the chart did so itself
                style.settle(figure)
        return figure

    def svg(
        self,
        frame: "pd.DataFrame",
        roofs: Sequence[Peak] = (),
        width: float = 8.0,
        name: str | None = None,
        standalone: bool = False,
        published: "pd.DataFrame | None" = None,
    ) -> str:
        """The chart as an SVG for light and dark pages; the same frame gives the same text."""
        from bnnbench.results.charts import style

        figure = self.figure(frame, roofs, width, published)
        with style.applied(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")
            return style.svg(figure, name or self.name, self.title, standalone)


def _latency(frame: "pd.DataFrame", beside: Beside, ax: "Axes") -> "Axes":
    from bnnbench.results.charts.latency import latency_per_workload

    return latency_per_workload(frame, ax)


def _latency_height(frame: "pd.DataFrame", width: float) -> float:
    from bnnbench.results.charts.latency import height

    return height(frame, width)


def _throughput(frame: "pd.DataFrame", beside: Beside, ax: "Axes") -> "Axes":
    from bnnbench.results.charts.throughput import gops_by_size

    return gops_by_size(frame, beside.roofs, ax)


def _throughput_height(frame: "pd.DataFrame", width: float) -> float:
    from bnnbench.results.charts.throughput import height

    return height(frame, width)


def _history(frame: "pd.DataFrame", beside: Beside, ax: "Axes") -> "Axes":
    from bnnbench.results.charts.history import case_histories

    return case_histories(frame, ax)


def _history_height(frame: "pd.DataFrame", width: float) -> float:
    from bnnbench.results.charts.history import height

    return height(frame, width)


def _has_history(frame: "pd.DataFrame", roofs: Sequence[Peak]) -> bool:
    from bnnbench.results.history import histories

    return bool(histories(frame))


def _roofline(frame: "pd.DataFrame", beside: Beside, ax: "Axes") -> "Axes":
    from bnnbench.results.charts.roofline import roofline

    return roofline(frame, beside.roofs, ax)


def _roofline_height(frame: "pd.DataFrame", width: float) -> float:
    from bnnbench.results.charts.roofline import height

    return height(frame, width)


def _has_roofline(frame: "pd.DataFrame", roofs: Sequence[Peak]) -> bool:
    from bnnbench.results.charts.roofline import can_be_drawn

    return can_be_drawn(frame, roofs)


def _has(column: str) -> "Callable[[pd.DataFrame, Sequence[Peak]], bool]":
    return lambda frame, _: bool(frame[column].notna().any())


def _tradeoff(name: str, title: str, caption: str, objectives: tuple[str, ...]) -> Chart:
    def draw(frame: "pd.DataFrame", beside: Beside, ax: "Axes") -> "Axes":
        from bnnbench.results.charts.tradeoff import tradeoff

        return tradeoff(frame, objectives, ax, beside.published)

    def height(frame: "pd.DataFrame", width: float) -> float:
        from bnnbench.results.charts.tradeoff import height

        return height(frame, width)

    def suits(frame: "pd.DataFrame", roofs: Sequence[Peak]) -> bool:
        from bnnbench.results.charts.tradeoff import can_be_drawn

        return can_be_drawn(frame, objectives)

    return Chart(name, title, caption, draw, height, suits, per_data_set="accuracy" in objectives)


_FRONT = "The dashed line is the front: no model above it, or to its left. Boxes are intervals."

CHARTS: dict[str, Chart] = {
    chart.name: chart
    for chart in (
        _tradeoff("latency-accuracy", "Accuracy by latency", _FRONT, ("latency", "accuracy")),
        _tradeoff("size-accuracy", "Accuracy by size", _FRONT, ("size", "accuracy")),
        _tradeoff(
            "size-latency",
            "Latency by size",
            "The dashed line is the front: no model below it, or to its left. Boxes are intervals.",
            ("size", "latency"),
        ),
        _tradeoff(
            "pareto",
            "Size, latency and accuracy",
            "The area of a dot is the size of the model's file. Models in full colour are on the front: none is as "
            "small, as fast and as accurate.",
            ("latency", "accuracy", "size"),
        ),
        Chart(
            "latency",
            "Latency per workload",
            "One line per workload and device, one dot per engine: the gap between dots is the speed-up.",
            _latency,
            _latency_height,
            _has("latency_ns"),
        ),
        Chart(
            "throughput",
            "Throughput by size",
            "Dashed lines are roofs: the most that the popcount instructions of a device can do.",
            _throughput,
            _throughput_height,
            _has("gops"),
        ),
        Chart(
            "roofline",
            "Roofline",
            "Kernels and layers by the operations that they do on each byte they must move at least, one thread. The "
            "level line is the most that the popcount instructions can do, sloping ones are what each level of the "
            "memory can feed: the nearer to the lower of them, the less is left to gain.",
            _roofline,
            _roofline_height,
            _has_roofline,
            per_device=True,
        ),
        Chart(
            "history",
            "Over runs",
            "Latency of each case over its runs, those that changed most on top. A vertical line is a change point: "
            "the figures before and after it differ with at least 99 %. Days lie between runs, so this shows less than "
            "a comparison does.",
            _history,
            _history_height,
            _has_history,
        ),
    )
}
