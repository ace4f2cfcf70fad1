"""One run: reach -> plan -> store -> sessions, machines in parallel -> end."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from bnnbench.devices.machines import machines
from bnnbench.results.measurements import finish
from bnnbench.results.records import ComparisonRecord, DeviceEvent, Outcome, RunEnd, RunRecord
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.store.calibration import latest
from bnnbench.results.store.runs import RunWriter, Store, StoredRun, StoreError
from bnnbench.results.store.signature import sign

from ..bench.context import RunContext, Watcher
from ..bench.reach import Reached, reach_all
from ..clock import now
from ..errors import CallError, CannotMeasure
from ..plan.cases import Plan, make_plan
from ..plan.comparisons import make_comparison_plan
from ..plan.config import RunConfig, config_of, inventory_path
from ..plan.record import make_record
from ..plan.trusted import require_own_run
from ..session.comparing import Comparing
from ..session.timing import Session
from ..workload.of_suite import workloads
from .overhead import overhead
from .parallel import measure_machines
from .same_machine import difference, rebooted

_REBOOTED = "booted anew since the run began"


@dataclass
class RunResult:
    """The stored run, how it ended, and why devices failed, by name."""

    stored: StoredRun
    outcome: Outcome
    failures: dict[str, str] = field(default_factory=dict)


def start_run(config: RunConfig, store: Store, watcher: Watcher, command: Sequence[str]) -> RunResult:
    """Measures a suite from the beginning. Raises HarnessError, InventoryError, StoreError."""
    with _ready(config, watcher) as ready:
        if not ready.plan.records:
            raise CallError(_nothing(config, ready.plan))
        record = make_record(config, ready.plan, ready.comparisons, [one.target for one in ready.reached], command)
        writer = store.create(store.in_order(record))
        sign(writer.path / "run.json")
        return _measure(store, writer, config, ready, watcher)


def resume_run(
    store: Store, selector: str, watcher: Watcher, *, inventory: Path | None = None, trusts: bool = False
) -> RunResult:
    """Finishes a run that was cut off; what is in its journal is not measured again. Raises as `start_run`.

    `inventory` goes before the one that the run was begun with. `trusts`: the user says that what the run names may be
    executed, wherever it is from.
    """
    stored = store.run(selector)
    if _is_complete(stored):
        if not stored.is_finished:  # the disk was full at its end
            with store.reopen(selector) as writer:
                finish(writer)
        watcher.note(f"run {stored.record.run_id} is complete: nothing is left to measure")
        return run_result(stored)
    config = config_of(stored.record)
    require_own_run(stored, config.files(), config.devices, "resume", trusts)
    if inventory is not None:
        config = msgspec.structs.replace(config, inventory=inventory_path(inventory), inventory_given=True)
    with store.reopen(selector) as writer, _ready(config, watcher, known=writer.record.devices) as ready:
        _require_same(writer.record, ready)
        for name in _rebooted(writer.record, ready.reached):
            writer.append(DeviceEvent(device=name, kind="rebooted", message=_REBOOTED, started=now()))
        result = _measure(store, writer, config, ready, watcher)
        return replace(result, failures=_left_out(config, writer.record) | result.failures)


def run_result(stored: StoredRun) -> RunResult:
    """How a stored run ended. Raises CallError, InventoryError."""
    record, outcome = stored.record, stored.end.outcome if stored.end else "incomplete"
    return RunResult(stored, outcome, _left_out(config_of(record), record) if record.comparisons else {})


@dataclass(frozen=True, slots=True)
class _Ready:
    """Connected devices, what is planned for them, and why the others did not answer."""

    plan: Plan
    comparisons: list[ComparisonRecord]
    reached: list[Reached]
    failures: dict[str, str]


@contextmanager
def _ready(config: RunConfig, watcher: Watcher, known: Container[str] | None = None) -> Iterator[_Ready]:
    """`known` are the only devices to go to: a resumed run's are those that answered when it began."""
    engines = config.chosen_engines()
    cases = [] if config.compare else workloads(config.suite)
    specs = [spec for spec in config.specs() if known is None or spec.name in known]
    reached, failures = reach_all(specs, engines, watcher.note)
    try:
        if not reached:
            raise CannotMeasure(" ".join(failures.values()))
        targets = [one.target for one in reached]
        counts = config.thread_counts()
        comparisons: list[ComparisonRecord] = []
        if config.compare:
            plan, comparisons = make_comparison_plan(
                config.compare, config.suite, engines, counts, targets, config.filter
            )
        else:
            plan = make_plan(cases, engines, counts, targets, config.filter)
        yield _Ready(plan, comparisons, reached, failures)
    finally:
        for one in reached:
            one.transport.close()


