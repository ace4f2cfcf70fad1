"""What is compared beside pairs: every other metric of which both sides have figures, as its row says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from msgspec.structs import replace

from bnnbench.results.metric import Compared, Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Accuracy, CaseRecord, Invocation, Pair, Verdict
from bnnbench.results.verdict.accuracy import Answers, accuracy_verdict
from bnnbench.results.verdict.exact import exact_verdict
from bnnbench.results.verdict.unpaired import unpaired_verdict


@dataclass(frozen=True, slots=True)
class Measured:
    """One side: its case, its accuracy, and by the key of a metric the figures of its processes, and what these were
    read from where that counts."""

    case: CaseRecord
    accuracy: Accuracy | None
    figures: Mapping[str, Sequence[float]] = field(default_factory=dict)
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)

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
        done = [invocation for invocation in invocations if invocation.status == "ok"]
        dropped = {pair.number for pair in pairs if pair.dropped is not None}
        kept = [item for item in done if item.pair not in dropped]
        figures = {
            metric.key: [figure for item in (kept if metric.is_time else done) if (figure := read(item)) is not None]
            for metric in METRICS.values()
            if (read := metric.of_invocation) is not None
        }
        sources = {
            metric.key: frozenset(name for item in done if (name := of(item)) is not None)
            for metric in METRICS.values()
            if (of := metric.source_of) is not None
        }
        return cls(case, accuracy, figures, sources)


def other_verdicts(
    comparison_id: str, base: Measured, head: Measured, finished: str, tuned: Callable[[Metric], Metric] = lambda it: it
) -> list[Verdict]:
    """Verdicts of the metrics, other than what the comparison is about, that both sides have. `tuned` gives a metric
    the floor and margin of the suite."""
    found = [
        _BY[metric.compared](comparison_id, tuned(metric), base, head, finished)
        for metric in METRICS.values()
        if not metric.is_main
    ]
    return [item for item in found if item is not None]


def repeated_verdict(
    comparison_id: str, metric: Metric, base: Sequence[float], head: Sequence[float], finished: str
) -> Verdict:
    """Of figures that repeat to the digit, of several processes; inconclusive where a side's do not."""
    found = exact_verdict(comparison_id, metric, median(base), median(head), finished)
    for side, figures in (("base", base), ("head", head)):
        if max(figures) - min(figures) > min(figures) * metric.floor / 2:
            listed = " and ".join(map(metric.text, figures))
            reason = f"the {metric.label} of the {side} do not repeat: {listed} were counted"
            return replace(
                found, verdict="inconclusive", low=None, high=None, level=None, mde=None, confirmed=False, reason=reason
            )
    return found


def _answers(comparison_id: str, metric: Metric, base: Measured, head: Measured, finished: str) -> Verdict | None:
    if base.accuracy is None or head.accuracy is None:
        return None
    sides = Answers(base.case, base.accuracy), Answers(head.case, head.accuracy)
    return accuracy_verdict(comparison_id, *sides, finished, metric)


def _exact(comparison_id: str, metric: Metric, base: Measured, head: Measured, finished: str) -> Verdict | None:
    if metric.of_case is not None:
        old, new = metric.of_case(base.case), metric.of_case(head.case)
        return exact_verdict(comparison_id, metric, old, new, finished) if old and new else None
    first, second = (side.figures.get(metric.key, ()) for side in (base, head))
    return repeated_verdict(comparison_id, metric, first, second, finished) if first and second else None


def _unpaired(comparison_id: str, metric: Metric, base: Measured, head: Measured, finished: str) -> Verdict | None:
    old, new = (side.figures.get(metric.key, ()) for side in (base, head))
    found = unpaired_verdict(comparison_id, metric, old, new, finished)
    sources = [sorted(side.sources.get(metric.key, ())) for side in (base, head)]
    if found is None or (sources[0] == sources[1] and len(sources[0]) < 2):
        return found
    before, after = (" and ".join(names) or "an unknown source" for names in sources)
    reason = f"{metric.label} of the base was read from {before}, that of the head from {after}: they are not compared"
    return replace(
        found, verdict="inconclusive", effect=None, low=None, high=None, level=None, confirmed=False, reason=reason
    )


def _paired(comparison_id: str, metric: Metric, base: Measured, head: Measured, finished: str) -> Verdict | None:
    return None  # what the comparison is about: verdict/paired.py


_BY: Mapping[Compared, Callable[[str, Metric, Measured, Measured, str], Verdict | None]] = {
    "answers": _answers,
    "exact": _exact,
    "unpaired": _unpaired,
    "shares": _unpaired,
    "paired": _paired,
}
