"""A history as a few pixels of SVG, without a script; its text says the same."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

_WIDTH, _HEIGHT, _LEAST_SPAN = 100.0, 20.0, 0.05


def sparkline(values: Sequence[float], label: str) -> Markup:
    """An SVG of at least two values, of which 5 % fill the height at least; empty for fewer."""
    if len(values) < 2:
        return Markup("")
    middle = sorted(values)[len(values) // 2]
    low, high = min(values), max(values)
    span = max(high - low, abs(middle) * _LEAST_SPAN) or 1.0
    base = (low + high) / 2
    step = _WIDTH / (len(values) - 1)
    places = [(number * step, _HEIGHT * (0.5 - 0.9 * (value - base) / span)) for number, value in enumerate(values)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return Markup(
        '<svg class="spark" viewBox="-2 -2 104 24" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline points="{}"/></svg>'
    ).format(escape(label), points)
