"""The budgets of `pick` as sliders, for a browser that picks as `results/pick.py` does."""

import math
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from bnnbench.results.metric import Metric
from bnnbench.results.metrics import OBJECTIVES
from bnnbench.results.pick import ORDER
from bnnbench.results.printable import harmless, shorten
from bnnbench.results.site.choosing.groups import Group
from bnnbench.results.site.page import MOST_NAME

_DECADE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
_STEP = 0.005
"""Of accuracies: half a percentage point."""
_MOST_DECADES = 12
_OPTIONS = {
    "latency": "max-latency",
    "size": "max-size",
    "accuracy": "min-accuracy",
    "sustained_latency": "max-sustained",
}
"""Of `bnnbench pick`, by the key of an objective."""


def data_of(groups: Sequence[Group]) -> dict[str, Any]:
    """What the script of the page needs, as JSON: the objectives in the order that decides, each with the steps of its
    slider, and the choices of each group in the order of the frame that `pick` would get."""
    return {
        "objectives": [
            {
                "key": key,
                "budget": OBJECTIVES[key].budget,
                "option": _OPTIONS[key],
                "label": OBJECTIVES[key].title,
                "smaller_is_better": OBJECTIVES[key].smaller_is_better,
                "unit": OBJECTIVES[key].unit,
                "steps": steps(OBJECTIVES[key], _figures(groups, key)),
            }
            for key in shown(groups)
        ],
        "groups": {
            group.key: {
                "title": shorten(group.title, MOST_NAME),
                "command": harmless(_command(group)),
                "choices": [
                    {
                        "name": shorten(one.name, MOST_NAME),
                        "run": one.run_id,
                        "trust": one.trust,
                        "figures": one.figures,
                        "texts": [one.texts[key] for key in ORDER if one.texts.get(key)],
                    }
                    for one in group.choices
                ],
            }
            for group in groups
        },
    }


def shown(groups: Sequence[Group]) -> list[str]:
    """The objectives in the order that decides, without rare ones that no choice has a figure for."""
    return [key for key in ORDER if not OBJECTIVES[key].is_rare or _figures(groups, key)]


def _command(group: Group) -> str:
    words = ["bnnbench", "pick", f"--device={group.device}"]
    return shlex.join([*words, *([f"--dataset={group.dataset_name}"] if group.dataset_name else [])])


def steps(metric: Metric, figures: Iterable[float]) -> list[tuple[float, str]]:
    """The values of a slider with their texts, the tightest budget first: round numbers that reach from the best figure
    to the worst one. A share has steps of half a point."""
    known = [value for value in figures if math.isfinite(value) and value >= 0]
    if not known:
        return []
    if metric.in_points:
        low, high = math.floor(min(known) / _STEP), math.floor(max(known) / _STEP)
        return [(round(place * _STEP, 6), f"{place * _STEP * 100:.1f} %") for place in range(high, low - 1, -1)]
    positive = [value for value in known if value > 0] or [1.0]
    first, last = math.floor(math.log10(min(positive))), math.floor(math.log10(max(positive)))
    first = max(first, last - _MOST_DECADES)
    values = [round(step * 10.0**decade, 6) for decade in range(first, last + 2) for step in _DECADE]
    above = [value for value in values if value >= max(positive)]
    within = [value for value in values if min(positive) <= value < max(positive)]
    return [(value, metric.text(value)) for value in [*within, *above[:1]]]


def _figures(groups: Sequence[Group], key: str) -> list[float]:
    return [value for group in groups for one in group.choices if (value := one.figures.get(key)) is not None]
