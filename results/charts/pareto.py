"""Size, latency and accuracy, of models."""

from bnnbench.results.charts.tradeoff import tradeoff_chart

CHART = tradeoff_chart(
    "pareto",
    "Size, latency and accuracy",
    ("latency", "accuracy", "size"),
    "The area of a dot is the size of the model's file. Models in full colour are on the front: none is as small, as "
    "fast and as accurate.",
)
