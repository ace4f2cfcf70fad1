"""The verdicts of a stored comparison, made again from its journal as the session made them, beside those stored."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from bnnbench.results.metrics import METRICS
from bnnbench.results.records import (
    SIDES,
    CaseRecord,
    ComparisonRecord,
    Gate,
    Invocation,
    Pair,
    RunRecord,
    Side,
    Verdict,
    Verdicts,
)
from bnnbench.results.statistics.between import Between
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.other_metrics import Measured, other_verdicts, repeated_verdict
from bnnbench.results.verdict.paired import verdict, with_metric, within_layout
from bnnbench.results.verdict.policy import MAIN, Policy

from ..plan.meter import INSTRUCTION_COUNT, WALL_CLOCK
from ..session.budget import invocation_ns, rules_for
from ..session.pairs import UNTIMED, Failure, alike

_COUNTS = 4
"""Invocations of a comparison in which instructions are counted."""
_MOST_PAIRS, _MOST_ITERATIONS = 2000, 10**8
_NOT_JUDGED = ("comparison_id", "finished", "why")
"""Fields of a verdict that no rule makes: `why` may rest on a profile, which is not stored."""
_DIGITS = 1e-12
"""Relative: the logarithms of two mathematics libraries differ in the last digit."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rejudged:
    """A comparison with its stored verdicts and those made again; `differences` are phrases, none where all agree."""

    record: ComparisonRecord
    stored: Sequence[Verdict]
    again: Sequence[Verdict]
    differences: Sequence[str]


class _Asked(msgspec.Struct, frozen=True):
    budget_s: float | None = None
    between: Between | None = None
    untimed: bool = False


class _Compare(msgspec.Struct, frozen=True):
    compare: _Asked | None = None


def rejudged(run: StoredRun, calibrations: Mapping[str, Calibration]) -> list[Rejudged]:
    """Every comparison that has verdicts, in the order of the plan. `calibrations` are those of the devices when the
    run was made. Raises StoreError."""
    stored: dict[str, list[Verdict]] = {}
    for found in run.verdicts:
        stored.setdefault(found.comparison_id, []).append(found)
    judge = _Judge(run, calibrations)
    return [judge.again(record, stored[record.id]) for record in run.record.comparisons if record.id in stored]


