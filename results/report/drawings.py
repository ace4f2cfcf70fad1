"""The charts of a page, each for wide and for narrow windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bnnbench.results.charts import CHARTS
from bnnbench.results.charts.chart import Chart
from bnnbench.results.columns import equal
from bnnbench.results.doubts import by_device
from bnnbench.results.models import data_sets, of_data_set
from bnnbench.results.records import Peak
from bnnbench.results.report.page_context import PageContext

_WIDE, _NARROW = 9.2, 3.7


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart for wide and for narrow windows."""

    title: str
    caption: str
    wide: str
    narrow: str


def drawings(frame: pd.DataFrame, peaks: Sequence[Peak], context: PageContext) -> list[Drawing]:
    drawn = []
    for chart in [chart for chart in CHARTS.values() if chart.in_report]:
        whole = context.timeline if chart.name == "history" and context.timeline is not None else frame
        whole, without = _of_report(chart, whole)
        parts = _parts(chart, whole) or [("", whole)]
        for number, (of_whom, part) in enumerate(parts):
            if chart.suits(part, peaks):
                wide, narrow = (
                    chart.svg(part, peaks, width, f"{chart.name}-{name}-{number}", published=context.published)
                    for width, name in ((_WIDE, "wide"), (_NARROW, "narrow"))
                )
                notes = [chart.caption, *without, *(by_device(part) if chart.is_of_times else [])]
                drawn.append(Drawing(chart.title + of_whom * (len(parts) > 1), " ".join(notes), wide, narrow))
    return drawn


def _of_report(chart: Chart, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """What a chart shows in a report, and a sentence on what it leaves out: an emulated device has instructions and no
    times, and others' instructions are beside the point."""
    emulated = equal(frame["emulated"], True)
    if not chart.is_of_times:
        return (frame[emulated] if chart.name == "instructions" else frame), []
    names = ", ".join(dict.fromkeys(map(str, frame.loc[emulated, "device"].dropna())))
    message = f"Without {names}: of an emulated CPU instructions are counted, and no times are shown."
    return frame[~emulated], [message] if names else []


def _parts(chart: Chart, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Of whom, and its rows, where a chart shows one device or data set."""
    if chart.per_device:
        devices = dict.fromkeys(frame["device"].dropna())
        return [(f" of {name}", frame[equal(frame["device"], name)]) for name in devices]
    if chart.per_data_set:
        several = data_sets(frame)
        names = [name for name, _ in several]
        return [
            (f" on {item[0]}" + (f" {item[1][:8]}" if names.count(item[0]) > 1 else ""), of_data_set(frame, item))
            for item in several
        ]
    return []
