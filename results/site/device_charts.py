"""The charts of a device's page: temperature and clock of its last runs, and its roofline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bnnbench.results import quantity
from bnnbench.results.charts import style
from bnnbench.results.records import Peak
from bnnbench.results.site.cases import CaseSummary, moment_ms
from bnnbench.results.site.chart_spec import Datum, Layer, chart, colour, focus_ring, quantity_y, time_x
from bnnbench.results.site.device_runs import DeviceRun
from bnnbench.results.site.render import day

_DASHES: Sequence[Sequence[int]] = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
_LEVELS = {"l1": "L1", "l2": "L2", "llc": "LLC", "dram": "DRAM"}


def spread_points(runs: Sequence[DeviceRun], what: str) -> list[dict[str, Any]]:
    """The data set of `celsius` or `clock_hz`: a point per run that has readings."""
    found: list[dict[str, Any]] = []
    for run in runs:
        spread = run.celsius if what == "celsius" else run.clock_hz
        if spread is None:
            continue
        shown = [f"{value:.0f} °C" if what == "celsius" else quantity.clock(value) for value in spread]
        low, middle, high = (value if what == "celsius" else value / 1e9 for value in spread)
        say = f"{shown[1]} ({shown[0]} to {shown[2]})\n{day(run.created)}, run {run.run_id}"
        found.append({"i": len(found), "t": moment_ms(run.created), "v": middle, "lo": low, "hi": high, "say": say})
    return found


def spread_chart(points: Sequence[Datum], title: str, tint: style.Colour) -> dict[str, Any]:
    """Medians with the least and the greatest reading of each run."""
    x, y = time_x(), quantity_y("v", title)
    say = {"field": "say", "type": "nominal"}
    layers: list[Layer] = [
        {
            "data": {"name": "points"},
            "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.6, "color": colour(tint), "aria": False},
            "encoding": {"x": x, "y": {"field": "lo", "type": "quantitative"}, "y2": {"field": "hi"}},
        },
        {
            "data": {"name": "points"},
            "mark": {"type": "point", "size": 46, "tooltip": True, "color": colour(tint)},
            "encoding": {"x": x, "y": y, "tooltip": say, "description": say},
        },
        focus_ring(x, y),
    ]
    return chart(points, layers, height=180)


def roofline_points(cases: Sequence[CaseSummary]) -> list[dict[str, Any]]:
    """The data set of kernels that were timed with one thread: operations per byte and per second."""
    found: list[dict[str, Any]] = []
    for case in sorted(cases, key=lambda case: (case.intensity or 0, case.path)):
        if case.threads != 1 or case.kind != "kernel" or not case.intensity or not case.gops:
            continue
        say = f"{quantity.rate(case.gops)} at {case.intensity:.3g} operations per byte\n{case.name}"
        found.append(
            {
                "i": len(found),
                "x": float(f"{case.intensity:.4g}"),
                "y": float(f"{case.gops:.4g}"),
                "engine": case.engine,
                "say": say,
                "href": f"../{case.path}",
            }
        )
    return found


def roofline_chart(points: Sequence[Datum], peaks: Sequence[Peak]) -> dict[str, Any] | None:
    """Dots below the roofs of one thread at the ISA level with the highest; None where no roof of one thread, or no
    dot is there."""
    single = [peak for peak in peaks if peak.threads == 1 and peak.popcount_gops]
    if not points or not single:
        return None
    best = max(single, key=lambda peak: peak.popcount_gops or 0)
    top = best.popcount_gops or 0.0
    least, most = min(point["x"] for point in points) / 4, max(point["x"] for point in points) * 4
    ridges = {
        _LEVELS.get(level, level): (top / bandwidth, bandwidth)
        for level, bandwidth in (best.read_gb_s or {}).items()
        if bandwidth
    }
    begin = min([least, *(ridge / 2 for ridge, _ in ridges.values())])
    first = min((ridge for ridge, _ in ridges.values()), default=begin)
    lines = [{"x": at, "y": top, "roof": "popcount"} for at in (first, max(most, first))]
    for name, (ridge, bandwidth) in ridges.items():
        lines += [{"x": at, "y": bandwidth * at, "roof": name} for at in (begin, min(ridge, max(most, first)))]
    log = {"type": "log"}
    x = {"field": "x", "type": "quantitative", "title": "operations per byte moved", "scale": log}
    y = {"field": "y", "type": "quantitative", "title": "GOPS", "scale": log}
    say = {"field": "say", "type": "nominal"}
    roofs = list(dict.fromkeys(str(line["roof"]) for line in lines))
    engines = list(dict.fromkeys(str(point["engine"]) for point in points))
    tints = style.colours(engines)
    shapes = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
    layers: list[Layer] = [
        {
            "data": {"name": "roofs"},
            "mark": {"type": "line", "strokeWidth": 1.6, "color": colour(style.MUTED)},
            "encoding": {
                "x": x,
                "y": y,
                "strokeDash": {
                    "field": "roof",
                    "type": "nominal",
                    "title": "roof",
                    "scale": {"domain": roofs, "range": [list(_DASHES[n % len(_DASHES)]) for n in range(len(roofs))]},
                },
            },
        },
        {
            "data": {"name": "points"},
            "mark": {"type": "point", "size": 46, "tooltip": True, "cursor": "pointer"},
            "encoding": {
                "x": x,
                "y": y,
                "color": _by_engine(engines, [colour(tints[engine]) for engine in engines]),
                "shape": _by_engine(engines, [shapes[n % len(shapes)] for n in range(len(engines))]),
                "tooltip": say,
                "description": say,
            },
        },
        focus_ring(x, y),
    ]
    return chart(points, layers, datasets={"roofs": lines}, height=320)


def _by_engine(engines: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    scale = {"domain": list(engines), "range": list(values)}
    return {"field": "engine", "type": "nominal", "title": None, "scale": scale}
