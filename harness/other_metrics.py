"""What is compared beside latency: the model's size, accuracy on fixed predictions, peak memory. No statistics: these
repeat, and are compared as they are."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bnnbench.results.records import Accuracy, CaseRecord, ComparisonRecord, Verdict
from bnnbench.results.stored_run import StoredRun

RSS_SHARE = 0.01
"""Peak memory counts pages that the kernel hands out as it likes; it differs when all of one side lie beyond all of the
other, by at least this."""


def other_verdicts(run: StoredRun, record: ComparisonRecord, finished: str) -> list[Verdict]:
    """Verdicts of the other metrics that both sides have."""
    cases = {case.id: case for case in run.record.cases}
    base, head = cases[record.base_case], cases[record.head_case]
    accuracies = run.accuracies
    return [
        found
        for found in (
            _size(record, base, head, finished),
            _accuracy(record, accuracies.get(base.id), accuracies.get(head.id), finished),
            _memory(record, *(_peak_rss(run, record, case) for case in (base, head)), finished=finished),
        )
        if found is not None
    ]


def _size(record: ComparisonRecord, base: CaseRecord, head: CaseRecord, finished: str) -> Verdict | None:
    if not base.size_bytes or not head.size_bytes:
        return None
    return _exact(record, "size", "bytes", base.size_bytes, head.size_bytes, finished)


def _accuracy(record: ComparisonRecord, base: Accuracy | None, head: Accuracy | None, finished: str) -> Verdict | None:
    if base is None or head is None or base.correct is None or head.correct is None:
        return None
    if (base.dataset_sha256, base.images, base.seed) != (head.dataset_sha256, head.images, head.seed):
        return None
    shares = base.correct / base.images, head.correct / head.images
    return _exact(record, "accuracy", "share", *shares, finished=finished, more_is_better=True)


def _memory(record: ComparisonRecord, base: Sequence[int], head: Sequence[int], *, finished: str) -> Verdict | None:
    if not base or not head:
        return None
    figures = median(base), median(head)
    apart = max(base) < min(head) or max(head) < min(base)
    if not apart or abs(figures[1] / figures[0] - 1) < RSS_SHARE:
        figures = figures[0], figures[0]
    return _exact(record, "peak_rss", "bytes", *figures, finished=finished)


def _peak_rss(run: StoredRun, record: ComparisonRecord, case: CaseRecord) -> list[int]:
    mine = [one for one in run.invocations if one.comparison_id == record.id and one.case_id == case.id]
    return [one.peak_rss_bytes for one in mine if one.peak_rss_bytes]


def _exact(
    record: ComparisonRecord,
    metric: str,
    unit: str,
    base: float,
    head: float,
    finished: str,
    more_is_better: bool = False,
) -> Verdict:
    worse = head < base if more_is_better else head > base
    effect = head / base - 1 if base else None
    return Verdict(
        comparison_id=record.id,
        metric=metric,
        unit=unit,
        status="ok",
        verdict="equivalent" if head == base else "regression" if worse else "improvement",
        effect=effect,
        low=effect,
        high=effect,
        level=1.0,
        mde=0.0,
        base_value=base,
        head_value=head,
        confirmed=True,
        finished=finished,
    )
