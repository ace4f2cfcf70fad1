"""One comparison while it goes on: its two sides, and pairs of invocations, each side once, right after each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

import msgspec

from bnnbench.results.case_result import median_ns
from bnnbench.results.records import SIDES, ComparisonRecord, Gate, Invocation, Pair, Side, Status
from bnnbench.results.statistics.steady_state import growth

from ..bench.workbench import Workbench
from ..clock import now
from ..measure.invoke import InPair, Place
from ..measure.runner import runner_of
from ..plan.cases import Case
from .throttle import throttled

_COOL_DOWN_S = 1.0
_MOST_UNLIKE = 2.0
"""How many times as long an execution of one side may take for both to do the same number of them in a block."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a comparison cannot go on: what became of a side, and how to say it."""

    side: Side | None
    status: Status
    reason: str


UNTIMED = Failure(None, "skipped", "only figures that repeat were compared")


@dataclass(eq=False)
class Comparison:
    """Its cases, how they are run, its pairs and invocations so far."""

    record: ComparisonRecord
    cases: Mapping[Side, Case]
    gates: Mapping[Side, Gate]
    pairs: list[Pair] = field(default_factory=list)
    invocations: dict[Side, list[Invocation]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def kept(self, stage: str) -> int:
        """How many pairs of a stage count."""
        return sum(pair.stage == stage and pair.dropped is None for pair in self.pairs)

    def measure_pair(
        self, bench: Workbench, stage: str, first: Side, take_index: Callable[[str], int]
    ) -> Failure | None:
        """One pair, `first` being the side that begins; `take_index` gives the next invocation's of a case.

        Raises DeviceError, Interrupted, StoreError.
        """
        number, started = len(self.pairs), now()
        for side in sorted(SIDES, key=lambda side: side != first):
            bench.context.stop.check()
            done = self._invoke(bench, side, number, take_index(self.cases[side].record.id))
            if done.status != "ok":
                return Failure(side, done.status, f"{side}, at pair {number + 1}: {done.reason}")
        base, head = (self.invocations[side][-1] for side in SIDES)
        drop = throttled(base, head)
        pair = Pair(
            comparison_id=self.record.id,
            stage="confirm" if stage == "confirm" else "screen",
            number=number,
            first=first,
            base_ns=median_ns(base) or 0.0,
            head_ns=median_ns(head) or 0.0,
            dropped=drop.side if drop else None,
            reason=drop.reason if drop else None,
            base_drift=growth(base.samples_ns),
            head_drift=growth(head.samples_ns),
            base_clock_hz=median(base.clock_hz) if base.clock_hz else None,
            head_clock_hz=median(head.clock_hz) if head.clock_hz else None,
            started=started,
        )
        self.pairs.append(pair)
        bench.context.append(pair)
        if drop:
            time.sleep(_COOL_DOWN_S)
        return None

    def _invoke(self, bench: Workbench, side: Side, number: int, index: int) -> Invocation:
        case = self.cases[side]
        within = InPair(self.record.id, number, self.record.extra_ppm if side == "head" else 0)
        done = runner_of(case).invoke(bench, case, Place(index, index, within), self.gates[side])
        bench.context.append(done)
        if done.status == "ok":
            self.invocations[side].append(done)
        return done


def alike(gates: Mapping[Side, Gate], extra_ppm: int) -> dict[Side, Gate]:
    """The gates of both sides such that both are warmed up alike, long enough for the slower to settle.

    Both do as many iterations in a block, unless one takes more than `_MOST_UNLIKE` times as long as the other: then
    each does its own number, or the blocks of the slower would never end.
    """
    each_ns = {side: (gate.block_ns or 0) / (gate.iterations or 1) for side, gate in gates.items()}
    counts = {side: gate.iterations or 1 for side, gate in gates.items()}
    if max(each_ns.values()) <= _MOST_UNLIKE * min(each_ns.values()):
        counts = dict.fromkeys(counts, max(counts.values()))
    counts = {side: whole_extra(count, extra_ppm) for side, count in counts.items()}
    warmup_ns = max(gate.warmup_ns or 0 for gate in gates.values())
    return {
        side: msgspec.structs.replace(
            gate, iterations=counts[side], warmup_ns=warmup_ns, block_ns=each_ns[side] * counts[side]
        )
        for side, gate in gates.items()
    }


def whole_extra(iterations: int, extra_ppm: int) -> int:
    """So many iterations, or up to twice as many, that `extra_ppm` of them is nearly a whole number."""

    def error(count: int) -> float:
        extra = count * extra_ppm / 1e6
        return abs(round(extra) / extra - 1)

    return min(range(iterations, 2 * iterations + 1), key=error) if extra_ppm else iterations