def _measure(store: Store, writer: RunWriter, config: RunConfig, ready: _Ready, watcher: Watcher) -> RunResult:
    context = RunContext(
        store=store.path,
        writer=writer,
        watcher=watcher,
        samples=writer.record.samples_per_invocation,
        invocations=writer.record.invocations_per_case,
        calibrates=bool(config.compare or writer.record.invocations_per_case),
        min_sample_ns=int(config.suite.min_sample_ms * 1e6),
        min_warmup_ns=int(config.suite.warmup_ms * 1e6),
        seed=writer.record.seed,
    )
    plan, reached = ready.plan, ready.reached
    sessions = {one.target.spec.name: _session(config, ready, one, context) for one in reached}
    _compute_references(plan, watcher)
    for device, message in ready.failures.items():
        writer.append(DeviceEvent(device=device, kind="unreached", message=message, started=now()))
    before = len(writer.stored.entries)
    started = time.monotonic_ns()
    groups = machines((one.target.spec, one.target.facts.boot_id) for one in reached)
    with writer:
        ending = measure_machines([[spec.name for spec in group.devices] for group in groups], sessions, context)
        outcome: Outcome = "complete"
        if ending.interrupted:
            outcome = "interrupted"
        elif ending.lost or ending.troubles or ready.failures.keys() & writer.record.devices.keys():
            outcome = "incomplete"
        try:
            new = writer.stored.entries[before:]
            spent = {name: session.builds_ns + session.push_ns for name, session in sessions.items()}
            figures = overhead(new, plan.records, ending.wall_ns, spent)
            wall_ns = time.monotonic_ns() - started
            finish(writer)
            writer.append(RunEnd(finished=now(), outcome=outcome, wall_ns=wall_ns, overhead=figures))
        except StoreError as error:
            ending.troubles.append(error)
        if ending.troubles:
            raise _told(ending.troubles[0], writer)
        return RunResult(writer.stored, outcome, {**ready.failures, **ending.lost})


def _session(config: RunConfig, ready: _Ready, one: Reached, context: RunContext) -> Session | Comparing:
    cases = ready.plan.cases[one.target.spec.name]
    if config.compare is None:
        return Session(one.target, one.transport, cases, context, one.builds_ns)
    mine = [record for record in ready.comparisons if record.device == one.target.spec.name]
    rules = Rules(floor=config.suite.verdict.floor, margin=config.suite.verdict.margin)
    budget_s, device = config.compare.budget_s, one.target.spec.name
    known = latest(context.store, device)
    return Comparing(one.target, one.transport, cases, mine, rules, budget_s, context, one.builds_ns, known)


def _told(trouble: BaseException, writer: RunWriter) -> BaseException:
    """A store that fails in the middle is no wrong call, and what it has can be gone on with."""
    if isinstance(trouble, StoreError):
        text = str(trouble).rstrip(".")
        return CannotMeasure(f"{text}; then go on with bnnbench run --resume {writer.record.run_id}.")
    return trouble


def _compute_references(plan: Plan, watcher: Watcher) -> None:
    """Beforehand, because nothing may compute here while a block is timed."""
    planned = {case.workload.name: case.workload for cases in plan.cases.values() for case in cases}
    watcher.note(f"computing the right outputs of {len(planned)} workloads")
    for workload in planned.values():
        workload.prepare(lambda what, done, of: watcher.phase("reference", what, done, of))


def _left_out(config: RunConfig, record: RunRecord) -> dict[str, str]:
    """Why devices of a comparison are not in it, by name: it has those that answered when it began.

    Of a gate they are what was not measured; a run without verdicts is whole without them.
    """
    if config.compare is None or len(config.devices) == len(record.devices):
        return {}
    return {
        spec.name: f"device '{spec.name}' did not answer when the run began; measure it in a new run."
        for spec in config.specs()
        if spec.name not in record.devices
    }


def _is_complete(run: StoredRun) -> bool:
    failed = any(gate.status == "failed" for gate in run.gates.values())
    failed = failed or any(one.status == "failed" for one in run.invocations)
    failed = failed or any(one.status == "failed" for one in run.accuracies.values())
    failed = failed or any(one.status == "failed" for one in run.verdicts)
    judged = {one.comparison_id for one in run.verdicts}
    missing = any(one.id not in judged for one in run.record.comparisons)
    return run.end is not None and run.end.outcome == "complete" and not failed and not missing


def _rebooted(record: RunRecord, reached: Sequence[Reached]) -> list[str]:
    names = {one.target.spec.name: one.target.facts for one in reached}
    return [name for name, facts in names.items() if rebooted(record.devices.get(name, {}), facts.to_dict())]


def _require_same(record: RunRecord, ready: _Ready) -> None:
    """A resumed run must be the same run: same machines, same workloads, same engine builds."""
    for one in ready.reached:
        name, address = one.target.spec.name, one.target.spec.address
        if other := difference(record.devices.get(name, {}), one.target.stored_facts):
            raise CallError(
                f"run {record.run_id} cannot be resumed: device '{name}' ({address}) is another machine than before: "
                f"{other}; connect the one that it began on, or start a new run."
            )
    planned = {case.id: case for case in record.cases}
    for case in ready.plan.records:
        old = planned.get(case.id)
        what = f"run {record.run_id} cannot be resumed: {case.workload}"
        if old is None:
            raise CallError(f"{what} has changed since it began; start a new run.")
        if old.engine_build != case.engine_build:
            raise CallError(f"{what} would use another build of engine {case.engine} than before; start a new run.")


def _nothing(config: RunConfig, plan: Plan) -> str:
    if plan.skips:
        return f"nothing can be measured: {plan.skips[0].workload}: {plan.skips[0].reason}."
    return f"no workload of suite '{config.suite.name}' matches the filter {config.filter!r}."
