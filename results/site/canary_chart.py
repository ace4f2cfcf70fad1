"""The control chart of a device's health checks: each latency, and the limits within which it belonged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bnnbench.results import quantity
from bnnbench.results.canary import history
from bnnbench.results.charts import style
from bnnbench.results.site.cases import moment_ms, moment_text
from bnnbench.results.site.chart_spec import Datum, Layer, chart, colour, focus_ring, quantity_y, time_x
from bnnbench.results.site.history_chart import scale_of
from bnnbench.results.site.render import day

MOST_CHECKS = 90
IN, OUT, UNJUDGED = "in control", "out of control", "too few checks"
_SHAPES = {IN: "circle", OUT: "cross", UNJUDGED: "diamond"}
_TINTS = {IN: colour(style.ENGINES["native"]), OUT: colour(style.ALARM), UNJUDGED: colour(style.MUTED)}


def canary_points(rows: pd.DataFrame, since: str | None, linked: Mapping[str, str]) -> list[dict[str, Any]]:
    """The data set of a case's rows, oldest first: latencies and limits in ns. `linked` are paths of runs."""
    found: list[dict[str, Any]] = []
    for row, one in history(rows, since, MOST_CHECKS):
        created, limits = moment_text(row["created"]), one.limits_ns
        verdict = UNJUDGED if limits is None else OUT if one.is_out else IN
        say = f"{quantity.duration(one.latency_ns)}, {verdict}"
        if limits is not None:
            say += f" ({quantity.duration(limits[0])} to {quantity.duration(limits[2])})"
        say += f"\n{day(created)}, run {row['run_id']}"
        point = {
            "i": len(found),
            "t": moment_ms(created),
            "v": one.latency_ns,
            "kind": verdict,
            "say": say,
            "created": created,
        }
        if limits is not None:
            point |= {"lo": limits[0], "mid": limits[1], "hi": limits[2]}
        if path := linked.get(str(row["run_id"])):
            point["href"] = path
        found.append(point)
    return found


def canary_chart(points: Sequence[Datum]) -> dict[str, Any]:
    """The specification. Raises ValueError without any point."""
    if not points:
        raise ValueError("no check has a figure")
    size, unit = scale_of([float(point["v"]) for point in points], "ns")
    data = [
        {
            name: float(f"{value / size:.6g}") if name in ("v", "lo", "mid", "hi") else value
            for name, value in one.items()
        }
        for one in points
    ]
    x, y, say = time_x(), quantity_y("v", unit), {"field": "say", "type": "nominal"}
    judged = {"data": {"name": "points"}, "transform": [{"filter": "isValid(datum.lo)"}]}
    low, middle = {"field": "lo", "type": "quantitative"}, {"field": "mid", "type": "quantitative"}
    band = {"type": "area", "opacity": 0.25, "interpolate": "step", "color": colour(style.LINK), "aria": False}
    centre = {"type": "line", "interpolate": "step", "strokeDash": [4, 3], "color": colour(style.MUTED), "aria": False}
    layers: list[Layer] = [
        {**judged, "mark": band, "encoding": {"x": x, "y": low, "y2": {"field": "hi"}}},
        {**judged, "mark": centre, "encoding": {"x": x, "y": middle}},
        {
            "data": {"name": "points"},
            "mark": {"type": "point", "tooltip": True, "size": 42},
            "encoding": {
                "x": x,
                "y": y,
                "shape": _by_verdict(_SHAPES, points),
                "color": _by_verdict(_TINTS, points),
                "tooltip": say,
                "description": say,
            },
        },
        focus_ring(x, y),
    ]
    return chart(data, layers, height=150)


def _by_verdict(values: Mapping[str, str], points: Sequence[Datum]) -> dict[str, Any]:
    shown = [verdict for verdict in values if any(point["kind"] == verdict for point in points)]
    scale = {"domain": shown, "range": [values[verdict] for verdict in shown]}
    return {"field": "kind", "type": "nominal", "title": None, "scale": scale}
