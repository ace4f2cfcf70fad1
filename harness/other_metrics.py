"""What is compared beside latency: the model's size, accuracy on fixed predictions, peak memory. No statistics: these
repeat, and are compared as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from bnnbench.results.records import Accuracy, CaseRecord, Verdict

RSS_SHARE = 0.01
"""Peak memory counts pages that the kernel hands out as it likes; it differs when all of one side lie beyond all of the
other, by at least this."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One side: its case, its accuracy, the peak memory of its processes in bytes."""

    case: CaseRecord
    accuracy: Accuracy | None
    peak_rss: Sequence[int]


def other_verdicts(comparison_id: str, base: Measured, head: Measured, finished: str) -> list[Verdict]:
    """Verdicts of the other metrics that both sides have."""
    exact = partial(_exact, comparison_id, finished=finished)
    found = []
    if base.case.size_bytes and head.case.size_bytes:
        found.append(exact("size", "bytes", base.case.size_bytes, head.case.size_bytes))
    old, new = base.accuracy, head.accuracy
    if old and new and old.correct is not None and new.correct is not None and _same_images(old, new):
        shares = old.correct / old.images, new.correct / new.images
        found.append(exact("accuracy", "share", *shares, more_is_better=True))
    if base.peak_rss and head.peak_rss:
        found.append(exact("peak_rss", "bytes", *_memory(base.peak_rss, head.peak_rss)))
    return found


def instructions_verdict(comparison_id: str, base: float, head: float, finished: str) -> Verdict:
    """Of instructions per iteration, which repeat to the digit."""
    return _exact(comparison_id, "instructions", "instructions", base, head, finished=finished)


def _same_images(one: Accuracy, other: Accuracy) -> bool:
    return (one.dataset_sha256, one.images, one.seed) == (other.dataset_sha256, other.images, other.seed)


def _memory(base: Sequence[int], head: Sequence[int]) -> tuple[float, float]:
    """The medians; equal ones unless the sides lie apart."""
    old, new = median(base), median(head)
    apart = max(base) < min(head) or max(head) < min(base)
    return (old, new) if apart and abs(new / old - 1) >= RSS_SHARE else (old, old)


def _exact(
    comparison_id: str,
    metric: str,
    unit: str,
    base: float,
    head: float,
    *,
    finished: str,
    more_is_better: bool = False,
) -> Verdict:
    worse = head < base if more_is_better else head > base
    effect = head / base - 1 if base else None
    return Verdict(
        comparison_id=comparison_id,
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
