"""What the counters of a comparison's invocations say about its effect.

The time of an execution is instructions x cycles per instruction x time per cycle, so the logarithm of the ratio of two
times is a sum of three parts. The part that is most of the sum is the cause. Cycles and instructions are those of the
program itself, without the kernel's: time in page faults is in the third part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bnnbench.results.records import Invocation, Pair, Side

LEAST_PAIRS = 5
"""With fewer that both sides were counted in, nothing is said."""
EXPLAINS = 0.6
"""A part of the effect from which on it is said to be the cause; two parts together, where no single one is."""
LEAST_CHANGE = 0.003
"""Of a part, as a logarithm: smaller ones are noise of the counters."""
AGREE = 0.75
"""The share of pairs in which a part has to have the direction of its median."""
LEAST_RUNNING = 0.9
"""The share of the time in which the events were on the CPU's counters; below it, counts are guesses."""
MISS_CYCLES, BRANCH_CYCLES, FAULT_NS = 200, 20, 500
"""What a miss of the last cache, a mispredicted branch and a page fault cost at most, about: one of them is named as
the cause where the added ones, at this cost, are at least `NAMES` of the added cycles or time."""
NAMES = 0.3

Counts = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Counted:
    """A pair with the counters of both sides, per execution."""

    base_ns: float
    head_ns: float
    base: Counts
    head: Counts


def counted_pairs(pairs: Sequence[Pair], invocations: Mapping[Side, Sequence[Invocation]]) -> list[Counted]:
    """Of the pairs that count, those with counters of both sides."""
    by_pair = {side: {one.pair: one for one in invocations[side]} for side in invocations}
    found = []
    for pair in pairs:
        if pair.dropped is not None or pair.base_ns <= 0 or pair.head_ns <= 0:
            continue
        sides = [_counts(by_pair[side].get(pair.number)) for side in ("base", "head")]
        if sides[0] and sides[1]:
            found.append(Counted(pair.base_ns, pair.head_ns, sides[0], sides[1]))
    return found


def explain_counts(counted: Sequence[Counted], effect: float) -> str | None:
    """One sentence; None where too little was counted, or nothing of it is most of `effect`, a ratio minus 1."""
    total = math.log1p(effect)
    if len(counted) < LEAST_PAIRS or not total:
        return None
    parts = {name: found for name, part in _PARTS.items() if (found := part(counted)) is not None}
    shares = sorted(((parts[name] / total, name) for name in parts), reverse=True)
    named = [name for share, name in shares[:1] if share >= EXPLAINS]
    if not named and len(shares) > 1 and shares[1][0] > 0 and shares[0][0] + shares[1][0] >= EXPLAINS:
        named = [name for _, name in shares[:2]]
    if not named:
        return _faults(counted, total)
    text = " and ".join(_WORDS[name](counted, parts[name]) for name in named)
    against = [name for share, name in shares if share <= -EXPLAINS]
    if against:
        text += f", although {' and '.join(_WORDS[name](counted, parts[name]) for name in against)}"
    return text


def _counts(one: Invocation | None) -> dict[str, float]:
    """What can be believed of it."""
    found = {
        name: float(value)
        for name, value in ((one and one.counters) or {}).items()
        if isinstance(value, int | float) and math.isfinite(value) and value >= 0
    }
    return found if found.pop("running_share", 1.0) >= LEAST_RUNNING else {}


def _part(counted: Sequence[Counted], over: Callable[[Counts, float], float | None]) -> float | None:
    """The median of the logarithms of head over base; None where it is too small, or pairs contradict each other."""
    logs = []
    for one in counted:
        base, head = over(one.base, one.base_ns), over(one.head, one.head_ns)
        if not base or not head:
            return None
        logs.append(math.log(head / base))
    middle = median(logs)
    agree = sum(value * middle > 0 for value in logs) / len(logs)
    return middle if abs(middle) >= LEAST_CHANGE and agree >= AGREE else None


def _per_instruction(counts: Counts, ns: float) -> float | None:
    return _ratio(counts.get("cycles"), counts.get("instructions"))


def _per_cycle(counts: Counts, ns: float) -> float | None:
    return _ratio(ns, counts.get("cycles"))


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


_PARTS: Mapping[str, Callable[[Sequence[Counted]], float | None]] = {
    "instructions": lambda counted: _part(counted, lambda counts, ns: counts.get("instructions")),
    "cycles per instruction": lambda counted: _part(counted, _per_instruction),
    "time per cycle": lambda counted: _part(counted, _per_cycle),
}
"""Of the logarithm of the ratio of times; what was not counted has none."""


def _percent(part: float, more: str = "more", fewer: str = "fewer") -> str:
    return f"{abs(math.expm1(part)) * 100:.1f} % {more if part > 0 else fewer}"


def _instructions(counted: Sequence[Counted], part: float) -> str:
    return f"the head executes {_percent(part)} instructions"


def _cycles(counted: Sequence[Counted], part: float) -> str:
    text = f"the head needs {_percent(part)} cycles for each instruction"
    added = _added(counted, "cycles") - _added(counted, "instructions") * _per_base_instruction(counted)
    for name, cost, words in (
        ("cache_misses", MISS_CYCLES, "cache misses"),
        ("branch_misses", BRANCH_CYCLES, "mispredicted branches"),
    ):
        more = _added(counted, name)
        if more * part > 0 and abs(more) * cost >= NAMES * abs(added):
            base, head = (median(_per_1000(counts, name) for counts in side) for side in _sides(counted))
            text += f", with {head:.3g} {words} per 1000 instructions instead of {base:.3g}"
            break
    return text


def _time(counted: Sequence[Counted], part: float) -> str:
    total = median(math.log(one.head_ns / one.base_ns) for one in counted)
    cause = _faults(counted, total)
    if cause:
        return cause
    longer = _percent(part, "longer", "less")
    return f"a cycle takes {longer} in the head: the clock while it computes, or time in the kernel"


_WORDS: Mapping[str, Callable[[Sequence[Counted], float], str]] = {
    "instructions": _instructions,
    "cycles per instruction": _cycles,
    "time per cycle": _time,
}


def _faults(counted: Sequence[Counted], total: float) -> str | None:
    """Where page faults can be most of the difference in time."""
    if any("page_faults" not in side for one in counted for side in (one.base, one.head)):
        return None
    more = _added(counted, "page_faults")
    added_ns = median(one.head_ns - one.base_ns for one in counted)
    if more * total <= 0 or abs(more) * FAULT_NS < NAMES * abs(added_ns):
        return None
    base, head = (median(counts["page_faults"] for counts in side) for side in _sides(counted))
    return f"the head has {head:.3g} page faults in each execution instead of {base:.3g}"


def _sides(counted: Sequence[Counted]) -> tuple[list[Counts], list[Counts]]:
    return [one.base for one in counted], [one.head for one in counted]


def _added(counted: Sequence[Counted], name: str) -> float:
    """The median over the pairs of head minus base."""
    return median(one.head.get(name, 0.0) - one.base.get(name, 0.0) for one in counted)


def _per_base_instruction(counted: Sequence[Counted]) -> float:
    return median(_per_instruction(one.base, one.base_ns) or 0.0 for one in counted)


def _per_1000(counts: Counts, name: str) -> float:
    return 1000 * counts.get(name, 0.0) / (counts.get("instructions") or math.inf)
