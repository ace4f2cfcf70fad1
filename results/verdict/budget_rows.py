"""The budgets of a run's suite, judged: a row for each budget and case that has such a figure.

Of a comparison the head is judged, by its processes in the kept pairs; of another run every case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bnnbench.results.case_result import CaseResult, case_results, median_ns
from bnnbench.results.metric import Metric
from bnnbench.results.records import CaseRecord, Invocation, Pair
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.budget import Budget, Judged, of_exact, of_processes, of_share
from bnnbench.results.verdict.policy import Policy


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget, the case that it was judged of, and what came of it."""

    case: CaseRecord
    budget: Budget
    judged: Judged

    @property
    def metric(self) -> Metric:
        return self.budget.metric

    @property
    def is_bad(self) -> bool:
        return self.judged.outcome == "fail"

    @property
    def is_unclear(self) -> bool:
        return self.judged.outcome == "undecided"

    @property
    def about(self) -> str:
        """`quicknet on pi4, 2 threads, native`."""
        threads = f", {self.case.threads} threads" if self.case.threads > 1 else ""
        return f"{self.case.workload} on {self.case.device}{threads}, {self.case.engine}"

    @property
    def figure(self) -> str:
        """`12.3 ms (12.1-12.9)`."""
        one, text = self.judged, self.metric.text
        if one.low is None or one.high is None or one.low == one.high:
            return text(one.value)
        between = self.metric.between
        return (
            between(one.value, one.low, one.high)
            if between
            else f"{text(one.value)} ({text(one.low)}-{text(one.high)})"
        )

    @property
    def sentence(self) -> str:
        """`over budget: latency of quicknet on pi4, native is 12.3 ms (12.1-12.9), latency_ms <= 12`."""
        reason = f"; {self.judged.reason}" if self.judged.reason else ""
        found = f"{self.metric.label} of {self.about} is {self.figure}"
        return f"{self.word}: {found}, {self.budget.text}{reason}"

    @property
    def word(self) -> str:
        """`within budget`, `over budget`, `budget undecided`."""
        return WORD[self.judged.outcome]


_COUNTED = {"fail": "over", "undecided": "undecided", "pass": "within"}
WORD = {"pass": "within budget", "fail": "over budget", "undecided": "budget undecided"}


def budget_headline(rows: Sequence[BudgetRow]) -> str:
    """`3 budgets: 1 over, 2 within`; nothing where there are none."""
    counts = {word: sum(row.judged.outcome == outcome for row in rows) for outcome, word in _COUNTED.items()}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{len(rows)} budget{'' if len(rows) == 1 else 's'}: {said}" if rows else ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a case. `exact` where nothing is timed on its device."""

    result: CaseResult
    invocations: Sequence[Invocation]
    times: Sequence[Invocation]
    exact: bool


def budget_rows(run: StoredRun) -> list[BudgetRow]:
    """In the order of the cases and of the suite. Raises StoreError."""
    policy = Policy.of(run.record)
    if not policy.all_budgets:
        return []
    asked = [
        (known, item)
        for known in _known(run)
        for item in policy.budgets(known.result.case.workload, known.result.case.device)
        if _has(known, item.metric)
    ]
    return [BudgetRow(known.result.case, item, _judged(known, item, len(asked))) for known, item in asked]


def unused_budgets(run: StoredRun, rows: Sequence[BudgetRow]) -> list[str]:
    """Budgets that were judged of no case: a gate that cannot fail."""
    used = {row.budget.text for row in rows}
    return [item.text for item in Policy.of(run.record).all_budgets if item.text not in used]


def _known(run: StoredRun) -> Iterator[_Known]:
    heads = {record.head_case for record in run.record.comparisons if not record.extra_ppm}
    dropped = {
        (entry.comparison_id, entry.number)
        for entry in run.entries
        if isinstance(entry, Pair) and entry.dropped is not None
    }
    by_case = run.invocations_by_case
    for result in case_results(run):
        if result.status not in ("ok", "unstable") or (run.record.comparisons and result.case.id not in heads):
            continue
        done = [item for item in by_case.get(result.case.id, []) if item.status == "ok"]
        times = [item for item in done if (item.comparison_id or "", item.pair) not in dropped]
        yield _Known(result, done, times, run.record.emulated(result.case.device))


def _has(known: _Known, metric: Metric) -> bool:
    return not (metric.is_time and known.exact) and bool(_figures(known, metric))


def _figures(known: _Known, metric: Metric) -> list[float]:
    """Of its processes, or the only one."""
    if metric.of_case is not None or metric.compared == "answers":
        figure = known.result.figure(metric)
        return [] if figure is None else [figure]
    read = metric.of_invocation if metric.of_invocation is not None else median_ns
    found = (read(item) for item in (known.times if metric.is_time else known.invocations))
    return [figure for figure in found if figure is not None]


def _judged(known: _Known, asked: Budget, among: int) -> Judged:
    figures = _figures(known, asked.metric)
    if asked.metric.compared == "exact":
        return of_exact(asked, figures)
    accuracy = known.result.accuracy
    if asked.metric.compared == "answers" and accuracy is not None and accuracy.correct is not None:
        return of_share(asked, accuracy.correct, accuracy.images, among)
    return of_processes(asked, figures, among)
