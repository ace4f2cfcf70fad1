"""A comparison on an emulated CPU: both sides' instructions, counted twice, because only what repeats is exact."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bnnbench.results.records import ComparisonRecord, Gate, Side, Verdict

from ..bench.context import RunContext
from ..bench.workbench import Workbench
from ..clock import now
from ..measure.invoke import InPair, invoke
from ..plan.cases import Case
from .other_metrics import instructions_verdict

_ORDER: tuple[tuple[int, Side], ...] = ((0, "base"), (0, "head"), (1, "head"), (1, "base"))


def compare_counts(
    bench: Workbench,
    record: ComparisonRecord,
    cases: Mapping[Side, Case],
    gates: Mapping[Side, Gate],
    take_index: Callable[[str], int],
    context: RunContext,
) -> Verdict:
    """The verdict on instructions; `take_index` gives the next invocation's of a case.

    Raises DeviceError, Interrupted, StoreError.
    """
    counts: dict[Side, list[float]] = {"base": [], "head": []}
    for pair, side in _ORDER:
        context.check()
        context.show(record.device, f"counting {record.workload} on the {side}", 0, 1)
        index = take_index(cases[side].record.id)
        within = InPair(record.id, pair, record.extra_ppm if side == "head" else 0)
        done = invoke(bench, cases[side], index, index, gates[side], within)
        context.append(done)
        if done.status != "ok" or not done.counters:
            return Verdict(
                comparison_id=record.id,
                metric="instructions",
                unit="instructions",
                status="failed" if done.status == "ok" else done.status,
                reason=f"{side}: {done.reason or 'nothing was counted'}",
                finished=now(),
            )
        counts[side].append(float(done.counters["instructions"]))
    return instructions_verdict(record.id, counts["base"], counts["head"], now())
