"""One device of a comparison: lock -> push -> verify both sides -> pairs until each comparison has its verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import msgspec

from bnnbench.devices.transport.protocol import Transport
from bnnbench.devices.workfolder import WorkFolder
from bnnbench.kernels.engines.tflite_benchmark import SummaryEngine
from bnnbench.results.case_result import median_ns
from bnnbench.results.records import Accuracy, ComparisonRecord, Gate, Invocation, Pair, Side, Status, Verdict, Verdicts
from bnnbench.results.statistics.robust_sigma import effective_sigma
from bnnbench.results.statistics.sequential import Need, Rules
from bnnbench.results.statistics.steady_state import growth
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.latency import difference, needed, verdict, within_layout

from ..bench.context import RunContext
from ..bench.workbench import Workbench
from ..clock import now
from ..measure.evaluate import evaluate, has_images
from ..measure.invoke import InPair, invoke
from ..measure.summarized import gate_unseen
from ..measure.verify import verify
from ..plan.cases import Case
from ..plan.target import Target
from .budget import invocation_ns, outlook, rules_for
from .counting import compare_counts
from .other_metrics import Measured, other_verdicts
from .throttle import throttled
from .why import why

SIDES: tuple[Side, Side] = ("base", "head")
_COOL_DOWN_S = 1.0
_NO_MEMORY: Mapping[Side, Sequence[int]] = {"base": (), "head": ()}


@dataclass
class _Comparison:
    """A comparison that goes on: its cases, how they are run, and its pairs so far."""

    record: ComparisonRecord
    cases: dict[Side, Case]
    gates: dict[Side, Gate]
    pairs: list[Pair]
    peak_rss: dict[Side, list[int]]

    def kept(self, stage: str) -> int:
        return sum(pair.stage == stage and pair.dropped is None for pair in self.pairs)


def whole_extra(iterations: int, extra_ppm: int) -> int:
    """So many iterations, or up to twice as many, that `extra_ppm` of them is nearly a whole number."""

    def error(count: int) -> float:
        extra = count * extra_ppm / 1e6
        return abs(round(extra) / extra - 1)

    return min(range(iterations, 2 * iterations + 1), key=error) if extra_ppm else iterations


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
    calibration: Calibration | None = None
    """The device's last one."""
    push_ns: int = 0
    _gates: dict[str, Gate] = field(default_factory=dict)
    _accuracies: dict[str, Accuracy] = field(default_factory=dict)
    _next_index: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.target.spec.name

    def run(self) -> None:
        """Every comparison that has no verdict yet. Raises DeviceError, Interrupted, StoreError."""
        stored = self.context.writer.stored
        judged = stored.judged
        left = [record for record in self.comparisons if record.id not in judged]
        if not left:
            return
        self._gates = {id: gate for id, gate in stored.gates.items() if gate.status != "failed"}
        self._accuracies = stored.accuracies
        for one in stored.invocations:
            self._next_index[one.case_id] = max(self._next_index.get(one.case_id, 0), one.index + 1)
        self._show("pushing engines and data", len(left))
        if self.calibration and (old := self.calibration.warning(self._kernel)):
            self.context.watcher.note(old)
        bench = Workbench(self.target, self.transport, WorkFolder.open(self.transport, self.target.spec), self.context)
        with bench.prepared(self.cases):
            self.push_ns = bench.push_ns
            self._verify(bench, left)
            if self.target.counts:
                for record in left:
                    if (sides := self._sides(record)) is not None:
                        self._judge(record, compare_counts(bench, record, *sides, self._take_index, self.context))
                return
            going = [begun for record in left if (begun := self._begin(record, stored)) is not None]
            if self.budget_s is not None and going:
                pairs_ns = [self._pair_ns(one) for one in going]
                self.rules = rules_for(self.rules, self.budget_s, pairs_ns)
                sigma = self.calibration.sigma if self.calibration else None
                self.context.watcher.note(outlook(self.rules, self.budget_s, pairs_ns, sigma))
            self._compare(bench, going)

    @property
    def _kernel(self) -> str | None:
        value = self.target.facts["kernel"].value
        return None if value is None else str(value)

    def _pair_ns(self, one: _Comparison) -> float:
        gate = one.gates["base"]
        return 2 * invocation_ns(gate.warmup_ns or 0, self.context.samples, gate.block_ns or 0)

    def _verify(self, bench: Workbench, left: Sequence[ComparisonRecord]) -> None:
        wanted = {id for record in left for id in (record.base_case, record.head_case)}
        for case in self.cases:
            id = case.record.id
            if id in wanted and id not in self._gates:
                self._show(f"verifying {case.workload.name} on the {case.engine.name}", len(left))
                gate = gate_unseen(case) if isinstance(case.engine, SummaryEngine) else verify(bench, case)
                self._gates[id] = gate
                self.context.append(gate)
            if id not in wanted or not has_images(case) or self._gates[id].status != "ok":
                continue
            if id not in self._accuracies or self._accuracies[id].status == "failed":
                self._show(f"accuracy of {case.workload.name} on the {case.engine.name}", len(left))
                self._accuracies[id] = evaluate(bench, case, lambda done, of: None)
                self.context.append(self._accuracies[id])

    def _sides(self, record: ComparisonRecord) -> tuple[dict[Side, Case], dict[Side, Gate]] | None:
        """Cases and gates; None when one of the sides cannot be measured: then that is the verdict."""
        by_id = {case.record.id: case for case in self.cases}
        cases: dict[Side, Case] = {"base": by_id[record.base_case], "head": by_id[record.head_case]}
        gates = {side: self._gates[case.record.id] for side, case in cases.items()}
        for side, gate in gates.items():
            if gate.status != "ok":
                self._fail(record, gate.status, f"{side}: {gate.reason}")
                return None
        return cases, gates

    def _take_index(self, case_id: str) -> int:
        """Of a case's next invocation."""
        index = self._next_index.get(case_id, 0)
        self._next_index[case_id] = index + 1
        return index

    def _begin(self, record: ComparisonRecord, stored: StoredRun) -> _Comparison | None:
        """None when one of the sides cannot be timed."""
        sides = self._sides(record)
        if sides is None:
            return None
        cases, gates = sides
        if self.target.facts.to_dict().get("emulated", {}).get("value") is True:
            self._fail(record, "skipped", "times of an emulated device mean nothing")
            return None
        # Both sides are run in the same way, each long enough for the slower to settle.
        shared = {
            "iterations": whole_extra(max(gate.iterations or 1 for gate in gates.values()), record.extra_ppm),
            "warmup_ns": max(gate.warmup_ns or 0 for gate in gates.values()),
            "block_ns": max(gate.block_ns or 0 for gate in gates.values()),
        }
        alike = {side: msgspec.structs.replace(gate, **shared) for side, gate in gates.items()}
        mine = [one for one in stored.invocations if one.comparison_id == record.id and one.peak_rss_bytes]
        peak_rss = {
            side: [one.peak_rss_bytes or 0 for one in mine if one.case_id == case.record.id]
            for side, case in cases.items()
        }
        return _Comparison(record, cases, alike, stored.pairs_of(record.id), peak_rss)

    def _compare(self, bench: Workbench, going: list[_Comparison]) -> None:
        """In waves: every comparison to its next look, the blocks of all of them in random order."""
        deadline = None if self.budget_s is None else time.monotonic() + self.budget_s
        total = len(going)
        while going:
            needs = {one.record.id: needed(self.rules, one.pairs) for one in going}
            for one in [one for one in going if needs[one.record.id] is None]:
                self._finish(bench, one)
                going.remove(one)
            chosen = going if deadline is None else self._nearest(going, needs)
            for need in ("confirm", "screen"):
                stage = [one for one in chosen if (n := needs[one.record.id]) and n.stage == need]
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

    def _nearest(self, going: list[_Comparison], needs: dict[str, Need | None]) -> list[_Comparison]:
        """Under a budget: all at their first look, then the half that is nearest to a verdict: flagged ones, and those
        whose pairs agree best."""
        if any(len(one.pairs) < self.rules.looks[0] for one in going):
            return [one for one in going if len(one.pairs) < self.rules.looks[0]]

        def distance(one: _Comparison) -> tuple[bool, float]:
            need = needs[one.record.id]
            return (need is None or need.stage == "screen", effective_sigma([difference(pair) for pair in one.pairs]))

        return sorted(going, key=distance)[: (len(going) + 1) // 2]

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
            index = self._take_index(case.record.id)
            within = InPair(one.record.id, number, one.record.extra_ppm if side == "head" else 0)
            done[side] = invoke(bench, case, index, index, one.gates[side], within)
            self.context.append(done[side])
            if done[side].status != "ok":
                self._fail(one.record, done[side].status, f"{side}, at pair {number + 1}: {done[side].reason}", one)
                return False
            if rss := done[side].peak_rss_bytes:
                one.peak_rss[side].append(rss)
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
        builds = {case.record.engine_build for case in one.cases.values()}
        if self.calibration and len(builds) > 1:
            found = within_layout(found, self.calibration)
        if found.verdict in ("regression", "improvement") and not one.record.extra_ppm:
            found = msgspec.structs.replace(found, why=why(bench, one.cases, one.pairs, found))
        self._judge(one.record, found, one.peak_rss)

    def _judge(
        self, record: ComparisonRecord, main: Verdict, peak_rss: Mapping[Side, Sequence[int]] = _NO_MEMORY
    ) -> None:
        """Ends a comparison: all its verdicts, in one record."""
        others = []
        if not record.extra_ppm:
            by_id = {case.record.id: case.record for case in self.cases}
            base, head = (
                Measured(by_id[id], self._accuracies.get(id), peak_rss[side])
                for side, id in zip(SIDES, (record.base_case, record.head_case), strict=True)
            )
            others = other_verdicts(record.id, base, head, now())
        self.context.append(Verdicts(comparison_id=record.id, verdicts=[main, *others]))

    def _fail(self, record: ComparisonRecord, status: Status, reason: str, one: _Comparison | None = None) -> None:
        main = Verdict(
            comparison_id=record.id,
            metric="instructions" if self.target.counts else "latency",
            unit="instructions" if self.target.counts else "ns",
            status=status,
            reason=reason,
            pairs=sum(pair.dropped is None for pair in one.pairs) if one else 0,
            finished=now(),
        )
        self._judge(record, main, one.peak_rss if one else _NO_MEMORY)

    def _show(self, text: str, left: int, total: int | None = None) -> None:
        self.context.check()
        of = total if total is not None else left
        self.context.show(self.name, text, of - left, max(of, 1))
