"""The verdict on peak memory, from the processes of both sides.

Each side's median has its order-statistic interval (98 %, or the range of fewer processes). Where the two intervals lie
apart, and the medians by the floor at least, it is a regression or an improvement; where the ratio of the intervals'
ends stays within the margin, the two are equivalent. With fewer than five processes a side nothing is said: two sides
of three processes lie apart by chance in one case of ten.
"""

from collections.abc import Sequence
from statistics import median

from msgspec.structs import replace

from bnnbench.results.records import Verdict
from bnnbench.results.statistics.level import level
from bnnbench.results.verdict.floors import FLOORS

LEAST_PROCESSES = 5
_CONFIDENCE = 0.98
_FLOOR = FLOORS["peak_rss"]


def memory_verdict(
    comparison_id: str, base: Sequence[int], head: Sequence[int], finished: str | None = None
) -> Verdict | None:
    """`base` and `head`: bytes, a figure for each process. None when a side has none."""
    if not base or not head or not min(base) > 0:
        return None
    old, new = median(base), median(head)
    one = Verdict(
        comparison_id=comparison_id,
        metric="peak_rss",
        unit="bytes",
        status="ok",
        verdict="inconclusive",
        effect=new / old - 1,
        base_value=old,
        head_value=new,
        finished=finished,
    )
    few = min(len(base), len(head))
    if few < LEAST_PROCESSES:
        return replace(one, reason=f"peak memory is known of {few} processes a side, and {LEAST_PROCESSES} are needed")
    before, after = level(base, _CONFIDENCE), level(head, _CONFIDENCE)
    low, high = after.low / before.high - 1, after.high / before.low - 1
    one = replace(one, low=low, high=high, level=before.coverage + after.coverage - 1)
    if abs(new / old - 1) >= _FLOOR.floor:
        apart = low > 0 or high < 0
        if apart:
            return replace(one, verdict="regression" if low > 0 else "improvement", confirmed=True)
    elif -_FLOOR.margin <= low and high <= _FLOOR.margin:
        return replace(one, verdict="equivalent")
    return replace(one, reason="processes of one side differ as much as the sides do")
