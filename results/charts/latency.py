"""Latency of each workload: the gap between the dots of two engines is the speed-up."""

from typing import TYPE_CHECKING

import pandas as pd

from bnnbench.results.charts.per_workload import metric_chart, metric_per_workload
from bnnbench.results.metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXIS = "latency of one execution"

CHART = metric_chart(
    METRICS["latency"],
    caption="One line per workload and device, one dot per engine: the gap between dots is the speed-up.",
    axis=_AXIS,
    in_report=True,
)


def latency_per_workload(frame: pd.DataFrame, ax: "Axes | None" = None) -> "Axes":
    """Draws the latency of every case of `frame`. Raises ValueError when no case has a time."""
    return metric_per_workload(frame, METRICS["latency"], ax, _AXIS)
