"""The throttle gate: whether one side of a pair ran slower because the device throttled, by the device's own signs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Literal

from bnnbench.results.records import Invocation
from bnnbench.results.trust import times_stopped

CLOCK_SHARE = 0.01
"""The engine's own clock may differ by this between the two sides."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The side that was slowed down, and what shows it."""

    side: Literal["base", "head", "both"]
    reason: str


def throttled(base: Invocation, head: Invocation) -> Throttled | None:
    """None when nothing shows it, also where there is nothing to look at. Never judged by the times themselves."""
    in_base, in_head = _risen(base), _risen(head)
    if in_base or in_head:
        side: Literal["base", "head", "both"] = "head" if not in_base else "both" if in_head else "base"
        return Throttled(side, in_base or in_head or "")
    if base.clock_hz and head.clock_hz:
        ratio = median(head.clock_hz) / median(base.clock_hz)
        if abs(ratio - 1) > CLOCK_SHARE:
            way = "below" if ratio < 1 else "above"
            share = f"{abs(ratio - 1) * 100:.1f} %"
            return Throttled("head" if ratio < 1 else "base", f"the head's clock was {share} {way} the base's")
    return None


def _risen(invocation: Invocation) -> str | None:
    """What shows that it was throttled: a watched throttle word that has a bit afterwards which it did not have before,
    or a limit of CPU time that stopped it."""
    for path, (before, after) in (invocation.watch or {}).items():
        if "throttle" in path and _word(after) & ~_word(before):
            return f"a throttle flag rose in {path}"
    if (count := times_stopped(invocation.watch)) > 0:
        return f"its control group's limit of CPU time stopped it {count} times"
    return None


def _word(text: str) -> int:
    """`throttled=0x50005`, or the kernel's file, which has no `0x`: both hexadecimal; other text has no bits."""
    digits = text.split("=")[-1].strip()
    try:
        return int(digits, 16)
    except ValueError:
        return 0
