"""What is to be told of a comparison beside its verdicts: what was not measured, why its verdicts do not suffice, where
its sides are from, and what the history says where the baseline has no binary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bnnbench.results import load
from bnnbench.results.environment import Difference, differences, environment_of
from bnnbench.results.grouped import some
from bnnbench.results.history import COLUMNS, histories, history_alone
from bnnbench.results.metrics import METRICS
from bnnbench.results.quantity import percentage
from bnnbench.results.records import ComparisonRecord, RunRecord, Strictness
from bnnbench.results.store.baselines import Baseline, Baselines
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.budget_rows import budget_rows, unused_budgets
from bnnbench.results.verdict.policy import MAIN, Policy
from bnnbench.results.verdict.remarks import Remarks, Unmeasured
from bnnbench.results.verdict.rows import VerdictRow, is_judged

from ..plan.cases import refused_models
from ..run.execute import RunResult


def remarks_on(result: RunResult, rows: Sequence[VerdictRow], store: Store, is_brief: bool = False) -> Remarks:
    """What is to be told of a comparison beside its verdicts; `is_brief`: only what makes a check fail is listed."""
    record = result.stored.record
    lost = [Unmeasured(f"device '{name}'", reason) for name, reason in result.failures.items()]
    left = [
        Unmeasured(f"{item.workload} on {item.device}", f"not finished, the run is {result.outcome}")
        for item in unfinished(result, rows)
        if item.device not in result.failures
    ]
    baselines = {item.name: item for item in Baselines(store.path).all()}
    return Remarks(
        [*lost, *left, *unmeasured_gates(result.stored, rows)],
        [*doubts(result, rows), *old_allowances(result.stored)],
        _origins(rows, record, baselines),
        _environment(rows, result.stored, baselines),
        budget_rows(result.stored),
        is_brief,
    )


def unmeasured_gates(run: StoredRun, rows: Sequence[VerdictRow]) -> list[Unmeasured]:
    """Gates and budgets that the suite names and no case has a figure for: they could never fail."""
    judged = {row.verdict.metric for row in rows}
    gates = Policy.of(run.record).asked_for if run.record.comparisons else ()
    none = [key for key in gates if key not in judged]
    found = [Unmeasured(f"gate '{key}'", f"no case has a verdict on {METRICS[key].label}") for key in none]
    unused = unused_budgets(run, budget_rows(run))
    return found + [Unmeasured(f"budget '{text}'", "no measured case has such a figure") for text in unused]


def old_allowances(run: StoredRun) -> list[str]:
    """Allowances whose last day has passed, a sentence each."""
    policy = Policy.of(run.record)
    return [
        f"the allowance of {item.metric} has expired on {item.until.isoformat()} ({item.reason}); remove it"
        for item in policy.rules.verdict.allow
        if policy.is_over(item)
    ]


def doubts(result: RunResult, rows: Sequence[VerdictRow]) -> list[str]:
    """Why the verdicts of a comparison do not suffice, a phrase each."""
    asked = result.stored.record.asked.compare or Strictness()
    main, unclear = [row for row in rows if row.is_main], [row for row in rows if row.is_unclear]
    found = []
    skips = result.stored.record.skips
    for name in dict.fromkeys(skip.workload for skip in refused_models(skips, result.stored.record.cases)):
        found.append(f"not measured: {name} (it cannot be imported)")
    if left := unfinished(result, rows):
        found.append(f"{_count(len(left), 'case')} not finished: {some([item.workload for item in left])}")
    if not rows or not is_judged(rows):
        found.append("no case was judged")
    if wrong := [row for row in unclear if row.verdict.status in ("failed", "wrong_output", "unstable")]:
        found.append(f"not measured: {some([f'{row.record.workload} ({row.word})' for row in wrong])}")
    for item in unmeasured_gates(result.stored, rows):
        found.append(f"{item.what}: {item.reason}")
    open_budgets = [row for row in budget_rows(result.stored) if row.is_unclear]
    if asked.strict and open_budgets:
        found.append(f"{_count(len(open_budgets), 'budget')} undecided, and --strict allows none")
    if asked.strict and unclear:
        words = [row.record.workload + ("" if row.is_main else f", {row.metric.label}") for row in unclear]
        found.append(f"{len(unclear)} without a verdict, and --strict allows none: {some(words)}")
    without = sum(row.is_main for row in unclear)
    if without > asked.most_unclear * len(main):
        allowed = percentage(asked.most_unclear)
        found.append(f"{without} of {_count(len(main), 'case')} without a verdict, {allowed} allowed")
    return found


def unfinished(result: RunResult, rows: Sequence[VerdictRow]) -> list[ComparisonRecord]:
    """The comparisons that have no verdicts."""
    judged = {row.record.id for row in rows}
    return [comparison for comparison in result.stored.record.comparisons if comparison.id not in judged]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def history_of_unjudged(result: RunResult, store: Store) -> list[str]:
    """What the history of the store says of cases that the baseline holds no binary for: less than a comparison
    would."""
    skips = [skip for skip in result.stored.record.skips if skip.code == "no_binary"]
    if not skips:
        return []
    lines = [f"{skips[0].device}: {skips[0].reason}; the store's history, which detects less:"]
    wanted = {(skip.workload, skip.device) for skip in skips}
    policy = Policy.of(result.stored.record)
    workloads, devices = ({pair[place] for pair in wanted} for place in (0, 1))
    rows = load(store, where={"workload": workloads, "device": devices}, columns=COLUMNS)
    found = [history for history in histories(rows) if (history.workload, history.device) in wanted]
    margins = [policy.tuned(METRICS[MAIN], item.workload, item.device).margin for item in found]
    return lines + (list(map(history_alone, found, margins)) or ["no case has three runs"])


def _origins(rows: Sequence[VerdictRow], run: RunRecord, baselines: Mapping[str, Baseline]) -> dict[str, str]:
    """Of both sides, by their names: the commit of a baseline, the build of what is measured."""
    builds = {case.id: case.engine_build for case in run.cases}
    commits = {name: item.commit for name, item in baselines.items()}
    found = {}
    for row in rows:
        for name, case in ((row.record.base, row.record.base_case), (row.record.head, row.record.head_case)):
            build, commit = builds.get(case), commits.get(name.partition("@")[2])
            words = [f"commit {commit[:10]}" if commit else "", f"build {build[:10]}" if build else ""]
            found[name] = ", ".join(word for word in words if word)
    return {name: text for name, text in found.items() if text}


def _environment(
    rows: Sequence[VerdictRow], run: StoredRun, baselines: Mapping[str, Baseline]
) -> dict[str, list[Difference]]:
    """What is different since each baseline that a side is from was measured: both sides were run in the surroundings
    of now. A baseline that was saved again after the run is another one, and left out."""
    sides = [name for row in rows for name in (row.record.base, row.record.head)]
    names = [name for name in dict.fromkeys(side.partition("@")[2] for side in sides) if name in baselines]
    now = environment_of(run)
    found = {
        name: differences(baselines[name].surroundings, now)
        for name in names
        if baselines[name].created <= run.record.created
    }
    return {name: different for name, different in found.items() if different}
