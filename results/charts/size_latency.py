"""Latency by size, of models."""

from bnnbench.results.charts.tradeoff import tradeoff_chart

CHART = tradeoff_chart(
    "size-latency",
    "Latency by size",
    ("size", "latency"),
    "The dashed line is the front: no model below it, or to its left. Boxes are intervals.",
)
