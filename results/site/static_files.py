"""The files that all pages share: style, script, and the chart library with its licences."""

from __future__ import annotations

from pathlib import Path

from bnnbench.results.site.render import colours_css

STATIC = Path(__file__).parent / "static"
FOLDER = "static"
CHARTS = ("vendor/vega.min.js", "vendor/vega-lite.min.js", "vendor/vega-interpreter.js", "charts.js")
"""Scripts of pages that have charts, in the order in which they are loaded."""


def static_files() -> dict[str, bytes]:
    """Content by path in the site."""
    found = {
        f"{FOLDER}/{path.relative_to(STATIC).as_posix()}": path.read_bytes()
        for path in sorted(STATIC.rglob("*"))
        if path.is_file()
    }
    found[f"{FOLDER}/colours.css"] = colours_css().encode()
    return found
