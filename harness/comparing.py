"""One device of a comparison: lock -> push -> verify both sides -> pairs until each comparison has its verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

import msgspec

from bnnbench.devices.transport.protocol import Transport
from bnnbench.devices.workfolder import WorkFolder
from bnnbench.kernels.engines.tflite_benchmark import SummaryEngine
from bnnbench.results.case_result import median_ns
from bnnbench.results.records import ComparisonRecord, Gate, Invocation, Pair, Side, Status, Verdict
from bnnbench.results.statistics.sequential import Need, Rules
from bnnbench.results.statistics.steady_state import growth
from bnnbench.results.verdict import needed, verdict

from .context import RunContext, now
from .evaluate import evaluate, has_images
from .invoke import InPair, invoke
from .other_metrics import other_verdicts
from .plan import Case, Target
from .summarized import gate_unseen
from .throttle import throttled
from .verify import verify
from .why import why
from .workbench import Workbench

SIDES: tuple[Side, Side] = ("base", "head")
_COOL_DOWN_S = 1.0


@dataclass
class _Comparison:
    """A comparison that goes on: its cases, how they are run, and its pairs so far."""

    record: ComparisonRecord
    cases: dict[Side, Case]
    gates: dict[Side, Gate]
    pairs: list[Pair]

    def kept(self, stage: str) -> int:
        return sum(pair.stage == stage and pair.dropped is None for pair in self.pairs)


@dataclass
class Comparing:
    """Compares a device's cases over one connection."""

    target: Target
    transport: Transport
    cases: tuple[Case, ...]
    comparisons: list[ComparisonRecord]
    rules: Rules
    budget_s: float | None
    context: RunContext
    builds_ns: int
    push_ns: int = 0
    _gates: dict[str, Gate] = field(default_factory=dict)
    _next_index: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.target.spec.name

    def run(self) -> None:
        """Every comparison that has no verdict yet. Raises DeviceError, Interrupted, StoreError."""
        stored = self.context.writer.stored
        judged = {one.comparison_id for one in stored.verdicts if one.metric == "latency" and one.status != "failed"}
        left = [record for record in self.comparisons if record.id not in judged]
        if not left:
            return
        self._gates = {id: gate for id, gate in stored.gates.items() if gate.status != "failed"}
        for one in stored.invocations:
            self._next_index[one.case_id] = max(self._next_index.get(one.case_id, 0), one.index + 1)
        self._show("pushing engines and data", len(left))
        bench = Workbench(self.target, self.transport, WorkFolder.open(self.transport, self.target.spec), self.context)
        with bench.prepared(self.cases):
            self.push_ns = bench.push_ns
            self._verify(bench, left)
            going = [self._begin(record, stored.pairs_of(record.id)) for record in left]
            self._compare(bench, [one for one in going if one is not None])

    def _verify(self, bench: Workbench, left: Sequence[ComparisonRecord]) -> None:
        wanted = {id for record in left for id in (record.base_case, record.head_case)}
        for case in self.cases:
            id = case.record.id
            if id in wanted and id not in self._gates:
                self._show(f"verifying {case.workload.name} on the {case.engine.name}", len(left))
                gate = gate_unseen(case) if isinstance(case.engine, SummaryEngine) else verify(bench, case)
                self._gates[id] = gate
                self.context.append(gate)
            if id in wanted and has_images(case) and self._gates[id].status == "ok":
                accuracies = self.context.writer.stored.accuracies
                if id not in accuracies or accuracies[id].status == "failed":
                    self.context.append(evaluate(bench, case, lambda done, of: None))

    def _begin(self, record: ComparisonRecord, pairs: list[Pair]) -> _Comparison | None:
        """None when one of the sides cannot be timed: then that is the verdict."""
        by_id = {case.record.id: case for case in self.cases}
        cases: dict[Side, Case] = {"base": by_id[record.base_case], "head": by_id[record.head_case]}
        gates = {side: self._gates[case.record.id] for side, case in cases.items()}
        for side, gate in gates.items():
            if gate.status != "ok":
                self._fail(record, gate.status, f"{side}: {gate.reason}")
                return None
        if self.target.facts.to_dict().get("emulated", {}).get("value") is True:
            self._fail(record, "skipped", "times of an emulated device mean nothing")
            return None
        # Both sides are run in the same way, each long enough for the slower to settle.
        shared = {
            "iterations": max(gate.iterations or 1 for gate in gates.values()),
            "warmup_ns": max(gate.warmup_ns or 0 for gate in gates.values()),
            "block_ns": max(gate.block_ns or 0 for gate in gates.values()),
        }
        alike = {side: msgspec.structs.replace(gate, **shared) for side, gate in gates.items()}
        return _Comparison(record, cases, alike, pairs)

    def _compare(self, bench: Workbench, going: list[_Comparison]) -> None:
        """In waves: every comparison to its next look, the blocks of all of them in random order."""
        deadline = None if self.budget_s is None else time.monotonic() + self.budget_s
        total = len(going)
        while going:
            needs = {one.record.id: needed(self.rules, one.pairs) for one in going}
            for one in [one for one in going if needs[one.record.id] is None]:
                self._finish(bench, one)
                going.remove(one)
            for need in ("screen", "confirm"):
                stage = [one for one in going if (n := needs[one.record.id]) and n.stage == need]
                if stage:
                    bench.copy_engines(SIDES)
                for one in self._blocks(stage, needs):
                    if deadline is not None and time.monotonic() > deadline:
                        for late in going:
                            self._finish(bench, late)
                        return
                    self._show(f"comparing {one.record.workload}, {len(one.pairs)} pairs", len(going), total)
                    if one in going and not self._block(bench, one, need):
                        going.remove(one)

    def _blocks(self, going: Iterable[_Comparison], needs: dict[str, Need | None]) -> list[_Comparison]:
        """A block of two pairs for each two that are missing, drawn by the seed and by how far the comparison is."""
        blocks = []
        for one in going:
            need = needs[one.record.id]
            assert need is not None
            blocks += [one] * ((need.pairs - one.kept(need.stage) + 1) // 2)
        place = sum(len(one.pairs) for one in blocks)
        random.Random(f"{self.context.seed} {self.name} {place}").shuffle(blocks)  # noqa: S311 - an order
        return blocks

    def _block(self, bench: Workbench, one: _Comparison, stage: str) -> bool:
        """AB and BA, in random order. False when the comparison is over because a side failed."""
        number = len(one.pairs)
        first: list[Side] = ["base", "head"]
        random.Random(f"{self.context.seed} {one.record.id} {number}").shuffle(first)  # noqa: S311 - an order
        return all(self._pair(bench, one, stage, side) for side in first)

    def _pair(self, bench: Workbench, one: _Comparison, stage: str, first: Side) -> bool:
        number, started = len(one.pairs), now()
        order: tuple[Side, Side] = ("base", "head") if first == "base" else ("head", "base")
        done: dict[Side, Invocation] = {}
        for side in order:
            self.context.check()
            case = one.cases[side]
            index = self._next_index.get(case.record.id, 0)
            self._next_index[case.record.id] = index + 1
            within = InPair(one.record.id, number, one.record.extra_ppm if side == "head" else 0)
            done[side] = invoke(bench, case, index, index, one.gates[side], within)
            self.context.append(done[side])
            if done[side].status != "ok":
                self._fail(one.record, done[side].status, f"{side}, at pair {number + 1}: {done[side].reason}", one)
                return False
        drop = throttled(done["base"], done["head"])
        figures = {side: median_ns(invocation) or 0.0 for side, invocation in done.items()}
        pair = Pair(
            comparison_id=one.record.id,
            stage="confirm" if stage == "confirm" else "screen",
            number=number,
            first=first,
            base_ns=figures["base"],
            head_ns=figures["head"],
            dropped=drop.side if drop else None,
            reason=drop.reason if drop else None,
            base_drift=growth(done["base"].samples_ns),
            head_drift=growth(done["head"].samples_ns),
            base_clock_hz=median(done["base"].clock_hz) if done["base"].clock_hz else None,
            head_clock_hz=median(done["head"].clock_hz) if done["head"].clock_hz else None,
            started=started,
        )
        one.pairs.append(pair)
        self.context.append(pair)
        if drop:
            time.sleep(_COOL_DOWN_S)
        return True

    def _finish(self, bench: Workbench, one: _Comparison) -> None:
        found = verdict(self.rules, one.record.id, one.pairs, now())
        if found.verdict in ("regression", "improvement") and not one.record.extra_ppm:
            found = msgspec.structs.replace(found, why=why(bench, one.cases, one.pairs, found))
        self.context.append(found)
        for other in other_verdicts(self.context.writer.stored, one.record, now()):
            self.context.append(other)

    def _fail(self, record: ComparisonRecord, status: Status, reason: str, one: _Comparison | None = None) -> None:
        pairs = sum(pair.dropped is None for pair in one.pairs) if one else 0
        self.context.append(
            Verdict(
                comparison_id=record.id,
                metric="latency",
                unit="ns",
                status=status,
                reason=reason,
                pairs=pairs,
                finished=now(),
            )
        )

    def _show(self, text: str, left: int, total: int | None = None) -> None:
        self.context.check()
        of = total if total is not None else left
        self.context.show(self.name, text, of - left, max(of, 1))
