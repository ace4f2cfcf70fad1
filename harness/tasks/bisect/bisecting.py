"""A bisection from its first build to what it found; every decision is made from the steps that are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bnnbench.results.errors import StoreError
from bnnbench.results.metrics import METRICS
from bnnbench.results.statistics.between import Between
from bnnbench.results.statistics.bisect_search import SURE, Limits, Measured, Question, Stage, following
from bnnbench.results.statistics.exact_search import ExactValues, exact_question
from bnnbench.results.verdict.policy import Policy

from ...clock import now
from ...errors import CannotMeasure
from ..measure import Call
from .building import build
from .comparing import finish_comparison, split_case
from .forecast import expected, forecast
from .found import exact_case, paired_case, unchanged_case
from .history import Worktree
from .outcome import BisectResult, CaseFound, Skipped
from .state import Begun, BisectState, Built

_OF_FLOOR = 0.75
"""Steps from three quarters of the floor on are looked for, so that one as large as the floor is not missed."""
_LEAST_EXACT = 1e-9


@dataclass
class Bisecting:
    """One bisection going on. `call` says where runs go and who watches."""

    call: Call
    state: BisectState
    limits: Limits = field(default_factory=Limits)
    worktree: Worktree = field(init=False)

    def __post_init__(self) -> None:
        self.worktree = Worktree(Path(self.state.plan.repository), self.state.folder / "worktree")

    @property
    def last(self) -> int:
        """The number of the bad commit."""
        return len(self.state.plan.commits)

    def run(self) -> BisectResult:
        """Raises CannotMeasure, StepInterrupted, and as `measure`; all that was measured by then is kept."""
        note = self.call.watcher.note
        note(forecast(self.state.plan, None))
        for number in (0, self.last):
            self._require_built(number)
        note(forecast(self.state.plan, [step.seconds for step in self._builds().values()]))
        if self.state.pending is not None:
            finish_comparison(self.call, self.state, self.state.pending)
        if self._builds()[0].sha256 == self._builds()[self.last].sha256:
            note("the good and the bad commit have the very same file, so nothing is measured")
            return self._result([unchanged_case("all cases")])
        return self._result(self._paired() if METRICS[self.state.plan.metric].is_paired else self._exact())

    def _paired(self) -> list[CaseFound]:
        if not self.state.comparisons:
            question = following(Measured(self.last)).question
            assert question is not None
            self._compare(question, None)
        return [self._search(case) for case in self.state.comparisons[0][1].cases]

    def _search(self, case: str) -> CaseFound:
        """One case to its end."""
        floor = self.state.plan.smallest or self._floor(case) * _OF_FLOOR
        while True:
            seen = self.measured(case, floor)
            stage = following(seen, self.limits)
            if stage.question is None:
                return paired_case(self.state.plan, case, seen, stage)
            self._tell(case, stage)
            question = stage.question
            is_built = all(self._is_built(number) for number in (question.commit, question.base))
            # Another commit with the very same file may have been measured.
            if is_built and (question.is_direct or question.commit not in self.measured(case, floor).settled):
                self._compare(question, case)

    def _exact(self) -> list[CaseFound]:
        """All cases at once: a comparison gives the figures of all."""
        if not self.state.comparisons:
            self._compare_exactly(self.last)
        cases = list(self.state.comparisons[0][1].cases)
        for case in cases:
            while (number := exact_question(self._values(case))) is not None:
                if self._is_built(number) and number not in self._values(case).values:
                    self._compare_exactly(number)
        return [exact_case(self.state.plan, case, self._values(case)) for case in cases]

    def measured(self, case: str, floor: float) -> Measured:
        """The evidence on a case, from the steps that are kept; `floor` is a ratio minus 1."""
        pairs: dict[int, list[float]] = {}
        direct: dict[tuple[int, int], list[float]] = {}
        roles: set[tuple[int, int, bool]] = set()
        for begun, done in self.state.comparisons:
            given = done.cases.get(case)
            if given is None or not given.differences:
                continue
            swapped = begun.of == begun.base
            d = [-one for one in given.differences] if swapped else list(given.differences)
            if begun.is_direct:
                key = (begun.head if swapped else begun.base, begun.of)
                direct.setdefault(key, []).extend(d)
                roles.add((*key, swapped))
            else:
                pairs.setdefault(begun.of, []).extend(d)
        same, settled = self._alike(frozenset(pairs) | {0})
        return Measured(
            self.last,
            pairs,
            direct,
            roles=frozenset(roles),
            broken=frozenset(self._broken(case)),
            same=same,
            settled=settled,
            floor=floor,
            sign=int(METRICS[self.state.plan.metric].sign),
        )

    def _values(self, case: str) -> ExactValues:
        metric = METRICS[self.state.plan.metric]
        values: dict[int, float] = {}
        for begun, done in self.state.comparisons:
            given = done.cases.get(case)
            if given is not None and given.base is not None and given.head is not None:
                values[0], values[begun.of] = given.base, given.head
        by_file = {built.sha256: values[number] for number, built in self._builds().items() if number in values}
        for number, built in self._builds().items():
            if built.sha256 in by_file and built.file is not None:
                values.setdefault(number, by_file[built.sha256])
        return ExactValues(
            self.last,
            values,
            frozenset(self._broken(case)),
            floor=max(self.state.plan.smallest or self._floor(case), _LEAST_EXACT),
            sign=int(metric.sign),
            in_points=metric.in_points,
        )

    def _alike(self, measured: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
        """Commits with the file of the one before, and those that need no pairs: a measured one has their file."""
        by_file: dict[str, list[int]] = {}
        for number, built in sorted(self._builds().items()):
            if built.sha256 is not None:
                by_file.setdefault(built.sha256, []).append(number)
        same: set[int] = set()
        settled: set[int] = set()
        for numbers in by_file.values():
            same.update(range(numbers[0] + 1, numbers[-1] + 1))
            if measured & set(numbers):
                settled.update(set(numbers) - measured)
        return frozenset(same), frozenset(settled)

    def _broken(self, case: str) -> dict[int, str]:
        """Why commits cannot be measured: they do not build, or their side fails."""
        found = {number: built.reason for number, built in self._builds().items() if built.reason}
        for begun, done in self.state.comparisons:
            given = done.cases.get(case)
            if given is not None and given.reason:
                found[begun.of] = given.reason
        return found

    def _builds(self) -> dict[int, Built]:
        return {step.commit: step for step in self.state.steps if isinstance(step, Built)}

    def _is_built(self, number: int) -> bool:
        if self.state.built(number) is None:
            commit = self.state.plan.commit(number)
            self.call.watcher.note(f"commit {number} of {self.last}, {commit.text}")
        built = build(self.state, self.worktree, number)
        if built.reason:
            self.call.watcher.note(f"skipped {self.state.plan.commit(number).short}: {built.reason}")
        return built.reason is None

    def _require_built(self, number: int) -> None:
        if not self._is_built(number):
            which = "bad" if number else "good"
            why = self._builds()[number].reason
            raise CannotMeasure(f"the {which} commit {self.state.plan.commit(number).short} cannot be measured: {why}.")

    def _compare(self, question: Question, case: str | None) -> None:
        base, head = question.base, question.commit
        if question.swapped:
            base, head = head, base
        self._begin(base, head, question.commit, question.test, case, is_direct=question.is_direct)

    def _compare_exactly(self, number: int) -> None:
        self._begin(0, number, number, None, None, is_direct=False)

    def _begin(
        self, base: int, head: int, of: int, between: Between | None, case: str | None, *, is_direct: bool
    ) -> None:
        """Measures and keeps a comparison. Raises CannotMeasure where it says nothing of the commit it is about."""
        numbers = [step.number for step in self.state.steps if isinstance(step, Begun)]
        begun = Begun(
            number=max(numbers, default=0) + 1,
            base=base,
            head=head,
            of=of,
            between=between,
            case=case,
            is_direct=is_direct,
            created=now(),
        )
        self.state.append(begun)
        done = finish_comparison(self.call, self.state, begun)
        for name, given in done.cases.items():
            side = "base" if of == base else "head"
            if given.reason and (given.side != side or of == self.last):
                raise CannotMeasure(f"{name} cannot be measured at {self.state.plan.commit(of).short}: {given.reason}.")

    def _floor(self, case: str) -> float:
        """The least change of the metric that the suite counts."""
        metric = METRICS[self.state.plan.metric]
        try:
            record = self.call.store.run(self.state.comparisons[0][1].run).record
        except StoreError:
            return metric.floor
        return Policy.of(record).tuned(metric, split_case(case)[0], record.comparisons[0].device).floor

    def _tell(self, case: str, stage: Stage) -> None:
        question = stage.question
        if question is None or stage.posterior is None:
            return
        commit = self.state.plan.commit(question.commit)
        how = "directly against the commit before" if question.is_direct else "against the good commit"
        if question.is_direct and question.swapped:
            how += ", in the other role"
        done = sum(case in compared.cases for _, compared in self.state.comparisons)
        left = stage.posterior.candidates(SURE)
        text = f"{case}: {commit.short} ({commit.subject}) {how}; comparison {done + 1} of about "
        text += f"{max(expected(self.state.plan)[1], done + 1)}, {left} commit{'s' * (left != 1)} suspected"
        self.call.watcher.note(text)

    def _result(self, cases: list[CaseFound]) -> BisectResult:
        plan = self.state.plan
        broken: dict[int, str] = {}
        for case in cases:
            broken |= self._broken(case.case)
        return BisectResult(
            id=plan.id,
            metric=plan.metric,
            device=plan.device,
            good=plan.good,
            bad=plan.commits[-1],
            commits=self.last,
            cases=cases,
            skipped=[Skipped(commit=plan.commit(number), reason=why) for number, why in sorted(broken.items())],
            runs=[done.run for _, done in self.state.comparisons],
            builds=len(self._builds()),
        )
