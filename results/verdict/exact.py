"""The verdict on figures that repeat to the digit, such as sizes and counted instructions: only their floor decides."""

from bnnbench.results.metric import Metric
from bnnbench.results.records import Verdict, Word


def exact_verdict(comparison_id: str, metric: Metric, base: float, head: float, finished: str | None = None) -> Verdict:
    """`base` and `head` in the metric's unit. Equivalent below its floor."""
    effect = head / base - 1 if base else None
    called = abs(effect) >= metric.floor if effect is not None else head != base
    worse = metric.sign * (head - base) > 0
    verdict: Word = ("regression" if worse else "improvement") if called else "equivalent"
    return Verdict(
        comparison_id=comparison_id,
        metric=metric.key,
        unit=metric.unit,
        status="ok",
        verdict=verdict,
        effect=effect,
        low=effect,
        high=effect,
        level=1.0,
        mde=metric.floor,
        base_value=base,
        head_value=head,
        confirmed=True,
        finished=finished,
    )
