"""The figures of health checks, each with the control chart of those before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from bnnbench.results.metrics import METRICS
from bnnbench.results.statistics.control_chart import ControlChart, control_chart

CANARY_ENGINE: Final = "native"
"""The engine of health checks."""


@dataclass(frozen=True, slots=True)
class Charted:
    """A case of the suite: its latency in ns, and the chart of the earlier ones; None while there are too few. Limits
    are in logarithms of ns."""

    workload: str
    latency_ns: float
    chart: ControlChart | None
    earlier: int

    @property
    def is_out(self) -> bool:
        return self.chart is not None and not self.chart.holds(math.log(self.latency_ns))

    @property
    def change(self) -> float | None:
        """From the centre, as a ratio minus 1."""
        return None if self.chart is None else self.latency_ns / math.exp(self.chart.centre) - 1

    @property
    def limits_ns(self) -> tuple[float, float, float] | None:
        """Lower limit, centre and upper limit in ns; None while there are too few earlier ones."""
        chart = self.chart
        return None if chart is None else (math.exp(chart.low), math.exp(chart.centre), math.exp(chart.high))


def charted(row: dict[Any, Any], earlier: pd.DataFrame) -> Charted:
    """A row of a case by earlier rows of its device, oldest first. Only figures of the same engine build count: another
    one may be faster by right."""
    same = (earlier["workload"] == row["workload"]) & (earlier["engine_build"] == row["engine_build"])
    figures = [math.log(value) for value in earlier[same.fillna(False)]["latency_ns"].astype(float)]
    chart = control_chart(figures, least_width=math.log1p(METRICS["latency"].margin))
    return Charted(str(row["workload"]), float(row["latency_ns"]), chart, len(figures))


def history(rows: pd.DataFrame, since: str | None, last: int) -> Iterator[tuple[dict[Any, Any], Charted]]:
    """The last rows of a case that were measured well, oldest first, each by those before it. `since`: when the
    device's figures were accepted last (`devices release`), ISO 8601; from then on only later ones count."""
    fit = rows[(rows["status"] == "ok") & rows["latency_ns"].notna()].sort_values("created", kind="stable")
    accepted = None if since is None else pd.Timestamp(since)
    for number, row in list(enumerate(fit.to_dict("records")))[-last:]:
        earlier = fit.iloc[:number]
        if accepted is not None and row["created"] >= accepted:
            earlier = earlier[earlier["created"] >= accepted]
        yield row, charted(row, earlier)
