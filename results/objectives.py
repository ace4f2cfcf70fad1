"""What a model is chosen by: how small, how fast and how accurate it is. One row for each objective."""

from collections.abc import Callable
from dataclasses import dataclass

from bnnbench.results import quantity


@dataclass(frozen=True, slots=True)
class Objective:
    """A column of `bnnbench.results.load` that is to be small or large; `low` and `high` are its interval's columns.

    `logarithmic`: what counts is by how many per cent it differs.
    """

    name: str
    column: str
    smaller_is_better: bool
    label: str
    text: Callable[[float], str]
    low: str | None = None
    high: str | None = None
    logarithmic: bool = True


def accuracy_text(share: float) -> str:
    """An accuracy as `91.13 %`."""
    return f"{share * 100:.2f} %"


OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("size", "size_bytes", True, "size of the model file", quantity.size),
        Objective("latency", "latency_ns", True, "latency", quantity.duration, "latency_low_ns", "latency_high_ns"),
        Objective(
            "accuracy",
            "accuracy",
            False,
            "top-1 accuracy",
            accuracy_text,
            "accuracy_low",
            "accuracy_high",
            logarithmic=False,
        ),
    )
}
