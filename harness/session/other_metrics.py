"""What is compared beside latency: the other metrics of which both sides have figures; and instructions, where they are
counted instead. Verdicts come from the stored records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from msgspec.structs import replace

from bnnbench.results.metrics import METRICS, Metric
from bnnbench.results.records import Accuracy, CaseRecord, Invocation, Pair, Verdict
from bnnbench.results.verdict.accuracy import Answers, accuracy_verdict
from bnnbench.results.verdict.apart import apart_verdict
from bnnbench.results.verdict.exact import exact_verdict


@dataclass(frozen=True, slots=True)
class Measured:
    """One side: its case, its accuracy, and by the key of a metric the figures of its processes."""

    case: CaseRecord
    accuracy: Accuracy | None
    figures: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        case: CaseRecord,
        accuracy: Accuracy | None,
        invocations: Sequence[Invocation],
        pairs: Sequence[Pair] = (),
    ) -> Measured:
        """`invocations`: those of this case in this comparison. Times of failed ones, and of `pairs` that were dropped,
        are left out."""
        done = [one for one in invocations if one.status == "ok"]
        dropped = {pair.number for pair in pairs if pair.dropped is not None}
        kept = [one for one in done if one.pair not in dropped]
        figures = {
            metric.key: [figure for one in (kept if metric.is_time else done) if (figure := read(one)) is not None]
            for metric in METRICS.values()
            if (read := metric.of_invocation) is not None
        }
        return cls(case, accuracy, figures)


def other_verdicts(comparison_id: str, base: Measured, head: Measured, finished: str) -> list[Verdict]:
    """Verdicts of the other metrics that both sides have."""
    found = [_verdict(comparison_id, metric, base, head, finished) for metric in METRICS.values() if not metric.is_main]
    return [one for one in found if one is not None]


def _verdict(comparison_id: str, metric: Metric, base: Measured, head: Measured, finished: str) -> Verdict | None:
    if metric.compared == "answers":
        if base.accuracy is None or head.accuracy is None:
            return None
        answers = Answers(base.case, base.accuracy), Answers(head.case, head.accuracy)
        return accuracy_verdict(comparison_id, *answers, finished)
    if metric.of_case is not None:
        old, new = metric.of_case(base.case), metric.of_case(head.case)
        return exact_verdict(comparison_id, metric, old, new, finished) if old and new else None
    return apart_verdict(
        comparison_id, metric, base.figures.get(metric.key, ()), head.figures.get(metric.key, ()), finished
    )


def instructions_verdict(comparison_id: str, base: Sequence[float], head: Sequence[float], finished: str) -> Verdict:
    """Of instructions per iteration, counted several times; inconclusive where a side's counts do not repeat."""
    metric = METRICS["instructions"]
    found = exact_verdict(comparison_id, metric, median(base), median(head), finished)
    for side, counts in (("base", base), ("head", head)):
        if max(counts) - min(counts) > min(counts) * metric.floor / 2:
            listed = " and ".join(f"{count:,.0f}" for count in counts)
            reason = f"the instructions of the {side} do not repeat: {listed} were counted"
            return replace(
                found, verdict="inconclusive", low=None, high=None, level=None, mde=None, confirmed=False, reason=reason
            )
    return found
