"""The chart of the samples of two sides: which share of them took at most so long."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from bnnbench.results import quantity
from bnnbench.results.charts import style
from bnnbench.results.site.chart_spec import chart, colour, focus_ring, zoomable
from bnnbench.results.site.comparing.details import Step

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (0.0, "ns"))
_SIDES = ("base", "head")
_DASHES = ([5, 3], [1, 0])
_SHAPES = ("square", "circle")


def ecdf_chart(steps: Sequence[Step]) -> dict[str, Any]:
    """The specification. Raises ValueError without any sample."""
    if not steps:
        raise ValueError("no side has samples")
    least, unit = next((size, name) for size, name in _UNITS if median(step.ns for step in steps) >= size)
    size = least or 1.0
    points = [
        {
            "i": number,
            "x": float(f"{step.ns / size:.6g}"),
            "y": round(step.share, 4),
            "side": step.side,
            "say": f"{step.side}: {step.share * 100:.0f} % took at most {quantity.duration(step.ns)}",
        }
        for number, step in enumerate(steps)
    ]
    x = {"field": "x", "type": "quantitative", "title": f"latency of one execution in {unit}", "scale": {"zero": False}}
    y = {
        "field": "y",
        "type": "quantitative",
        "title": "share of the samples",
        "axis": {"format": "%", "tickCount": 5},
        "scale": {"domain": [0, 1]},
    }
    say = {"field": "say", "type": "nominal"}
    names = list(dict.fromkeys(step.side for step in steps))
    tints = [colour(style.MUTED), colour(style.ENGINES["native"])]
    tint = {"field": "side", "type": "nominal", "title": None, "scale": _scale(names, tints)}
    line = {
        "data": {"name": "points"},
        "mark": {"type": "line", "interpolate": "step-after", "aria": False},
        "encoding": {
            "x": x,
            "y": y,
            "color": tint,
            "strokeDash": {"field": "side", "type": "nominal", "title": None, "scale": _scale(names, _DASHES)},
            "order": {"field": "i", "type": "quantitative"},
        },
    }
    dots = {
        "data": {"name": "points"},
        "mark": {"type": "point", "tooltip": True, "size": 22},
        "encoding": {
            "x": x,
            "y": y,
            "color": tint,
            "shape": {"field": "side", "type": "nominal", "title": None, "scale": _scale(names, _SHAPES)},
            "tooltip": say,
            "description": say,
        },
    }
    return chart(points, [line, zoomable(dots), focus_ring(x, y)], height=220, zoom="x")


def _scale(names: Sequence[str], values: Sequence[object]) -> dict[str, Any]:
    of_side = dict(zip(_SIDES, values, strict=True))
    return {"domain": list(names), "range": [of_side[name] for name in names]}
