"""Accuracy by size, of models."""

from bnnbench.results.charts.tradeoff import tradeoff_chart

CHART = tradeoff_chart(
    "size-accuracy",
    "Accuracy by size",
    ("size", "accuracy"),
    "The dashed line is the front: no model above it, or to its left. Boxes are intervals.",
)
