"""A comparison on an emulated CPU: both sides' instructions, counted twice, because only what repeats is exact."""

from __future__ import annotations

from collections.abc import Callable

from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Side, Verdict
from bnnbench.results.verdict.other_metrics import repeated_verdict

from ..bench.workbench import Workbench
from ..clock import now
from ..measure.invoke import InPair, Place
from ..measure.runner import runner_of
from .pairs import Comparison

_ORDER: tuple[tuple[int, Side], ...] = ((0, "base"), (0, "head"), (1, "head"), (1, "base"))


def compare_counts(
    bench: Workbench, comparison: Comparison, take_index: Callable[[str], int], tuned: Callable[[Metric], Metric]
) -> Verdict:
    """The verdict on instructions; `take_index` gives the next invocation's of a case, `tuned` the metric with the
    suite's floor.

    Raises DeviceError, Interrupted, StoreError.
    """
    record, metric = comparison.record, tuned(METRICS[bench.target.meter.metric])
    counts: dict[Side, list[float]] = {"base": [], "head": []}
    for pair, side in _ORDER:
        bench.context.stop.check()
        bench.context.show(record.device, f"counting {record.workload} on the {side}", 0, 1)
        case, index = comparison.cases[side], take_index(comparison.cases[side].record.id)
        within = InPair(record.id, pair, record.extra_ppm if side == "head" else 0)
        done = runner_of(case).invoke(bench, case, Place(index, index, within), comparison.gates[side])
        bench.context.append(done)
        if done.status != "ok" or not done.counters:
            return Verdict(
                comparison_id=record.id,
                metric=metric.key,
                unit=metric.unit,
                status="failed" if done.status == "ok" else done.status,
                reason=f"{side}: {done.reason or 'nothing was counted'}",
                side=side,
                finished=now(),
            )
        counts[side].append(float(done.counters[metric.key]))
    return repeated_verdict(record.id, metric, counts["base"], counts["head"], now())
