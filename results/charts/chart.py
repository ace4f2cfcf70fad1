"""A chart: what it is called, and how its figure is made."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bnnbench.results.records import Peak
from bnnbench.results.store.stored_run import StoredRun

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Invocations = Callable[[], "pd.DataFrame"]
"""Gives the rows of `bnnbench.results.load_invocations` of the same runs; charts of cases have no need of them."""

Runs = Callable[[], Sequence[StoredRun]]
"""Gives the runs that the rows are of, for charts of what is neither a case nor an invocation."""


@dataclass(frozen=True, slots=True)
class ChartContext:
    """What a chart may show beside the frame's rows: roofs, figures that others published, invocations, runs."""

    roofs: Sequence[Peak] = ()
    published: "pd.DataFrame | None" = None
    invocations: Invocations | None = None
    runs: Runs | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """`draw(frame, beside, axes)` draws it, `height(frame, width)` says how many inches it needs, and
    `suits(frame, roofs)` whether these have what it shows. One that is `per_device` is drawn for each device by itself,
    one that is `per_data_set` for each data set; what is not `in_report` is drawn when it is asked for. `is_of_times`:
    an emulated device has none, and how far the others are trusted is said beside it; a chart that is not shows in
    reports what is `counted` alone.

    `objectives` are the figures that a model must have to be in it. Unless runs are named it is drawn of all runs, of
    each case the newest measurement; when it `shows_every_run`, of all of them, and when it is `of_one_run`, of the
    latest run. One that `shows_roofs` is given those of the runs it shows."""

    name: str
    title: str
    caption: str
    draw: "Callable[[pd.DataFrame, ChartContext, Axes], Axes]"
    height: "Callable[[pd.DataFrame, float], float]"
    suits: "Callable[[pd.DataFrame, Sequence[Peak]], bool]"
    per_device: bool = False
    per_data_set: bool = False
    in_report: bool = True
    is_of_times: bool = True
    objectives: tuple[str, ...] = ()
    shows_every_run: bool = False
    shows_roofs: bool = False
    of_one_run: bool = False

    def figure(
        self,
        frame: "pd.DataFrame",
        roofs: Sequence[Peak] = (),
        width: float = 8.0,
        published: "pd.DataFrame | None" = None,
        invocations: Invocations | None = None,
        runs: Runs | None = None,
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
            self.draw(frame, ChartContext(roofs, published, invocations, runs), figure.subplots())
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
        invocations: Invocations | None = None,
    ) -> str:
        """The chart as an SVG for light and dark pages; the same frame gives the same text."""
        from bnnbench.results.charts import style

        figure = self.figure(frame, roofs, width, published, invocations)
        with style.applied(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")
            return style.svg(figure, name or self.name, self.title, standalone)
