"""The verdict on figures that repeat to the digit, such as sizes and counted instructions: only their floor decides."""

from bnnbench.results.records import Verdict, Word
from bnnbench.results.verdict.floors import FLOORS


def exact_verdict(
    comparison_id: str, metric: str, unit: str, base: float, head: float, finished: str | None = None
) -> Verdict:
    """Of a metric of which less is better; `base` and `head` in `unit`. Equivalent below the metric's floor."""
    floor = FLOORS[metric].floor
    effect = head / base - 1 if base else None
    called = abs(effect) >= floor if effect is not None else head != base
    verdict: Word = ("regression" if head > base else "improvement") if called else "equivalent"
    return Verdict(
        comparison_id=comparison_id,
        metric=metric,
        unit=unit,
        status="ok",
        verdict=verdict,
        effect=effect,
        low=effect,
        high=effect,
        level=1.0,
        mde=floor,
        base_value=base,
        head_value=head,
        confirmed=True,
        finished=finished,
    )
