"""What a suite may ask of every invocation beside its samples: times of each execution and of the process's start."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from ..suite.tables import Suite

TAIL_EXECUTIONS = 1_000
"""In each process: ten of them are beyond the 99th percentile."""
FAST_EXECUTIONS = 10_000
"""Where these take no longer than `_FAST_S`: ten of them are beyond the 99.9th percentile."""
_FAST_S, _LONGEST_S = 5.0, 30.0


@dataclass(frozen=True, slots=True)
class Extras:
    """`deadline_ns` is what executions should keep, None where the suite names none."""

    tails: bool = False
    deadline_ns: float | None = None
    starts: bool = False

    @classmethod
    def of(cls, suite: Suite) -> Extras:
        """What the suite asks; a deadline asks for the time of each execution."""
        deadline = None if suite.deadline_ms is None else suite.deadline_ms * 1e6
        return cls(suite.tails or deadline is not None, deadline, suite.starts)

    def asked_of(self, suite: Suite) -> Suite:
        """The suite, of which these are asked too."""
        deadline_ms = suite.deadline_ms if self.deadline_ns is None else self.deadline_ns / 1e6
        tails, starts = suite.tails or self.tails, suite.starts or self.starts
        return structs.replace(suite, tails=tails, starts=starts, deadline_ms=deadline_ms)


NONE = Extras()


def executions(execution_ns: float) -> int:
    """How many executions of a process are timed one by one, when one takes so long."""
    if execution_ns * FAST_EXECUTIONS <= _FAST_S * 1e9:
        return FAST_EXECUTIONS
    return max(1, min(TAIL_EXECUTIONS, int(_LONGEST_S * 1e9 / execution_ns)))
