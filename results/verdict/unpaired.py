"""The verdict on figures of which every process has one, such as peak memory: one side's processes against the other's.

Each side's median has its order-statistic interval (98 %, or the range of fewer processes). Where the two intervals lie
apart, and the medians by the floor at least, it is a regression or an improvement; where the ratio of the intervals'
ends stays within the margin, the two are equivalent. With fewer than five processes a side nothing is said: two sides
of three processes lie apart by chance in one case of ten.
"""

from collections.abc import Sequence
from statistics import median

from msgspec.structs import replace

from bnnbench.results.metric import Metric
from bnnbench.results.records import Verdict
from bnnbench.results.statistics.level import level

LEAST_PROCESSES = 5
_CONFIDENCE = 0.98


def unpaired_verdict(
    comparison_id: str, metric: Metric, base: Sequence[float], head: Sequence[float], finished: str | None = None
) -> Verdict | None:
    """`base` and `head`: a figure for each process, in the metric's unit. None when a side has none.

    Effects are ratios minus 1, of shares differences.
    """
    differs = _difference if metric.compared == "shares" else _ratio
    if not base or not head or (differs is _ratio and not min(*base, *head) > 0):
        return None
    old, new = median(base), median(head)
    effect = differs(old, new)
    one = Verdict(
        comparison_id=comparison_id,
        metric=metric.key,
        unit=metric.unit,
        status="ok",
        verdict="inconclusive",
        effect=effect,
        base_value=old,
        head_value=new,
        finished=finished,
    )
    few = min(len(base), len(head))
    if few < LEAST_PROCESSES:
        reason = f"{metric.label} is known of {few} processes a side, and {LEAST_PROCESSES} are needed"
        return replace(one, reason=reason)
    before, after = level(base, _CONFIDENCE), level(head, _CONFIDENCE)
    low, high = differs(before.high, after.low), differs(before.low, after.high)
    one = replace(one, low=low, high=high, level=before.coverage + after.coverage - 1)
    if abs(effect) >= metric.floor:
        if low > 0 or high < 0:
            worse = metric.sign * effect > 0
            return replace(one, verdict="regression" if worse else "improvement", confirmed=True)
    elif -metric.margin <= low and high <= metric.margin:
        return replace(one, verdict="equivalent")
    return replace(one, reason="processes of one side differ as much as the sides do")


def _ratio(old: float, new: float) -> float:
    return new / old - 1


def _difference(old: float, new: float) -> float:
    return new - old
