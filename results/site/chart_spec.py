"""Vega-Lite specifications of the site's charts; colours and fonts are added by `charts.js`.

A chart's points are a data set with `i` (their order for the keyboard), `say` (what is said and shown of one) and where
there is one `href` (what Enter opens). The parameter `focus` is the point that the keyboard is at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bnnbench.results.charts import style

Datum = Mapping[str, Any]
Layer = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
TIME_AXIS: Mapping[str, Any] = {"title": None, "grid": False, "tickCount": 6}


def colour(role: style.Colour) -> str:
    """A chart colour that is right on light and dark pages."""
    return f"var(--chart-{role.role})"


def chart(
    points: Sequence[Datum],
    layers: Sequence[Layer],
    *,
    datasets: Mapping[str, Sequence[Datum]] | None = None,
    height: int = 280,
    zoom: str = "",
) -> dict[str, Any]:
    """A specification of layers over the data set `points`; `zoom` is the field of x, which then can be zoomed (the
    layer with the parameter `zoom`, see `zoomable`)."""
    return {
        "$schema": SCHEMA,
        "height": height,
        "datasets": {"points": list(points), **{name: list(data) for name, data in (datasets or {}).items()}},
        "params": [{"name": "focus", "value": -1}],
        "layer": list(layers),
        "usermeta": {"points": "points"} | ({"zoom": f"zoom_{zoom}"} if zoom else {}),
    }


def zoomable(layer: Layer) -> Layer:
    """A layer whose x axis is moved by dragging, and zoomed by the wheel with Ctrl."""
    select = {"type": "interval", "encodings": ["x"], "zoom": "wheel![event.ctrlKey || event.metaKey]"}
    return {**layer, "params": [{"name": "zoom", "select": select, "bind": "scales"}]}


def focus_ring(x: Mapping[str, Any], y: Mapping[str, Any]) -> Layer:
    """A ring around the point that the keyboard is at."""
    return {
        "data": {"name": "points"},
        "transform": [{"filter": "datum.i === focus"}],
        "mark": {
            "type": "point",
            "size": 180,
            "filled": False,
            "strokeWidth": 2.5,
            "aria": False,
            "color": colour(style.INK),
        },
        "encoding": {"x": x, "y": y},
    }


def time_x(field: str = "t") -> dict[str, Any]:
    """Encoding of milliseconds since 1970 as time in UTC."""
    return {"field": field, "type": "temporal", "scale": {"type": "utc", "padding": 14}, "axis": dict(TIME_AXIS)}


def quantity_y(field: str, title: str) -> dict[str, Any]:
    """Encoding of a figure; the axis does not begin at 0, because changes of few per cent are looked for."""
    scale, axis = {"zero": False, "nice": True}, {"format": "~g"}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}
