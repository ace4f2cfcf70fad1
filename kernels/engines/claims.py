"""Times that an engine claims, against the time that this end waited for it."""

from __future__ import annotations

from collections.abc import Sequence

from .replies import Ran

ROUNDING, SLACK_NS = 0.05, 100_000_000
"""Two clocks differ by less than this share and this much, unless one of them was set."""
COARSE_NS = 1_000
"""What a clock of whole microseconds may add to the time of an op."""
HIDDEN_SHARE, HIDDEN_NS, ROUND_TRIPS = 3.0, 200_000_000, 4
"""What an engine may spend beside its blocks: on clocks, threads and its reply, over a link of so many round trips."""


def run_contradiction(ran: Ran, iterations: int | None, waited_ns: int) -> str | None:
    """What cannot be in a reply to `run`, as the end of a sentence; None when nothing is.

    `iterations` were asked for; `waited_ns` is from the request to the reply.
    """
    claimed, samples = claimed_ns(ran, iterations), _blocks_ns(ran, iterations)
    if claimed > _most(waited_ns):
        return f"claims {_ms(claimed)} of work, and answered within {_ms(waited_ns)}"
    if ran.start_ns is None or ran.end_ns is None:
        return None
    span = ran.end_ns - ran.start_ns
    if span < 0:
        return "claims that it ended before it began (end_ns < start_ns)"
    if span > _most(waited_ns):
        return f"claims to have run for {_ms(span)} (start_ns to end_ns), and answered within {_ms(waited_ns)}"
    if samples > _most(span):
        return f"claims samples of {_ms(samples)} within {_ms(span)} (start_ns to end_ns)"
    return None


def unexplained(ran: Ran, iterations: int, warmup_ns: int, waited_ns: int, round_trip_ns: int) -> str | None:
    """What is odd where the claimed times are far too small for the wait; None when they explain it.

    A warm-up of `warmup_ns` was asked for, which an engine need not report.
    """
    claimed = claimed_ns(ran, iterations)
    reported_ns = claimed + (0 if ran.warmup_samples_ns else warmup_ns)
    allowed = reported_ns + HIDDEN_SHARE * claimed + HIDDEN_NS + ROUND_TRIPS * round_trip_ns
    if waited_ns <= allowed:
        return None
    return f"the engine claims {_ms(claimed)} of work, and its answer took {_ms(waited_ns)}"


def work_contradiction(claimed: float, waited_ns: int) -> str | None:
    """As `run_contradiction`, of a time alone."""
    if claimed > _most(waited_ns):
        return f"claims {_ms(claimed)} of work, and answered within {_ms(waited_ns)}"
    return None


def ops_contradiction(ops_ns: Sequence[Sequence[float]], totals_ns: Sequence[float]) -> str | None:
    """What cannot be in the times of ops, each with one for each run; they run one after the other."""
    for ops, total in zip(zip(*ops_ns, strict=True), totals_ns, strict=False):
        if sum(ops) > total * (1 + ROUNDING) + COARSE_NS * len(ops):
            return f"claims ops of {_ms(sum(ops))} in an inference of {_ms(total)}"
    return None


def claimed_ns(ran: Ran, iterations: int | None) -> float:
    """All the work that a reply to `run` speaks of."""
    each = ran.iterations or iterations or 1
    return (ran.first_ns or 0.0) + each * sum(ran.warmup_samples_ns) + _blocks_ns(ran, iterations)


def _blocks_ns(ran: Ran, iterations: int | None) -> float:
    return (ran.iterations or iterations or 1) * sum(ran.samples_ns)


def _most(waited_ns: float) -> float:
    return waited_ns * (1 + ROUNDING) + SLACK_NS


def _ms(ns: float) -> str:
    return f"{ns / 1e6:,.3f} ms" if ns < 1e9 else f"{ns / 1e9:,.1f} s"
