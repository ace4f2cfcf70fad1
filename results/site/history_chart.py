"""The chart of a case's history: figures with their intervals, levels between change points, and events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bnnbench.results.charts import style
from bnnbench.results.site.chart_spec import Layer, chart, colour, focus_ring, quantity_y, time_x, zoomable

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
_COUNTS = ((1e9, "G instructions"), (1e6, "M instructions"), (1e3, "k instructions"), (1.0, "instructions"))
_EDGE = 0.15
_SHAPES = {"measured": "circle", "unstable": "cross", "low trust": "diamond"}


@dataclass(frozen=True, slots=True)
class Point:
    """A run's figure with its interval in the case's unit, at `at` (ms since 1970); `kind` is one of `measured`,
    `unstable` and `low trust`."""

    at: int
    value: float
    low: float | None
    high: float | None
    kind: str
    say: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Week:
    """The runs of a week, thinned: their median, least and greatest figure, and how many they are."""

    at: int
    value: float
    low: float
    high: float
    n: int
    say: str


@dataclass(frozen=True, slots=True)
class Level:
    """The median between two change points."""

    begin: int
    end: int
    value: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened before a run: `kind` is `change point`, `reboot` or `engine build`."""

    at: int
    kind: str
    say: str
    text: str = ""


def history_chart(
    points: Sequence[Point], weeks: Sequence[Week], levels: Sequence[Level], events: Sequence[Event], unit: str
) -> dict[str, Any]:
    """The specification. Raises ValueError without any point."""
    values = [point.value for point in points] + [week.value for week in weeks]
    if not values:
        raise ValueError("no run has a figure")
    size, name = scale_of(values, unit)
    x, y = time_x(), quantity_y("v", name)

    def scaled(value: float | None) -> float | None:
        return None if value is None or not math.isfinite(value) else float(f"{value / size:.6g}")

    data = [
        {"i": number, "t": week.at, "v": scaled(week.value), "say": week.say, "kind": "week"}
        for number, week in enumerate(weeks)
    ]
    data += [
        {
            "i": len(weeks) + number,
            "t": point.at,
            "v": scaled(point.value),
            "kind": point.kind,
            "say": point.say,
            **({"lo": scaled(point.low), "hi": scaled(point.high)} if point.low is not None else {}),
            **({"href": point.href} if point.href else {}),
        }
        for number, point in enumerate(points)
    ]
    others: Mapping[str, Sequence[Mapping[str, Any]]] = {
        "weeks": [
            {"t": one.at, "lo": scaled(one.low), "hi": scaled(one.high), "v": scaled(one.value)} for one in weeks
        ],
        "levels": [{"t": one.begin, "t2": one.end, "v": scaled(one.value)} for one in levels],
        "changes": _labels([one for one in events if one.kind == "change point"], [*points, *weeks]),
        "events": [{"t": one.at, "say": one.say, "kind": one.kind} for one in events if one.kind != "change point"],
    }
    layers = [*_thinned(x), *_changes(x), *_runs(x, y), *_events(x), focus_ring(x, y)]
    return chart(data, layers, datasets=others, height=320, zoom="t")


def _labels(changes: Sequence[Event], runs: Sequence[Point | Week]) -> list[dict[str, Any]]:
    """Change points with the places of their texts: in three rows, to the left of the line near the right edge."""
    first, last = min(one.at for one in runs), max(one.at for one in runs)
    edge = last - (last - first) * _EDGE
    return [
        {"t": one.at, "say": one.say, "text": one.text, "row": 8 + 13 * (number % 3), "late": one.at > edge}
        for number, one in enumerate(changes)
    ]


def scale_of(values: Sequence[float], unit: str) -> tuple[float, str]:
    """The size and the name of the unit that the values are shown in; `unit` is theirs."""
    middle = median(values)
    for size, name in _UNITS if unit == "ns" else _COUNTS:
        if abs(middle) >= size:
            return size, name
    return (1.0, "ns") if unit == "ns" else (1.0, "instructions")


