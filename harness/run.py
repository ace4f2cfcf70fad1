"""One run: reach -> plan -> store -> sessions, machines in parallel -> end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from bnnbench.devices.errors import DeviceBusy, DeviceError, DeviceLost
from bnnbench.devices.machines import machines
from bnnbench.results.records import DeviceEvent, Outcome, RunEnd, RunRecord
from bnnbench.results.store import RunWriter, Store, StoredRun, StoreError

from .context import Interrupted, RunContext, Watcher, now
from .errors import CallError, CannotMeasure
from .overhead import overhead
from .plan import Plan, make_plan
from .reach import Reached, reach_all
from .run_config import RunConfig
from .run_record import make_record
from .session import Session
from .workloads import workloads

_STOP_S = 15.0


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
        record = make_record(config, ready.plan, [one.target for one in ready.reached], command)
        return _measure(store.create(record), config, ready, watcher)


def resume_run(store: Store, selector: str, watcher: Watcher) -> RunResult:
    """Finishes a run that was cut off; what is in its journal is not measured again. Raises as `start_run`."""
    with store.reopen(selector) as writer:
        config = msgspec.convert(writer.record.suite, RunConfig)
        with _ready(config, watcher) as ready:
            _require_same(writer.record, ready.plan)
            return _measure(writer, config, ready, watcher)


@dataclass(frozen=True, slots=True)
class _Ready:
    """Connected devices, what is planned for them, and why the others did not answer."""

    plan: Plan
    reached: list[Reached]
    failures: dict[str, str]


@contextmanager
def _ready(config: RunConfig, watcher: Watcher) -> Iterator[_Ready]:
    engines, cases = config.chosen_engines(), workloads(config.suite)
    reached, failures = reach_all(config.specs(), engines, watcher.note)
    try:
        if not reached:
            raise CannotMeasure(" ".join(failures.values()))
        targets = [one.target for one in reached]
        yield _Ready(make_plan(cases, engines, config.thread_counts(), targets, config.filter), reached, failures)
    finally:
        for one in reached:
            one.transport.close()


def _measure(writer: RunWriter, config: RunConfig, ready: _Ready, watcher: Watcher) -> RunResult:
    context = RunContext(
        writer=writer,
        watcher=watcher,
        samples=writer.record.samples_per_invocation,
        invocations=writer.record.invocations_per_case,
        min_sample_ns=int(config.suite.min_sample_ms * 1e6),
        seed=writer.record.seed,
    )
    plan, reached = ready.plan, ready.reached
    sessions = {
        one.target.spec.name: Session(
            one.target, one.transport, plan.cases[one.target.spec.name], context, one.builds_ns
        )
        for one in reached
    }
    _compute_references(plan, watcher)
    lost: dict[str, str] = {}
    before = len(writer.stored.entries)
    started = time.monotonic_ns()
    walls: dict[str, int] = {}
    troubles: list[BaseException] = []

    def measure_machine(names: Sequence[str]) -> None:
        # One machine does one thing at a time, however many ways lead to it.
        for name in names:
            begun = time.monotonic_ns()
            try:
                sessions[name].run()
            except Interrupted:
                return
            except DeviceError as error:
                lost[name] = str(error)
                _journal_loss(context, name, error)
            except BaseException as error:
                troubles.append(error)
                context.stop()
                return
            finally:
                walls[name] = time.monotonic_ns() - begun + sessions[name].builds_ns

    groups = machines((one.target.spec, one.target.facts.boot_id) for one in reached)
    threads = [
        threading.Thread(target=measure_machine, args=([spec.name for spec in group.devices],), daemon=True)
        for group in groups
    ]
    with writer:
        interrupted = _join(threads, context)
        outcome: Outcome = "interrupted" if interrupted else "incomplete" if lost or troubles else "complete"
        try:
            new = writer.stored.entries[before:]
            spent = {name: session.builds_ns + session.push_ns for name, session in sessions.items()}
            figures = overhead(new, plan.records, walls, spent)
            writer.append(
                RunEnd(finished=now(), outcome=outcome, wall_ns=time.monotonic_ns() - started, overhead=figures)
            )
            writer.finish()
        except StoreError as error:
            troubles.append(error)
        if troubles:
            raise troubles[0]
        return RunResult(writer.stored, outcome, {**ready.failures, **lost})


def _compute_references(plan: Plan, watcher: Watcher) -> None:
    """Beforehand, because nothing may compute here while a block is timed."""
    planned = {case.workload.name: case.workload for cases in plan.cases.values() for case in cases}
    watcher.note(f"computing the right outputs of {len(planned)} workloads")
    for workload in planned.values():
        _ = workload.expected_sha256


def _join(threads: Sequence[threading.Thread], context: RunContext) -> bool:
    """Waits for the sessions; True when the user interrupted. A second interrupt does not wait."""
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
        return False
    except KeyboardInterrupt:
        context.watcher.note("stopping: ending the engines and cleaning the devices up")
        context.stop()
        deadline = time.monotonic() + _STOP_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return True


def _journal_loss(context: RunContext, device: str, error: DeviceError) -> None:
    kind = "lock" if isinstance(error, DeviceBusy) else "lost" if isinstance(error, DeviceLost) else "gave_up"
    context.append(DeviceEvent(device=device, kind=kind, message=str(error), started=now()))


def _require_same(record: RunRecord, plan: Plan) -> None:
    """A resumed run must be the same run: same workloads, same engine builds."""
    planned = {case.id: case for case in record.cases}
    for case in plan.records:
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
