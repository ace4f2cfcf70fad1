"""One comparison of a bisection: an ordinary run of two sides, which goes on where it was cut off."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from bnnbench.kernels.engines.side import ANY
from bnnbench.results.errors import StoreError
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import ComparisonRecord, Verdict
from bnnbench.results.store.stored_run import StoredRun, read_record
from bnnbench.results.verdict.paired import difference

from ...errors import CallError, CannotMeasure
from ...lab.choose import hosts_of
from ...plan.comparisons import CompareConfig
from ...plan.config import config_of
from ...plan.side import Selection
from ...run.execute import RunResult
from ...run.resume import resume_run
from ...suite.load import load_suites
from ..measure import Call, measure
from .state import Begun, BisectPlan, BisectState, Compared, Figures

_THREADS = re.compile(r"(.+), ([0-9]+) threads")


class StepInterrupted(Exception):  # noqa: N818 - names a state
    """The user stopped a comparison, which can be gone on with."""


def finish_comparison(call: Call, state: BisectState, begun: Begun) -> Compared:
    """Measures what is left of it, and keeps the result. Raises StepInterrupted, CannotMeasure, and as `measure`."""
    plan = state.plan
    compare = CompareConfig(
        _selection(state, begun.base),
        _selection(state, begun.head),
        between=begun.between,
        untimed=begun.between is None,
    )
    run = _run_of(call, begun, compare)
    if run is None:
        inventory = Path(plan.inventory) if plan.inventory else None
        here = replace(call, devices=[plan.device], inventory=inventory)
        here = replace(here, threads=plan.threads, filter=plan.filter)
        if begun.case is not None:
            workload, threads = split_case(begun.case)
            here = replace(here, threads=[threads], filter=f"^(?:{re.escape(workload)})$")
        files = [Path(file) for file in plan.files]
        result = measure(here, load_suites(files), compare=compare, files=files)
    else:
        result = resume_run(call.store, run, call.watcher, hosts_of=hosts_of)
    done = Compared(number=begun.number, run=result.stored.record.run_id, cases=_figures(plan, result))
    state.append(done)
    return done


def case_name(record: ComparisonRecord) -> str:
    """The name of a case in a bisection."""
    return record.workload if record.threads == 1 else f"{record.workload}, {record.threads} threads"


def split_case(name: str) -> tuple[str, int]:
    """Its workload and threads."""
    match = _THREADS.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, 1)


def _selection(state: BisectState, commit: int) -> Selection:
    plan, built = state.plan, state.built(commit)
    assert built is not None
    assert built.file is not None
    file, short = str(state.file_of(built)), plan.commit(commit).short
    if plan.engine is None:
        return Selection(f"{Path(plan.path).name} of {short}", model=file)
    return Selection(f"{plan.engine} of {short}", plan.engine, {ANY: file})


def _run_of(call: Call, begun: Begun, compare: CompareConfig) -> str | None:
    """The run that was begun for this comparison, None where there is none."""
    for name in reversed(call.store.run_ids()):
        try:
            record = read_record(call.store.runs_path / name)
            if record.created < begun.created:
                return None
            if config_of(record).compare == compare:
                return name
        except (StoreError, CallError):
            continue
    return None


def _figures(plan: BisectPlan, result: RunResult) -> dict[str, Figures]:
    if result.outcome == "interrupted":
        raise StepInterrupted
    stored = result.stored
    if result.outcome != "complete" or result.failures:
        why = " ".join(result.failures.values()) or f"run {stored.record.run_id} is {result.outcome}."
        raise CannotMeasure(f"{why.rstrip('.')}; then go on with bnnbench bisect --resume {plan.id}.")
    return {case_name(record): _of_case(plan, stored, record) for record in stored.record.comparisons}


def _of_case(plan: BisectPlan, stored: StoredRun, record: ComparisonRecord) -> Figures:
    found = [verdict for verdict in stored.verdicts if verdict.comparison_id == record.id]
    main = next((verdict for verdict in found if METRICS[verdict.metric].is_main), None)
    if main is not None and main.status not in ("ok", "unstable", "skipped"):
        return Figures(reason=main.reason or main.status, side=main.side)
    if METRICS[plan.metric].is_paired:
        kept = [difference(pair) for pair in stored.pairs_of(record.id) if pair.dropped is None]
        if not kept:
            return Figures(reason=(main.reason if main else None) or "no pair was kept")
        return Figures(differences=kept)
    return _exact(plan, next((verdict for verdict in found if verdict.metric == plan.metric), None))


def _exact(plan: BisectPlan, verdict: Verdict | None) -> Figures:
    if verdict is None or verdict.base_value is None or verdict.head_value is None:
        return Figures(reason=f"it has no {METRICS[plan.metric].label}")
    if verdict.status != "ok":
        return Figures(reason=verdict.reason or verdict.status, side=verdict.side)
    return Figures(base=verdict.base_value, head=verdict.head_value)
