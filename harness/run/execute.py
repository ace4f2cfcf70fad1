"""A run from its first measurement to its end: sessions beside each other, then the records of the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from bnnbench.devices.machines import machines
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import DeviceEvent, Outcome, RunEnd
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.store.calibration import latest
from bnnbench.results.store.runs import RunWriter, Store, StoredRun, StoreError
from bnnbench.results.tables.run_files import finish
from bnnbench.results.verdict.paired import with_metric
from bnnbench.results.verdict.policy import MAIN, Policy

from ..bench.context import RunContext, Watcher
from ..bench.fitness import note_suspects
from ..bench.reach import Reached
from ..bench.trouble import is_fault, keep_trace, sentence, trace
from ..clock import now
from ..errors import CannotMeasure
from ..plan.cases import MeasurementPlan
from ..plan.config import RunConfig
from ..plan.extras import Extras
from ..session.base import DeviceSession
from ..session.comparing import ComparingSession
from ..session.sustaining import SustainingSession
from ..session.timing import TimingSession
from .indexing import add_to_index
from .overhead import overhead
from .parallel import measure_machines
from .ready import Ready


@dataclass
class RunResult:
    """The stored run, how it ended, and why devices failed, by name."""

    stored: StoredRun
    outcome: Outcome
    failures: dict[str, str] = field(default_factory=dict)


def execute(store: Store, writer: RunWriter, config: RunConfig, ready: Ready, watcher: Watcher) -> RunResult:
    context = RunContext(
        store=store.path,
        writer=writer,
        watcher=watcher,
        samples=writer.record.samples_per_invocation,
        invocations=writer.record.invocations_per_case,
        calibrates=bool(config.compare or config.sustain or writer.record.invocations_per_case),
        min_sample_ns=int(config.suite.min_sample_ms * 1e6),
        min_warmup_ns=int(config.suite.warmup_ms * 1e6),
        seed=writer.record.seed,
        extras=Extras.of(config.suite),
    )
    plan, reached = ready.plan, ready.reached
    sessions = {item.target.spec.name: _session(config, ready, item, context) for item in reached}
    _compute_references(plan, watcher)
    for device, error in ready.unreached.items():
        writer.append(DeviceEvent(device=device, kind="unreached", message=sentence(device, error), started=now()))
        if is_fault(error):
            keep_trace(writer.path, trace(device, error))
    before = len(writer.read().entries)
    started = time.monotonic_ns()
    groups = machines((item.target.spec, item.target.facts.boot_id) for item in reached)
    with writer:
        ending = measure_machines([[spec.name for spec in group.devices] for group in groups], sessions, context)
        outcome: Outcome = "complete"
        if ending.interrupted:
            outcome = "interrupted"
        elif ending.lost or ending.troubles or ready.failures.keys() & writer.record.devices.keys():
            outcome = "incomplete"
        try:
            new = writer.read().entries[before:]
            spent = {name: session.builds_ns + session.push_ns for name, session in sessions.items()}
            figures = overhead(new, plan.records, ending.wall_ns, spent)
            wall_ns = time.monotonic_ns() - started
            writer.append(RunEnd(finished=now(), outcome=outcome, wall_ns=wall_ns, overhead=figures))
            finish(writer)
            note_suspects(writer.read(), {item.target.spec.name: item.target.spec for item in reached}, watcher.note)
        except StoreError as error:
            ending.troubles.append(error)
        if ending.troubles:
            raise _told(ending.troubles[0], writer)
        result = RunResult(writer.read(), outcome, {**ready.failures, **ending.lost})
    add_to_index(store, writer.path)
    return result


def _session(config: RunConfig, ready: Ready, reached: Reached, context: RunContext) -> DeviceSession:
    cases = ready.plan.cases[reached.target.spec.name]
    if config.sustain is not None:
        return SustainingSession(reached.target, reached.transport, cases, context, reached.builds_ns, config.sustain)
    if config.compare is None:
        return TimingSession(reached.target, reached.transport, cases, context, reached.builds_ns)
    mine = [record for record in ready.comparisons if record.device == reached.target.spec.name]
    policy = Policy.of(context.writer.record)
    budget_s, device = config.compare.budget_s, reached.target.spec.name
    rules = replace(with_metric(Rules(), policy.tuned(METRICS[MAIN], "", device)), between=config.compare.between)
    known = latest(context.store, device)
    return ComparingSession(
        reached.target,
        reached.transport,
        cases,
        context,
        reached.builds_ns,
        comparisons=mine,
        rules=rules,
        untimed=config.compare.untimed,
        policy=policy,
        budget_s=budget_s,
        calibration=known,
    )


def _told(trouble: BaseException, writer: RunWriter) -> BaseException:
    """A store that fails in the middle is not a wrong call, and what it has can be gone on with."""
    if isinstance(trouble, StoreError):
        text = str(trouble).rstrip(".")
        return CannotMeasure(f"{text}; then continue with bnnbench run --resume {writer.record.run_id}.")
    return trouble


def _compute_references(plan: MeasurementPlan, watcher: Watcher) -> None:
    """Beforehand, because nothing may compute here while a block is timed."""
    planned = {case.workload.name: case.workload for cases in plan.cases.values() for case in cases}
    planned = {name: workload for name, workload in planned.items() if not workload.unverified}
    watcher.note(f"computing the reference outputs of {len(planned)} workload{'s' * (len(planned) != 1)}")
    for workload in planned.values():
        workload.prepare(lambda what, done, of: watcher.phase("reference", what, done, of))