def _thinned(x: Mapping[str, Any]) -> list[Layer]:
    band = {"type": "area", "opacity": 0.35, "color": colour(style.LINK), "aria": False}
    line = {"type": "line", "strokeDash": [4, 3], "color": colour(style.MUTED), "aria": False}
    value = {"field": "v", "type": "quantitative"}
    low, high = {"field": "lo", "type": "quantitative"}, {"field": "hi"}
    return [
        {"data": {"name": "weeks"}, "mark": band, "encoding": {"x": x, "y": low, "y2": high}},
        {"data": {"name": "weeks"}, "mark": line, "encoding": {"x": x, "y": value}},
    ]


def _changes(x: Mapping[str, Any]) -> list[Layer]:
    rule = {"type": "rule", "color": colour(style.ALARM), "strokeWidth": 1.5, "tooltip": True}
    row = {"field": "row", "type": "quantitative", "scale": None}
    say = {"field": "say", "type": "nominal"}
    return [
        {
            "data": {"name": "changes"},
            "mark": rule,
            "encoding": {"x": x, "description": say, "tooltip": say},
        },
        *(
            {
                "data": {"name": "changes"},
                "transform": [{"filter": f"datum.late === {late}"}],
                "mark": {"type": "text", "align": align, "dx": dx, "color": colour(style.ALARM), "aria": False},
                "encoding": {"x": x, "y": row, "text": {"field": "text", "type": "nominal"}},
            }
            for late, align, dx in (("false", "left", 4), ("true", "right", -4))
        ),
        {
            "data": {"name": "levels"},
            "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.35, "color": colour(style.ENGINES["native"])},
            "encoding": {"x": x, "x2": {"field": "t2"}, "y": {"field": "v", "type": "quantitative"}},
        },
    ]


def _runs(x: Mapping[str, Any], y: Mapping[str, Any]) -> list[Layer]:
    interval = {"type": "rule", "opacity": 0.55, "color": colour(style.ENGINES["native"]), "aria": False}
    say = {"field": "say", "type": "nominal"}
    shape = {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(_SHAPES), "range": list(_SHAPES.values())},
    }
    tint = {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "scale": {
            "domain": list(_SHAPES),
            "range": [colour(style.ENGINES["native"]), colour(style.ALARM), colour(style.ENGINES["numba"])],
        },
    }
    dots = {
        "data": {"name": "points"},
        "transform": [{"filter": "datum.kind !== 'week'"}],
        "mark": {"type": "point", "tooltip": True, "size": 42, "cursor": "pointer"},
        "encoding": {"x": x, "y": y, "shape": shape, "color": tint, "tooltip": say, "description": say},
    }
    weeks = {
        "data": {"name": "points"},
        "transform": [{"filter": "datum.kind === 'week'"}],
        "mark": {"type": "point", "tooltip": True, "size": 24, "shape": "square", "color": colour(style.MUTED)},
        "encoding": {"x": x, "y": y, "tooltip": say, "description": say},
    }
    return [
        {
            "data": {"name": "points"},
            "transform": [{"filter": "isValid(datum.lo)"}],
            "mark": interval,
            "encoding": {"x": x, "y": {"field": "lo", "type": "quantitative"}, "y2": {"field": "hi"}},
        },
        weeks,
        {
            "data": {"name": "points"},
            "transform": [{"filter": "datum.kind !== 'week'"}],
            "mark": {"type": "line", "strokeWidth": 1, "color": colour(style.LINK), "aria": False},
            "encoding": {"x": x, "y": y},
        },
        zoomable(dots),
    ]


def _events(x: Mapping[str, Any]) -> list[Layer]:
    say = {"field": "say", "type": "nominal"}
    mark = {"type": "text", "tooltip": True, "baseline": "bottom", "fontSize": 12, "color": colour(style.MUTED)}
    return [
        {
            "data": {"name": "events"},
            "transform": [{"calculate": "datum.kind === 'reboot' ? '↻' : '▲'", "as": "sign"}],
            "mark": mark,
            "encoding": {
                "x": x,
                "y": {"value": 318},
                "text": {"field": "sign", "type": "nominal"},
                "tooltip": say,
                "description": say,
            },
        }
    ]
