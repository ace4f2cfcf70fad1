"""From the pairs of a comparison to what is still needed, or the verdict on its latency."""

import dataclasses
import math
import statistics
from collections.abc import Sequence

from msgspec.structs import replace

from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Pair, Verdict
from bnnbench.results.statistics.detectable_effect import detectable_effect
from bnnbench.results.statistics.hodges_lehmann import hodges_lehmann
from bnnbench.results.statistics.imbalance import imbalance_p
from bnnbench.results.statistics.robust_sigma import effective_sigma
from bnnbench.results.statistics.sequential import (
    Differences,
    Judgement,
    Need,
    Rules,
    judge,
)
from bnnbench.results.statistics.steady_state import drift
from bnnbench.results.store.calibration import Calibration

MOST_DROPPED = 0.2
"""Share of the pairs that may be dropped before nothing is said any more."""
IMBALANCE_ALPHA = 0.05
_METRIC = METRICS["latency"]


def with_metric(rules: Rules, metric: Metric) -> Rules:
    """The rules with the floor and margin of a metric."""
    return dataclasses.replace(rules, floor=metric.floor, margin=metric.margin)


def difference(pair: Pair) -> float:
    """The logarithm of the head's figure over the base's."""
    return math.log(pair.head_ns) - math.log(pair.base_ns)


def needed(rules: Rules, pairs: Sequence[Pair]) -> Need | None:
    """The pairs that are still to be measured, or None: the verdict stands, or too many were dropped for any."""
    need = judge(rules, _differences(pairs))
    if not isinstance(need, Need):
        return None
    screened = sum(pair.stage == "screen" and pair.dropped is None for pair in pairs)
    last = rules.between.most if rules.between else rules.looks[-1]
    most = last if need.stage == "screen" else screened + need.pairs
    too_many = sum(pair.dropped is not None for pair in pairs) > most * MOST_DROPPED / (1 - MOST_DROPPED)
    return None if too_many else need


def verdict(
    rules: Rules, comparison_id: str, pairs: Sequence[Pair], finished: str | None = None, with_mde: bool = True
) -> Verdict:
    """The verdict on latency of pairs that need no more; cut short (a budget is used up), it is `inconclusive`.

    `with_mde` False leaves the minimum detectable effect out, which takes some 20 ms.
    """
    kept = [pair for pair in pairs if pair.dropped is None]
    empty = Verdict(
        comparison_id=comparison_id,
        metric=_METRIC.key,
        unit=_METRIC.unit,
        status="unstable",
        base_value=statistics.median(pair.base_ns for pair in kept) if kept else None,
        head_value=statistics.median(pair.head_ns for pair in kept) if kept else None,
        pairs=len(kept),
        dropped_base=sum(pair.dropped in ("base", "both") for pair in pairs),
        dropped_head=sum(pair.dropped in ("head", "both") for pair in pairs),
        finished=finished,
    )
    trouble = _unstable(pairs)
    if trouble:
        return replace(empty, reason=trouble)
    judged = judge(rules, _differences(pairs))
    if isinstance(judged, Need):
        # What these pairs could have shown is less than what all looks could.
        looks = tuple(look for look in rules.looks if look <= len(kept))
        if not looks:
            return replace(empty, status="ok", verdict="inconclusive", reason="too few pairs were measured")
        rules = dataclasses.replace(rules, looks=looks)
        judgement = _cut_short(rules, [difference(pair) for pair in kept])
    else:
        judgement = judged
    mde = detectable_effect(rules, _judged(pairs)) if with_mde and not rules.between else None
    return replace(
        empty,
        status="ok",
        verdict=judgement.verdict,
        effect=math.expm1(judgement.shift.value),
        low=math.expm1(judgement.shift.low),
        high=math.expm1(judgement.shift.high),
        level=judgement.shift.level,
        mde=mde,
        sigma=judgement.sigma,
        confirmed=judgement.confirmed,
        reason=_reason(rules, judgement, mde),
    )


def within_layout(found: Verdict, calibration: Calibration) -> Verdict:
    """The verdict, unless the effect is no larger than what linking the same objects in another order did to the
    device: then nothing is known of the code."""
    floor = calibration.layout
    if found.verdict not in ("regression", "improvement") or not floor or found.effect is None:
        return found
    if abs(found.effect) >= floor:
        return found
    reason = f"within layout noise: other link orders of the same objects change times here by {floor * 100:.1f} %"
    return replace(found, verdict="inconclusive", reason=reason)


def _differences(pairs: Sequence[Pair]) -> Differences:
    kept = [pair for pair in pairs if pair.dropped is None]
    return Differences(
        screen=[difference(pair) for pair in kept if pair.stage == "screen"],
        confirm=[difference(pair) for pair in kept if pair.stage == "confirm"],
        dropped=[difference(pair) for pair in pairs if pair.dropped is not None],
    )


def _unstable(pairs: Sequence[Pair]) -> str | None:
    """Why these pairs allow no verdict; None when they do."""
    base, head = (sum(pair.dropped == side for pair in pairs) for side in ("base", "head"))
    if imbalance_p(base, head) < IMBALANCE_ALPHA:
        more, less = ("head", "base") if head > base else ("base", "head")
        counts = {"head": head, "base": base}
        return f"{more} throttles more: {counts[more]} of its pairs were dropped and {counts[less]} of the {less}'s"
    dropped = sum(pair.dropped is not None for pair in pairs)
    if dropped > 2 and dropped > MOST_DROPPED * len(pairs):
        return f"{dropped} of {len(pairs)} pairs were dropped because the device throttled; cool it, or free it of load"
    for side, drifts in (
        ("base", [pair.base_drift for pair in pairs if pair.base_drift is not None]),
        ("head", [pair.head_drift for pair in pairs if pair.head_drift is not None]),
    ):
        grown = drift(drifts)
        if grown is not None:
            how = "slower" if grown > 0 else "faster"
            return (
                f"{side} gets {how} while it is timed, by {abs(grown) * 100:.1f} % from its first samples to its last; "
                "let it warm up longer (warmup_ms)"
            )
    return None


def _cut_short(rules: Rules, d: Sequence[float]) -> Judgement:
    """What can be said of too few pairs: the effect, no verdict."""
    shift = hodges_lehmann(d, 1 - rules.confirm_alpha)
    return Judgement("inconclusive", shift, confirmed=False, sigma=effective_sigma(d))


def _judged(pairs: Sequence[Pair]) -> list[float]:
    """Differences that say how far pairs lie apart: all kept ones, those of either stage about the same centre."""
    kept = [pair for pair in pairs if pair.dropped is None]
    stages = [[difference(pair) for pair in kept if pair.stage == stage] for stage in ("screen", "confirm")]
    return [d - statistics.median(these) for these in stages for d in these]


def _reason(rules: Rules, judgement: Judgement, mde: float | None) -> str | None:
    if rules.between is not None:
        return "a step of a bisection, which judges all its steps together"
    if judgement.verdict != "inconclusive" or mde is None:
        return None
    least = f"{mde * 100:.1f} %"
    if judgement.confirmed:
        return f"a difference, but below the floor of {rules.floor * 100:g} %, and not within the margin for sure"
    chance = f"effects of at least {least} would have been detected with 90 % probability"
    return f"{chance}; pairs differ by {judgement.sigma * 100:.1f} %"
