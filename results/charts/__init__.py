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
class Chart:
    """`draw(frame, roofs, axes)` draws it, `height(frame, width)` says how many inches it needs."""

    name: str
    title: str
    caption: str
    draw: "Callable[[pd.DataFrame, Sequence[Peak], Axes], Axes]"
    height: "Callable[[pd.DataFrame, float], float]"

    def figure(self, frame: "pd.DataFrame", roofs: Sequence[Peak] = (), width: float = 8.0) -> "Figure":
        """A figure of a width in inches. Raises ValueError when the frame has nothing to draw."""
        from matplotlib.figure import Figure

        from bnnbench.results.charts import style

        with style.applied(), warnings.catch_warnings():
            # Names in scripts that the measuring font lacks: the browser has a font for them.
            warnings.filterwarnings("ignore", message="Glyph")
            figure = Figure(figsize=(width, self.height(frame, width)))
            self.draw(frame, roofs, figure.subplots())
            # Once, here: a browser's font is narrower than the one measured, so nothing touches later.
            figure.set_layout_engine("tight", pad=0.4)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        return figure

    def svg(
        self,
        frame: "pd.DataFrame",
        roofs: Sequence[Peak] = (),
        width: float = 8.0,
        name: str | None = None,
        standalone: bool = False,
    ) -> str:
        """The chart as an SVG for light and dark pages; the same frame gives the same text."""
        from bnnbench.results.charts import style

        figure = self.figure(frame, roofs, width)
        with style.applied(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")
            return style.svg(figure, name or self.name, self.title, standalone)


def _latency(frame: "pd.DataFrame", roofs: Sequence[Peak], ax: "Axes") -> "Axes":
    from bnnbench.results.charts.latency import latency_per_workload

    return latency_per_workload(frame, ax)


def _latency_height(frame: "pd.DataFrame", width: float) -> float:
    from bnnbench.results.charts.latency import height

    return height(frame, width)


def _throughput(frame: "pd.DataFrame", roofs: Sequence[Peak], ax: "Axes") -> "Axes":
    from bnnbench.results.charts.throughput import gops_by_size

    return gops_by_size(frame, roofs, ax)


def _throughput_height(frame: "pd.DataFrame", width: float) -> float:
    from bnnbench.results.charts.throughput import height

    return height(frame, width)


CHARTS: dict[str, Chart] = {
    chart.name: chart
    for chart in (
        Chart(
            "latency",
            "Latency per workload",
            "One line per workload and device, one dot per engine: the gap between dots is the speed-up.",
            _latency,
            _latency_height,
        ),
        Chart(
            "throughput",
            "Throughput by size",
            "Dashed lines are roofs: the most that the popcount instructions of a device can do.",
            _throughput,
            _throughput_height,
        ),
    )
}
