"""One chart per file; `CHARTS` names them, and those of single metrics.

Each draws a frame of `bnnbench.results.load` on axes it is given, or on a new figure. A chart's module is imported when
the chart is asked for: pandas and matplotlib take longer than `--help` may take.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS

if TYPE_CHECKING:
    from bnnbench.results.charts.chart import Chart

MODULES: Mapping[str, str] = {
    "latency-accuracy": "latency_accuracy",
    "size-accuracy": "size_accuracy",
    "size-latency": "size_latency",
    "pareto": "pareto",
    "latency": "latency",
    "throughput": "throughput",
    "roofline": "roofline",
    "history": "history",
    "ecdf": "ecdf",
    "sustained": "sustained",
}
"""Name -> module of this package, whose `CHART` it is."""


class LazyCharts(MutableMapping[str, "Chart"]):
    """Charts by name, each made when it is asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], "Chart"]]) -> None:
        self._makers = dict(makers)

    def __getitem__(self, name: str) -> "Chart":
        return self._makers[name]()

    def __setitem__(self, name: str, chart: "Chart") -> None:
        self._makers[name] = lambda: chart

    def __delitem__(self, name: str) -> None:
        del self._makers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _of_module(module: str) -> "Chart":
    chart: Chart = import_module(f"{__name__}.{module}").CHART
    return chart


def _of_metric(metric: Metric) -> "Chart":
    from bnnbench.results.charts.per_workload import metric_chart

    return metric_chart(metric, in_report=metric.is_main)


CHARTS = LazyCharts(
    {
        **{name: partial(_of_module, module) for name, module in MODULES.items()},
        **{metric.slug: partial(_of_metric, metric) for metric in METRICS.values() if metric.slug not in MODULES},
    }
)
