"""The comparison of A and B, pair by pair: screen, confirm, verdict.

d = log(median of B) - log(median of A) for each pair of invocations. Everything is decided from the differences so far,
so that a comparison can be cut off, resumed and judged again later.

1. **Screen.** At each of the looks (10, 16, 22, 30 pairs) two one-sided tests at 0.25 % show equivalence within the
   margin, if the estimate lies below the floor, if the tests hold with the dropped pairs too (a side that throttles
   more is not let off by leaving its throttled pairs out), and if the mean lies within twice the margin (a tail that
   ranks do not weigh). Otherwise a signed-rank test at 1 %, two-sided, flags a difference.
2. **Confirmation**, once, of what was flagged, with fresh pairs, at 0.5 % in all, the same sign. It has two looks.
   After 12 pairs only an effect that is clear is called: signed ranks show at 0.05 % that it is beyond the margin,
   which takes 12 pairs of 12 that say so. Otherwise signed ranks at the remaining 0.45 %, after as many pairs as find
   the margin with 99 %, at least 20 and at most 4/3 of those of the last look.
3. **Verdict.** Confirmed and at least the floor: regression or improvement. Else equivalence, by the confirming pairs
   alone. Else inconclusive, with the smallest effect that would have been called with 90 %.

Four looks at 0.25 % call an effect as large as the margin equivalent at most 1 % of the time. To call a difference
where there is none takes a false flag and a false confirmation: at most 4 x 1 % x 0.25 %, 0.2 % in a suite of 20 cases.
The two looks of the confirmation share its 0.5 %, so this holds however they depend on each other (Bonferroni). The
interval of either look is that at its own level, so both hold at once with 99.5 % (repeated confidence intervals:
C. Jennison and B. W. Turnbull, Group Sequential Methods, 2000, chapter 9). A strict first look and a last one that
hardly pays for it: P. C. O'Brien and T. R. Fleming, "A multiple testing procedure for clinical trials", Biometrics 35
(1979), 549-556.
`docs/statistics.md` has both, simulated. Sequential looks: S. J. Pocock, "Group sequential methods in the design and
analysis of clinical trials", Biometrika 64 (1977), 191-199; here with a simpler and stricter bound.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.between import Between, pairs_wanted
from bnnbench.results.statistics.detectable import pairs_needed, passes, standard_error
from bnnbench.results.statistics.equivalence import equivalence_p
from bnnbench.results.statistics.hodges_lehmann import Shift, hodges_lehmann
from bnnbench.results.statistics.robust_sigma import effective_sigma
from bnnbench.results.statistics.signed_rank import p_value, two_sided_p

Verdict = Literal["regression", "improvement", "equivalent", "inconclusive"]
Stage = Literal["screen", "confirm"]

_CONFIRM_POWER = 0.99
MDE_POWER = 0.9
_UNMODELLED = 1.1
"""What the error of real pairs has above the formula's, which takes them for independent and sigma for known: with it,
effects of one MDE are called 90 to 95 % of the time in the simulations."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`floor` and `margin` are ratios minus 1 (0.01 is 1 %); `looks` are even numbers of pairs, rising."""

    floor: float = 0.01
    margin: float = 0.02
    looks: tuple[int, ...] = (10, 16, 22, 30)
    screen_alpha: float = 0.01
    equivalence_alpha: float = 0.01
    """For all looks together."""
    confirm_alpha: float = 0.005
    """For both looks of the confirmation together."""
    clear_alpha: float = 0.0005
    """Of the first of them, after `clear_pairs`; all of these have to agree, whose p is 2 / 2^n."""
    clear_pairs: int = 12
    least_confirming: int = 20
    between: Between | None = None
    """A step of a bisection: which of two levels it is; then nothing above counts, and there is no verdict."""

    @property
    def look_alpha(self) -> float:
        return self.equivalence_alpha / len(self.looks)

    @property
    def last_alpha(self) -> float:
        """What the first look leaves to the last one of the confirmation."""
        return self.confirm_alpha - self.clear_alpha

    def within(self, times: float = 1.0) -> tuple[float, float]:
        """The margin as logarithms: a head that is 2 % slower, or a base that is."""
        edge = math.log1p(self.margin * times)
        return -edge, edge


