"""Accuracy by latency, of models."""

from bnnbench.results.charts.tradeoff import tradeoff_chart

CHART = tradeoff_chart(
    "latency-accuracy",
    "Accuracy by latency",
    ("latency", "accuracy"),
    "The dashed line is the front: no model above it, or to its left. Boxes are intervals.",
)