class _Judge:
    def __init__(self, run: StoredRun, calibrations: Mapping[str, Calibration]) -> None:
        self._run, self._calibrations = run, calibrations
        self._record: RunRecord = run.record
        self._cases = {case.id: case for case in run.record.cases}
        self._gates, self._accuracies = run.gates, run.accuracies
        self._done: dict[str | None, list[Invocation]] = {}
        self._pairs: dict[str, list[Pair]] = {}
        for entry in run.entries:
            if isinstance(entry, Invocation):
                self._done.setdefault(entry.comparison_id, []).append(entry)
            elif isinstance(entry, Pair):
                self._pairs.setdefault(entry.comparison_id, []).append(entry)
        self._policy = Policy.of(run.record)
        try:
            asked = msgspec.convert(run.record.suite, _Compare).compare
        except msgspec.ValidationError:
            asked = None
        self._asked = asked or _Asked()

    def again(self, record: ComparisonRecord, stored: Sequence[Verdict]) -> Rejudged:
        missing = [id for id in (record.base_case, record.head_case) if id not in self._cases or id not in self._gates]
        if missing:
            return Rejudged(record, stored, [], [f"{_name(record)}: the journal has no gate of its case {missing[0]}"])
        if self._is_too_large(record):
            return Rejudged(
                record, stored, [], [f"{_name(record)}: the journal has more pairs than any comparison has"]
            )
        try:
            return self._nearest(record, stored)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            return Rejudged(record, stored, [], [f"{_name(record)}: its pairs cannot be judged ({error})"])

    def _is_too_large(self, record: ComparisonRecord) -> bool:
        """Whether a journal from elsewhere would keep this machine busy for hours."""
        counts = len(self._pairs.get(record.id, ())), len(self._done.get(record.id, ()))
        iterations = max(gate.iterations or 0 for gate in self._gates_of(record).values())
        return max(counts) > _MOST_PAIRS or (record.extra_ppm > 0 and iterations > _MOST_ITERATIONS)

    def _nearest(self, record: ComparisonRecord, stored: Sequence[Verdict]) -> Rejudged:
        """With those of the possible rules that fit best."""
        nearest: Rejudged | None = None
        for rules in self._possible_rules(record):
            made = self._verdicts(record, rules)
            found = Rejudged(record, stored, made, [f"{_name(record)}, {text}" for text in _differences(stored, made)])
            if nearest is None or len(found.differences) < len(nearest.differences):
                nearest = found
            if not found.differences:
                break
        assert nearest is not None
        return nearest

    def _verdicts(self, record: ComparisonRecord, rules: Rules) -> list[Verdict]:
        """As `ComparingSession` makes them."""
        cases: dict[Side, CaseRecord] = {"base": self._cases[record.base_case], "head": self._cases[record.head_case]}
        done, pairs = self._done.get(record.id, []), self._pairs.get(record.id, [])
        if failure := self._not_begun(record):
            done, pairs = [], []
        else:
            failure = self._failed(record, done)
        if failure is not None:
            main = self._of_failure(record, failure, pairs)
        elif record.device in self._record.counted:
            main = self._of_counts(record, done)
        else:
            main = verdict(rules, record.id, pairs)
            calibration = self._calibrations.get(record.device)
            if calibration and len({case.engine_build for case in cases.values()}) > 1:
                main = within_layout(main, calibration)
        if record.extra_ppm:
            return [main]
        exact = record.device in self._record.counted
        sides = [
            Measured.of(
                cases[side],
                self._accuracies.get(cases[side].id),
                [] if exact else [one for one in done if one.status == "ok" and self._side(record, one) == side],
                pairs,
            )
            for side in SIDES
        ]
        tuned = partial(self._policy.tuned, workload=record.workload, device=record.device)
        return [main, *other_verdicts(record.id, sides[0], sides[1], "", tuned)]

    def _gates_of(self, record: ComparisonRecord) -> dict[Side, Gate]:
        return {"base": self._gates[record.base_case], "head": self._gates[record.head_case]}

    def _not_begun(self, record: ComparisonRecord) -> Failure | None:
        """Why no pair could be measured."""
        for side, gate in self._gates_of(record).items():
            if gate.status != "ok":
                return Failure(side, gate.status, f"{side}: {gate.reason}")
        if self._record.emulated(record.device) and record.device not in self._record.counted:
            return Failure(None, "skipped", "times of an emulated device mean nothing")
        return UNTIMED if self._asked.untimed and record.device not in self._record.counted else None

    def _failed(self, record: ComparisonRecord, done: Sequence[Invocation]) -> Failure | None:
        """What ended the comparison: a side that failed, with its last invocation."""
        if not done:
            return None
        last, side = done[-1], self._side(record, done[-1])
        if record.device in self._record.counted:
            if last.status == "ok" and last.counters:
                return None
            status = "failed" if last.status == "ok" else last.status
            return Failure(side, status, f"{side}: {last.reason or 'nothing was counted'}")
        if last.status == "ok":
            return None
        return Failure(side, last.status, f"{side}, at pair {(last.pair or 0) + 1}: {last.reason}")

    def _of_failure(self, record: ComparisonRecord, failure: Failure, pairs: Sequence[Pair]) -> Verdict:
        metric = METRICS[(INSTRUCTION_COUNT if record.device in self._record.counted else WALL_CLOCK).metric]
        return Verdict(
            comparison_id=record.id,
            metric=metric.key,
            unit=metric.unit,
            status=failure.status,
            reason=failure.reason,
            side=failure.side,
            pairs=sum(pair.dropped is None for pair in pairs),
        )

    def _of_counts(self, record: ComparisonRecord, done: Sequence[Invocation]) -> Verdict:
        metric = self._policy.tuned(METRICS[INSTRUCTION_COUNT.metric], record.workload, record.device)
        counts: dict[Side, list[float]] = {"base": [], "head": []}
        for one in done[-_COUNTS:]:
            counts[self._side(record, one)].append(float((one.counters or {}).get(metric.key) or 0))
        if not all(counts.values()):
            return self._of_failure(record, Failure(None, "failed", "the journal has too few counts"), [])
        return repeated_verdict(record.id, metric, counts["base"], counts["head"], "")

    def _side(self, record: ComparisonRecord, invocation: Invocation) -> Side:
        return "base" if invocation.case_id == record.base_case else "head"

    def _possible_rules(self, record: ComparisonRecord) -> Iterator[Rules]:
        """Those that the session may have had. Under a budget, how many looks there are depends on the comparisons that
        were left when it began; where the run was resumed is not in the journal."""
        latency = self._policy.tuned(METRICS[MAIN], record.workload, record.device)
        own = dataclasses.replace(with_metric(Rules(), latency), between=self._asked.between)
        if self._asked.budget_s is None:
            yield own
            return
        tried: set[tuple[int, ...]] = set()
        for left in self._left_before(record):
            rules = rules_for(own, self._asked.budget_s, [self._pair_ns(item) for item in left])
            if rules.looks not in tried:
                tried.add(rules.looks)
                yield rules

    def _left_before(self, record: ComparisonRecord) -> Iterator[list[ComparisonRecord]]:
        """The comparisons of the device that were left at its begin, and after each verdict before this one's."""
        mine = {
            item.id: item
            for item in self._record.comparisons
            if item.device == record.device
            and item.base_case in self._gates
            and item.head_case in self._gates
            and self._not_begun(item) is None
        }
        mine.setdefault(record.id, record)
        yield list(mine.values())
        for entry in self._run.entries:
            if isinstance(entry, Verdicts) and entry.comparison_id in mine:
                if entry.comparison_id == record.id:
                    if all(one.status != "failed" for one in entry.verdicts):
                        return
                elif all(one.status != "failed" for one in entry.verdicts):
                    del mine[entry.comparison_id]
                    yield list(mine.values())

    def _pair_ns(self, record: ComparisonRecord) -> float:
        gates = alike(self._gates_of(record), record.extra_ppm)
        samples = self._record.samples_per_invocation
        return sum(invocation_ns(gate.warmup_ns or 0, samples, gate.block_ns or 0) for gate in gates.values())


def _name(record: ComparisonRecord) -> str:
    threads = f", {record.threads} threads" if record.threads > 1 else ""
    return f"{record.workload} on {record.device}{threads}"


def _differences(stored: Sequence[Verdict], again: Sequence[Verdict]) -> list[str]:
    old, new = ({item.metric: item for item in these} for these in (stored, again))
    found = [f"{metric}: a verdict is stored, and none is made again" for metric in old if metric not in new]
    found += [f"{metric}: no verdict is stored, and one is made again" for metric in new if metric not in old]
    for metric in old:
        if metric in new:
            found += [
                f"{metric}: {name.replace('_', ' ')} is {_text(was)} as stored, and {_text(now)} judged again"
                for name in Verdict.__struct_fields__
                if name not in _NOT_JUDGED
                and not _is_same(was := getattr(old[metric], name), now := getattr(new[metric], name))
            ]
    return found


def _is_same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=_DIGITS)
    return bool(old == new)


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