@dataclass(frozen=True, slots=True)
class Differences:
    """Kept pairs of both stages, and those that were dropped for throttling, in the order they were measured."""

    screen: Sequence[float] = field(default_factory=list)
    confirm: Sequence[float] = field(default_factory=list)
    dropped: Sequence[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Need:
    """More kept pairs, until `stage` has `pairs` of them."""

    stage: Stage
    pairs: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """`shift` is in logarithms, from the confirming pairs where there are any, as is `sigma`."""

    verdict: Verdict
    shift: Shift
    confirmed: bool
    sigma: float


def judge(rules: Rules, seen: Differences) -> Need | Judgement:
    """What is still needed, or the verdict."""
    if rules.between is not None:
        wanted = pairs_wanted(rules.between, seen.screen)
        return Need("screen", wanted) if wanted else _judgement(rules, "inconclusive", _array(seen), confirmed=False)
    flagged = None
    for look in rules.looks:
        if len(seen.screen) < look:
            return Need("screen", look)
        d = np.asarray(seen.screen[:look], float)
        if _equivalent(rules, d, seen.dropped):
            return _judgement(rules, "equivalent", d, confirmed=False)
        if two_sided_p(d) < rules.screen_alpha:
            flagged = d
            break
    if flagged is None:
        return _judgement(rules, "inconclusive", np.asarray(seen.screen[: rules.looks[-1]], float), confirmed=False)
    if len(seen.confirm) < rules.clear_pairs:
        return Need("confirm", rules.clear_pairs)
    if (clear := _clear(rules, flagged, np.asarray(seen.confirm[: rules.clear_pairs], float))) is not None:
        return clear
    # Ten pairs tell sigma to a third: too few confirming pairs would cost the verdict, a few more only time.
    wanted = confirming_pairs(rules, effective_sigma(flagged) * (1 + 1 / math.sqrt(len(flagged))))
    if len(seen.confirm) < wanted:
        return Need("confirm", wanted)
    return _confirmed(rules, flagged, np.asarray(seen.confirm[:wanted], float), seen.dropped)


def confirming_pairs(rules: Rules, sigma: float) -> int:
    """Fresh pairs that confirm a flag at this sigma (logarithms); even, because pairs come in blocks of two."""
    wanted = pairs_needed(rules.within()[1], sigma, rules.last_alpha, _CONFIRM_POWER) if sigma else 0
    most = max(rules.least_confirming, rules.looks[-1] * 4 // 3)
    wanted = min(max(wanted, rules.least_confirming), most)
    return wanted + wanted % 2


def minimum_detectable_effect(rules: Rules, sigma: float) -> float:
    """The true effect (a ratio minus 1) that is flagged and confirmed with `MDE_POWER` when differences are normal;
    what pairs that were measured could show says `detectable_effect`."""
    sigma *= _UNMODELLED
    most, confirming = rules.looks[-1], confirming_pairs(rules, sigma)

    def called(shift: float) -> float:
        flagged = passes(shift, sigma, most, rules.screen_alpha)
        confirmed = passes(shift, sigma, confirming, rules.last_alpha, math.log1p(rules.floor))
        return flagged * confirmed * (1 - taken_for_equivalent(rules, shift, sigma))

    low, high = 0.0, 1.0
    while called(high) < MDE_POWER:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if called(middle) < MDE_POWER else (low, middle)
    return math.expm1(high)


def taken_for_equivalent(rules: Rules, shift: float, sigma: float) -> float:
    """Probability that the first look shows a true `shift` to lie within the margin."""
    error = standard_error(sigma, rules.looks[0])
    if not error:
        return float(shift < rules.floor)
    normal = NormalDist()
    most = min(math.log1p(rules.floor), rules.within()[1] + normal.inv_cdf(rules.look_alpha) * error)
    return normal.cdf((most - shift) / error)


def _array(seen: Differences) -> NDArray[np.float64]:
    return np.asarray(seen.screen, float)


def _equivalent(rules: Rules, d: NDArray[np.float64], dropped: Sequence[float]) -> bool:
    every = np.concatenate([d, np.asarray(dropped, float)])
    low, high = rules.within(2)
    return (
        abs(math.expm1(hodges_lehmann(d).value)) < rules.floor
        and equivalence_p(d, *rules.within()) < rules.look_alpha
        and (not len(dropped) or equivalence_p(every, *rules.within()) < rules.look_alpha)
        and bool(low <= every.mean() <= high)
    )


def _clear(rules: Rules, screen: NDArray[np.float64], confirm: NDArray[np.float64]) -> Judgement | None:
    """The verdict on an effect that the first confirming pairs show to be beyond the margin; None where they do not."""
    is_up = hodges_lehmann(screen).value > 0
    p = 2 * p_value(confirm if is_up else -confirm, rules.within()[1])
    if p >= rules.clear_alpha or abs(math.expm1(hodges_lehmann(confirm).value)) < rules.floor:
        return None
    return _judgement(rules, "regression" if is_up else "improvement", confirm, confirmed=True, alpha=rules.clear_alpha)


def _confirmed(
    rules: Rules, screen: NDArray[np.float64], confirm: NDArray[np.float64], dropped: Sequence[float]
) -> Judgement:
    shift = hodges_lehmann(confirm).value
    agree = two_sided_p(confirm) < rules.last_alpha and (shift > 0) == (hodges_lehmann(screen).value > 0)
    if agree and abs(math.expm1(shift)) >= rules.floor:
        return _judgement(
            rules, "regression" if shift > 0 else "improvement", confirm, confirmed=True, alpha=rules.last_alpha
        )
    verdict: Verdict = "equivalent" if _equivalent(rules, confirm, dropped) else "inconclusive"
    return _judgement(rules, verdict, confirm, confirmed=agree, alpha=rules.last_alpha)


def _judgement(
    rules: Rules, verdict: Verdict, d: NDArray[np.float64], confirmed: bool, alpha: float | None = None
) -> Judgement:
    """`alpha`: what the interval may miss with; None for that of what is not confirmed."""
    return Judgement(
        verdict=verdict,
        shift=hodges_lehmann(d, 1 - (rules.confirm_alpha if alpha is None else alpha)),
        confirmed=confirmed,
        sigma=effective_sigma(d),
    )
