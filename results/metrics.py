"""What is measured of a case and compared: a row for each metric, read by tables, charts, exports, fronts, verdicts.

A new metric is a row here and the place where its figure is read: `of_invocation` or `of_case` of the row, where the
records hold it already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bnnbench.results import quantity
from bnnbench.results.metric import Metric
from bnnbench.results.statistics.tail import late, tail

if TYPE_CHECKING:
    from bnnbench.results.records import Invocation


def number(value: object) -> float | None:
    """A figure from a dictionary that a device filled; None for what can't be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _LARGEST else None


def accuracy_text(share: float) -> str:
    """An accuracy as `91.13 %`."""
    return f"{share * 100:.2f} %"


def _time_of_process(
    *,
    key: str,
    word: str,
    floor: float,
    margin: float,
    of_invocation: Callable[[Invocation], float | None],
    slug: str = "",
    title: str = "",
) -> Metric:
    """The row of a time that each process has one of, beside its latency."""
    return Metric(
        key=key,
        unit="ns",
        column=f"{key}_ns",
        low=f"{key}_low_ns",
        high=f"{key}_high_ns",
        word=word,
        slug=slug,
        title=title,
        text=quantity.duration,
        between=quantity.duration_between,
        compared="unpaired",
        floor=floor,
        margin=margin,
        of_invocation=of_invocation,
        is_required=False,
        is_time=True,
    )


_LARGEST = 1e30

# A difference below the floor is real where a metric repeats, and not worth a failed build: a converter's time stamp is
# some bytes, a page of memory 4 KiB. Ratios have no unit, so one floor does for models of 5 kB and of 50 MB; four bytes
# reach 1 % in no file that holds a model.
METRICS: Mapping[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            key="size",
            unit="bytes",
            column="size_bytes",
            word="size",
            label="model size",
            title="size of the model file",
            slug="file-size",
            is_objective=True,
            degrees=("small", "smaller", "smallest"),
            text=quantity.size,
            compared="exact",
            floor=0.01,
            margin=0.01,
            of_case=lambda case: case.size_bytes,
            in_tables=False,
        ),
        Metric(
            key="latency",
            unit="ns",
            column="latency_ns",
            low="latency_low_ns",
            high="latency_high_ns",
            word="latency",
            is_objective=True,
            degrees=("fast", "faster", "fastest"),
            text=quantity.duration,
            between=quantity.duration_between,
            compared="paired",
            floor=0.01,
            margin=0.02,
            is_main=True,
            is_time=True,
            in_tables=False,
        ),
        Metric(
            key="instructions",
            unit="instructions",
            column="instructions",
            word="instructions",
            text="{:,.0f}".format,
            short=quantity.count,
            compared="exact",
            floor=0.001,
            margin=0.001,
            of_invocation=lambda item: number((item.counters or {}).get("instructions")),
            is_main=True,
        ),
        Metric(
            key="accuracy",
            unit="share",
            column="accuracy",
            low="accuracy_low",
            high="accuracy_high",
            trials="accuracy_n",
            word="accuracy",
            title="top-1 accuracy",
            is_objective=True,
            degrees=("accurate", "more accurate", "most accurate"),
            text=accuracy_text,
            smaller_is_better=False,
            compared="answers",
            floor=0.005,
            margin=0.01,
            in_tables=False,
        ),
        Metric(
            key="peak_rss",
            unit="bytes",
            column="peak_rss_bytes",
            word="peak memory",
            text=quantity.size,
            between=quantity.size_between,
            compared="unpaired",
            floor=0.01,
            margin=0.02,
            of_invocation=lambda item: item.peak_rss_bytes,
            combined=max,
            in_tables=False,
        ),
        _time_of_process(
            key="load",
            word="load time",
            floor=0.2,
            margin=0.5,
            of_invocation=lambda item: item.load_ns,
        ),
        _time_of_process(
            key="first",
            word="first run",
            floor=0.3,
            margin=0.5,
            of_invocation=lambda item: item.first_ns,
        ),
        Metric(
            key="energy",
            unit="mJ",
            column="energy_mj",
            word="energy",
            text=quantity.energy,
            compared="unpaired",
            floor=0.05,
            margin=0.1,
            of_invocation=lambda item: number(item.telemetry.get("energy_mj")),
            source_of=lambda item: str(item.telemetry.get("power_source", "")) or None,
            is_required=False,
            is_time=True,
        ),
        _time_of_process(
            key="p99",
            word="p99",
            title="99th percentile of executions",
            floor=0.05,
            margin=0.1,
            of_invocation=lambda item: tail(item.each_ns, 0.99),
        ),
        _time_of_process(
            key="p999",
            word="p99.9",
            slug="p999",
            title="99.9th percentile of executions",
            floor=0.1,
            margin=0.2,
            of_invocation=lambda item: tail(item.each_ns, 0.999),
        ),
        Metric(
            key="misses",
            unit="share",
            column="deadline_misses",
            low="deadline_misses_low",
            high="deadline_misses_high",
            word="deadline misses",
            text=accuracy_text,
            compared="shares",
            floor=0.001,
            margin=0.005,
            of_invocation=lambda item: late(item.each_ns, item.deadline_ns),
            is_required=False,
            is_time=True,
        ),
        _time_of_process(
            key="startup",
            word="startup",
            title="startup to first result",
            floor=0.2,
            margin=0.5,
            of_invocation=lambda item: item.start_warm_ns,
        ),
        _time_of_process(
            key="cold_startup",
            word="cold startup",
            title="cold startup to first result",
            floor=0.2,
            margin=0.5,
            of_invocation=lambda item: item.start_dropped_ns,
        ),
        Metric(
            key="sustained_latency",
            unit="ns",
            column="sustained_latency_ns",
            low="sustained_latency_low_ns",
            high="sustained_latency_high_ns",
            word="sustained",
            label="sustained latency",
            slug="sustained-latency",
            degrees=("fast when warm", "faster when warm", "fastest when warm"),
            text=quantity.duration,
            between=quantity.duration_between,
            compared="unpaired",
            floor=0.02,
            margin=0.05,
            is_objective=True,
            is_rare=True,
            is_required=False,
            is_time=True,
        ),
    )
}

OBJECTIVES: Mapping[str, Metric] = {key: metric for key, metric in METRICS.items() if metric.is_objective}
"""What models are chosen by, the most important last; what is rare comes after these, and decides last."""
USUAL: Sequence[str] = tuple(key for key, metric in OBJECTIVES.items() if not metric.is_rare)
"""Objectives that are asked for where none is named."""


def metric_of(key: str, unit: str) -> Metric:
    """The metric of a stored verdict; one that this version does not know is shown with its unit."""
    if key in METRICS:
        return METRICS[key]

    def text(value: float) -> str:
        return f"{quantity.significant(value)} {unit}"

    word = key.replace("_", " ")
    return Metric(key=key, unit=unit, column=key, word=word, text=text, compared="exact", floor=0.0, margin=0.0)
