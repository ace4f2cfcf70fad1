"""The chart of choices: an objective against another one, with the front of those that no other one beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bnnbench.results.charts import style
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import OBJECTIVES
from bnnbench.results.printable import shorten
from bnnbench.results.site.chart_spec import chart, colour, focus_ring
from bnnbench.results.site.choosing.groups import Choice, Group
from bnnbench.results.site.page import MOST_NAME

_KINDS = ("on the front", "beaten", "published")
_SHAPES = ("circle", "cross", "diamond")
_UNITS = {"ns": (1e6, "ms"), "bytes": (1e3, "kB"), "share": (0.01, "%")}


def objectives_of(group: Group) -> list[tuple[str, str]]:
    """The pairs of objectives to draw (x, y), by their keys: those of which a choice has both."""
    wanted = (("latency", "accuracy"), ("size", "accuracy"), ("size", "latency"))
    both = [
        (x, y)
        for x, y in wanted
        if any(one.figures[x] is not None and one.figures[y] is not None for one in group.choices)
    ]
    return both[:2] if ("latency", "accuracy") in both or ("size", "accuracy") in both else both


def tradeoff_chart(group: Group, x: str, y: str) -> dict[str, Any]:
    """The specification. Raises ValueError where no choice has both."""
    points = [*_points(group.choices, x, y, ""), *_points(group.published, x, y, _KINDS[2])]
    if not points:
        raise ValueError("no choice has both figures")
    points = [{"i": number, **point} for number, point in enumerate(sorted(points, key=lambda point: point["x"]))]
    across, up = _encoding("x", OBJECTIVES[x]), _encoding("y", OBJECTIVES[y])
    say = {"field": "say", "type": "nominal"}
    kinds = [kind for kind in _KINDS if any(point["kind"] == kind for point in points)]
    tints = dict(
        zip(_KINDS, (colour(style.ENGINES["native"]), colour(style.MUTED), colour(style.ENGINES["numba"])), strict=True)
    )
    shapes = dict(zip(_KINDS, _SHAPES, strict=True))
    dots = {
        "data": {"name": "points"},
        "mark": {"type": "point", "tooltip": True, "size": 70},
        "encoding": {
            "x": across,
            "y": up,
            "color": _by_kind(kinds, tints),
            "shape": _by_kind(kinds, shapes),
            "tooltip": say,
            "description": say,
        },
    }
    line = {
        "data": {"name": "front"},
        "mark": {
            "type": "line",
            "interpolate": "step-after",
            "strokeDash": [4, 3],
            "aria": False,
            "color": colour(style.LINK),
        },
        "encoding": {"x": across, "y": up, "order": {"field": "x", "type": "quantitative"}},
    }
    front = _front(points, OBJECTIVES[y].smaller_is_better)
    return chart(points, [line, dots, focus_ring(across, up)], datasets={"front": front}, height=260)


def _points(choices: Sequence[Choice], x: str, y: str, kind: str) -> list[dict[str, Any]]:
    found = []
    for one in choices:
        across, up = one.figures[x], one.figures[y]
        if across is None or up is None or across <= 0:
            continue
        texts = [text for key in ("accuracy", "latency", "size") if (text := one.texts[key])]
        of_it = kind or (_KINDS[0] if one.on_front else _KINDS[1])
        found.append(
            {
                "x": _scaled(across, OBJECTIVES[x]),
                "y": _scaled(up, OBJECTIVES[y]),
                "kind": of_it,
                "say": f"{shorten(one.name, MOST_NAME)}: {', '.join(texts)}, {of_it}"
                + (f", {one.source}" if one.source else ""),
            }
        )
    return found


def _front(points: Sequence[dict[str, Any]], smaller: bool) -> list[dict[str, Any]]:
    """Of these two objectives alone: from left to right the points that are better than all before them."""
    found: list[dict[str, Any]] = []
    sign = 1 if smaller else -1
    measured = [point for point in points if point["kind"] != _KINDS[2]]
    for point in sorted(measured, key=lambda point: (point["x"], sign * point["y"])):
        if not found or sign * (point["y"] - found[-1]["y"]) < 0:
            found.append({"x": point["x"], "y": point["y"]})
    return found


def _scaled(value: float, metric: Metric) -> float:
    return float(f"{value / _UNITS[metric.unit][0]:.6g}")


def _encoding(field: str, metric: Metric) -> dict[str, Any]:
    kind = "linear" if metric.in_points else "log"
    scale = {"zero": False, "nice": True} if kind == "linear" else {"type": kind, "nice": False, "padding": 12}
    title = f"{metric.title} in {_UNITS[metric.unit][1]}" + ("" if kind == "linear" else " (log scale)")
    axis = {} if kind == "linear" else {"axis": {"tickCount": 5, "format": "~g"}}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, **axis}


def _by_kind(kinds: Sequence[str], values: dict[str, str]) -> dict[str, Any]:
    scale = {"domain": list(kinds), "range": [values[kind] for kind in kinds]}
    return {"field": "kind", "type": "nominal", "title": None, "scale": scale}
