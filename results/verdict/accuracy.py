"""The verdict on accuracy, from the stored answers of both sides to the same images.

Engines on one model are compared as they are: nothing is random, and each image that differs can be named. Two models
are compared as samples: which images a dataset happens to have decides who is ahead. A difference is called when
McNemar's exact test shows it and it reaches the floor; two models are equivalent when the 99 % interval lies within the
margin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from bnnbench.results.image_flags import unpacked
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Accuracy, CaseRecord, Side, Verdict
from bnnbench.results.statistics.mcnemar import detectable_difference, p_value
from bnnbench.results.statistics.paired_difference import paired_difference_interval

LEVEL = 0.99
"""Of the interval; at most 1 % of comparisons in which nothing differs are called."""
_METRIC = METRICS["accuracy"]
"""Its `alpha` is below 1 %, so that the rate that some thousand comparisons show is so, too."""
_NAMED = 8
"""So many images are named in a reason."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One side: its case, and what it said to the images."""

    case: CaseRecord
    accuracy: Accuracy

    @property
    def share(self) -> float | None:
        """Of the images that are right."""
        one = self.accuracy
        return None if one.correct is None or not one.images else one.correct / one.images

    @property
    def right(self) -> NDArray[np.bool_] | None:
        """[images], or None where they were not kept, or do not fit the count."""
        flags = unpacked(self.accuracy.right, self.accuracy.images)
        return flags if flags is not None and int(flags.sum()) == self.accuracy.correct else None


def accuracy_verdict(
    comparison_id: str, base: Answers, head: Answers, finished: str | None = None, metric: Metric = _METRIC
) -> Verdict | None:
    """None where the two did not see the same images. Effects are differences of shares (-0.002: 0.2 points less);
    `metric` has the floor and margin."""
    one = Verdict(comparison_id=comparison_id, metric=_METRIC.key, unit=_METRIC.unit, status="ok", finished=finished)
    sides: tuple[tuple[Side, Answers], ...] = (("base", base), ("head", head))
    for side, answers in sides:
        if answers.accuracy.status != "ok":
            status, reason = answers.accuracy.status, f"{side}: {answers.accuracy.reason}"
            return replace(one, status=status, side=side, reason=reason)
    if _images(base) != _images(head) or base.share is None or head.share is None:
        return None
    one = replace(one, base_value=base.share, head_value=head.share, effect=head.share - base.share)
    plan = base.case.plan_sha256
    if plan is not None and plan == head.case.plan_sha256:
        return _of_one_model(one, base, head, metric)
    if base.right is None or head.right is None:
        reason = "the stored runs lack the per-image results, so chance cannot be ruled out"
        return replace(one, verdict="inconclusive", reason=f"{reason}; compare them again")
    return of_two_models(one, base.right, head.right, metric=metric)


def of_two_models(
    verdict: Verdict,
    base: NDArray[np.bool_],
    head: NDArray[np.bool_],
    with_mde: bool = True,
    metric: Metric = _METRIC,
) -> Verdict:
    """`one` with what `base` and `head` ([images], which are right) show; `with_mde` False saves some milliseconds."""
    n, base_only, head_only = len(base), int((base & ~head).sum()), int((head & ~base).sum())
    effect = (head_only - base_only) / n
    low, high = paired_difference_interval(base_only, head_only, n, LEVEL)
    differs = p_value(base_only, head_only) < metric.alpha
    mde = detectable_difference(n, base_only + head_only, metric.alpha, metric.floor) if with_mde else None
    reason = f"of {n:,} images, {base_only} are right only on the base and {head_only} only on the head"
    found = replace(verdict, effect=effect, low=low, high=high, level=LEVEL, mde=mde, confirmed=differs, reason=reason)
    if differs and abs(effect) >= metric.floor:
        return replace(found, verdict="regression" if effect < 0 else "improvement")
    if abs(effect) < metric.floor and -metric.margin <= low and high <= metric.margin:
        return replace(found, verdict="equivalent")
    if differs:
        why = f"a difference, but below the floor of {_points(metric.floor)}, and not within the margin for sure"
    elif mde is not None:
        why = f"differences of at least {_points(mde)} would have been detected with 90 % probability"
    else:
        why = "too few to show a difference"
    return replace(found, verdict="inconclusive", reason=f"{reason}; {why}")


def _of_one_model(value: Verdict, base: Answers, head: Answers, metric: Metric) -> Verdict:
    effect = value.effect or 0.0
    called = abs(effect) >= metric.floor
    verdict = ("regression" if effect < 0 else "improvement") if called else "equivalent"
    return replace(
        value,
        verdict=verdict,
        low=effect,
        high=effect,
        level=1.0,
        mde=metric.floor,
        confirmed=True,
        reason=_differing(base, head),
    )


def _differing(base: Answers, head: Answers) -> str | None:
    """Which images two engines with one model answer differently; None where all answers are known to be the same."""
    if base.accuracy.predictions_sha256 == head.accuracy.predictions_sha256 or base.right is None or head.right is None:
        return None
    parts = [
        f"only on the {side}: {_listed(np.flatnonzero(these & ~others).tolist())}"
        for side, these, others in (("base", base.right, head.right), ("head", head.right, base.right))
        if (these & ~others).any()
    ]
    return f"right {', '.join(parts)}" if parts else "some predictions differ, and the same images are right"


def _listed(places: Sequence[int]) -> str:
    shown = ", ".join(map(str, places[:_NAMED])) + (f" and {len(places) - _NAMED} more" if len(places) > _NAMED else "")
    return f"image{'s' * (len(places) > 1)} {shown}"


def _points(share: float) -> str:
    return f"{share * 100:.1f} points"


def _images(answers: Answers) -> tuple[str, int, int | None]:
    one = answers.accuracy
    return one.dataset_sha256, one.images, one.seed
