"""What is compared beside latency: the model's size, accuracy on the same images, peak memory; and instructions, where
they are counted instead. Verdicts come from the stored records alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from msgspec.structs import replace

from bnnbench.results.records import Accuracy, CaseRecord, Verdict
from bnnbench.results.verdict.accuracy import Answers, accuracy_verdict
from bnnbench.results.verdict.exact import exact_verdict
from bnnbench.results.verdict.floors import FLOORS
from bnnbench.results.verdict.memory import memory_verdict


@dataclass(frozen=True, slots=True)
class Measured:
    """One side: its case, its accuracy, the peak memory of its processes in bytes."""

    case: CaseRecord
    accuracy: Accuracy | None
    peak_rss: Sequence[int]


def other_verdicts(comparison_id: str, base: Measured, head: Measured, finished: str) -> list[Verdict]:
    """Verdicts of the other metrics that both sides have."""
    found: list[Verdict | None] = []
    if base.case.size_bytes and head.case.size_bytes:
        sizes = base.case.size_bytes, head.case.size_bytes
        found.append(exact_verdict(comparison_id, "size", "bytes", *sizes, finished))
    if base.accuracy and head.accuracy:
        answers = Answers(base.case, base.accuracy), Answers(head.case, head.accuracy)
        found.append(accuracy_verdict(comparison_id, *answers, finished))
    found.append(memory_verdict(comparison_id, base.peak_rss, head.peak_rss, finished))
    return [one for one in found if one is not None]


def instructions_verdict(comparison_id: str, base: Sequence[float], head: Sequence[float], finished: str) -> Verdict:
    """Of instructions per iteration, counted several times; inconclusive where a side's counts do not repeat."""
    found = exact_verdict(comparison_id, "instructions", "instructions", median(base), median(head), finished)
    for side, counts in (("base", base), ("head", head)):
        if max(counts) - min(counts) > min(counts) * FLOORS["instructions"].floor / 2:
            listed = " and ".join(f"{count:,.0f}" for count in counts)
            reason = f"the instructions of the {side} do not repeat: {listed} were counted"
            return replace(
                found, verdict="inconclusive", low=None, high=None, level=None, mde=None, confirmed=False, reason=reason
            )
    return found
