"""Compares a device's cases in pairs, in waves, until each comparison has its verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec

from bnnbench.results.metric import Metric
from bnnbench.results.metrics import METRICS
from bnnbench.results.past import Past
from bnnbench.results.quantity import roughly
from bnnbench.results.records import SIDES, ComparisonRecord, Side, Verdict, Verdicts
from bnnbench.results.statistics.planning import known_noise
from bnnbench.results.statistics.robust_sigma import effective_sigma
from bnnbench.results.statistics.sequential import Need, Rules
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.other_metrics import Measured, other_verdicts
from bnnbench.results.verdict.paired import difference, needed, verdict, with_metric, within_layout
from bnnbench.results.verdict.policy import EVERYTHING, MAIN, Policy

from ..bench.workbench import Workbench
from ..clock import now
from ..plan.cases import Case
from .base import DeviceSession
from .budget import invocation_ns, outlook, rules_for
from .counting import compare_counts
from .expected import comparing_s, pasts
from .pairs import UNTIMED, Comparison, Failure, alike
from .why import why


@dataclass
class ComparingSession(DeviceSession):
    """`budget_s` ends it; `calibration` is the device's last one; `policy` is what the suite asks; `untimed`: no pairs
    are measured, and only figures that repeat are compared."""

    comparisons: list[ComparisonRecord]
    rules: Rules
    budget_s: float | None
    calibration: Calibration | None = None
    policy: Policy = EVERYTHING
    untimed: bool = False
    _left: list[ComparisonRecord] = field(default_factory=list, init=False)
    _stored: StoredRun | None = field(default=None, init=False)
    _next_index: dict[str, int] = field(default_factory=dict, init=False)
    _going: list[Comparison] = field(default_factory=list, init=False)
    _deadline: float | None = field(default=None, init=False)

    def begin(self, stored: StoredRun) -> bool:
        """The comparisons that have no verdict yet."""
        judged = stored.judged
        self._stored, self._going = stored, []
        self._left = [record for record in self.comparisons if record.id not in judged]
        for invocation in stored.invocations:
            self._next_index[invocation.case_id] = max(
                self._next_index.get(invocation.case_id, 0), invocation.index + 1
            )
        return bool(self._left)

    def measure(self, bench: Workbench) -> None:
        """Raises DeviceError, Interrupted, StoreError."""
        if self.calibration and (old := self.calibration.warning(self._kernel)):
            self.context.watcher.note(old)
        self._measure_gates(bench)
        begun = [one for record in self._left if (one := self._begin(record)) is not None]
        if self.target.meter.is_exact:
            for one in begun:
                self._judge(one, compare_counts(bench, one, self._take_index, self._tuned(one.record)))
            return
        self._going = begun
        if self.budget_s is not None and begun:
            pairs_ns = [self._pair_ns(item) for item in begun]
            self.rules = rules_for(self.rules, self.budget_s, pairs_ns)
            sigma = self.calibration.sigma if self.calibration else None
            self.context.watcher.note(outlook(self.rules, self.budget_s, pairs_ns, sigma))
            self._deadline = time.monotonic() + self.budget_s
        elif begun:
            self._tell_how_long(begun)
        while self._going and self._wave(bench):
            pass
        for late in list(self._going):
            self._finish(bench, late)

    def progress(self) -> tuple[int, int]:
        """Comparisons."""
        return len(self._left) - (len(self._going) or len(self._left)), max(len(self._left), 1)

    @property
    def _kernel(self) -> str | None:
        value = self.target.facts["kernel"].value
        return None if value is None else str(value)

    def _tuned(self, record: ComparisonRecord) -> Callable[[Metric], Metric]:
        """Gives a metric the floor and margin that the suite has for the comparison."""
        return partial(self.policy.tuned, workload=record.workload, device=record.device)

    def _rules_of(self, comparison: Comparison) -> Rules:
        return with_metric(self.rules, self._tuned(comparison.record)(METRICS[MAIN]))

    def _pair_ns(self, comparison: Comparison) -> float:
        return sum(
            invocation_ns(gate.warmup_ns or 0, self.context.samples, gate.block_ns or 0)
            for gate in comparison.gates.values()
        )

    def _tell_how_long(self, begun: Sequence[Comparison]) -> None:
        """By the noise of earlier comparisons or of a calibration, where it is known of all."""
        heads = [item.cases["head"] for item in begun]
        known = pasts(Store(self.context.store), heads)
        sigma = self.calibration.sigma if self.calibration else None
        noises = [
            noise
            for case in heads
            if (noise := known_noise(known.get(case.record.id, Past()).sessions, sigma)) is not None
        ]
        if len(noises) == len(begun):
            seconds = comparing_s(self.rules, [self._pair_ns(item) for item in begun], noises)
            text = f"{self.name}: about {roughly(seconds)} if nothing changed, by the noise that is known of it"
            self.context.watcher.note(text)

    def _measure_gates(self, bench: Workbench) -> None:
        wanted = {id for record in self._left for id in (record.base_case, record.head_case)}
        for case in self.cases:
            if case.record.id in wanted:
                self.gate(bench, case)
                if self.has_accuracy(case):
                    self.evaluate(bench, case)

    def _take_index(self, case_id: str) -> int:
        """Of a case's next invocation."""
        index = self._next_index.get(case_id, 0)
        self._next_index[case_id] = index + 1
        return index

    def _begin(self, record: ComparisonRecord) -> Comparison | None:
        """None, and the verdict, when one of the sides cannot be measured."""
        by_id = {case.record.id: case for case in self.cases}
        cases: dict[Side, Case] = {"base": by_id[record.base_case], "head": by_id[record.head_case]}
        gates = {side: self.gates[case.record.id] for side, case in cases.items()}
        one = Comparison(record, cases, alike(gates, record.extra_ppm))
        for side, gate in gates.items():
            if gate.status != "ok":
                self._fail(one, Failure(side, gate.status, f"{side}: {gate.reason}"))
                return None
        emulated = self.target.facts.to_dict().get("emulated", {}).get("value") is True
        if emulated and METRICS[self.target.meter.metric].is_time:
            self._fail(one, Failure(None, "skipped", "times of an emulated device mean nothing"))
            return None
        if self.untimed and not self.target.meter.is_exact:
            self._fail(one, UNTIMED)
            return None
        assert self._stored is not None
        one.pairs = self._stored.pairs_of(record.id)
        for done in self._stored.invocations:
            if done.comparison_id == record.id and done.status == "ok":
                one.invocations["base" if done.case_id == record.base_case else "head"].append(done)
        return one

    def _wave(self, bench: Workbench) -> bool:
        """Every comparison to its next look, the blocks of all of them in random order. False when the budget is
        spent."""
        needs = {item.record.id: needed(self._rules_of(item), item.pairs) for item in self._going}
        for entry in [item for item in self._going if needs[item.record.id] is None]:
            self._finish(bench, entry)
        chosen = self._going if self._deadline is None else self._nearest(needs)
        for stage in ("confirm", "screen"):
            staged = [item for item in chosen if (need := needs[item.record.id]) and need.stage == stage]
            if staged:
                bench.lease.copy_engines(SIDES)
            for comparison in self._blocks(staged, needs):
                if self._deadline is not None and time.monotonic() > self._deadline:
                    return False
                if comparison in self._going:
                    self.show(f"comparing {comparison.record.workload}, {len(comparison.pairs)} pairs")
                    self._block(bench, comparison, stage)
        return True

    def _nearest(self, needs: dict[str, Need | None]) -> list[Comparison]:
        """Under a budget: all at their first look, then the half that is nearest to a verdict: flagged ones, and those
        whose pairs agree best."""
        fresh = [item for item in self._going if len(item.pairs) < self.rules.looks[0]]
        if fresh:
            return fresh

        def distance(comparison: Comparison) -> tuple[bool, float]:
            need = needs[comparison.record.id]
            return (
                need is None or need.stage == "screen",
                effective_sigma([difference(pair) for pair in comparison.pairs]),
            )

        return sorted(self._going, key=distance)[: (len(self._going) + 1) // 2]

    def _blocks(self, staged: Iterable[Comparison], needs: dict[str, Need | None]) -> list[Comparison]:
        """A block of two pairs for each two that are missing, drawn by the seed and by how far the comparison is."""
        blocks: list[Comparison] = []
        for item in staged:
            need = needs[item.record.id]
            assert need is not None
            blocks += [item] * ((need.pairs - item.kept(need.stage) + 1) // 2)
        place = sum(len(block.pairs) for block in blocks)
        random.Random(f"{self.context.seed} {self.name} {place}").shuffle(blocks)  # noqa: S311 - an order
        return blocks

    def _block(self, bench: Workbench, comparison: Comparison, stage: str) -> None:
        """AB and BA, in random order; the comparison is over when a side fails."""
        first = list(SIDES)
        random.Random(f"{self.context.seed} {comparison.record.id} {len(comparison.pairs)}").shuffle(first)  # noqa: S311 - an order
        for side in first:
            if failure := comparison.measure_pair(bench, stage, side, self._take_index):
                self._fail(comparison, failure)
                return

    def _finish(self, bench: Workbench, comparison: Comparison) -> None:
        found = verdict(self._rules_of(comparison), comparison.record.id, comparison.pairs, now())
        builds = {case.record.engine_build for case in comparison.cases.values()}
        if self.calibration and len(builds) > 1:
            found = within_layout(found, self.calibration)
        if found.verdict in ("regression", "improvement") and not comparison.record.extra_ppm:
            reason = why(bench, comparison.cases, comparison.pairs, comparison.invocations, found)
            found = msgspec.structs.replace(found, why=reason)
        self._judge(comparison, found)

    def _fail(self, comparison: Comparison, failure: Failure) -> None:
        metric = METRICS[self.target.meter.metric]
        main = Verdict(
            comparison_id=comparison.record.id,
            metric=metric.key,
            unit=metric.unit,
            status=failure.status,
            reason=failure.reason,
            side=failure.side,
            pairs=sum(pair.dropped is None for pair in comparison.pairs),
            finished=now(),
        )
        self._judge(comparison, main)

    def _judge(self, comparison: Comparison, main: Verdict) -> None:
        """Ends a comparison: all its verdicts, in one record."""
        others: Sequence[Verdict] = ()
        if not comparison.record.extra_ppm:
            base, head = (self._measured(comparison, side) for side in SIDES)
            others = other_verdicts(comparison.record.id, base, head, now(), self._tuned(comparison.record))
        self.context.append(Verdicts(comparison_id=comparison.record.id, verdicts=[main, *others]))
        if comparison in self._going:
            self._going.remove(comparison)

    def _measured(self, comparison: Comparison, side: Side) -> Measured:
        """What is known of a side beside what is compared; where instructions are counted, nothing of its processes."""
        case = comparison.cases[side].record
        invocations = () if self.target.meter.is_exact else comparison.invocations[side]
        return Measured.of(case, self.accuracies.get(case.id), invocations, comparison.pairs)
