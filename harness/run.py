"""One run: reach -> plan -> store -> sessions, machines in parallel -> end."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from bnnbench.devices.errors import DeviceBusy, DeviceError, DeviceLost
from bnnbench.devices.inventory import find_inventory, load, resolve
from bnnbench.devices.machines import machines
from bnnbench.devices.spec import DeviceSpec
from bnnbench.kernels.engines import ENGINES, CustomEngine, Engine
from bnnbench.results.records import Build, DeviceEvent, Outcome, RunEnd, RunRecord
from bnnbench.results.store import RunWriter, Store, StoredRun, StoreError, new_run_id

from .context import Interrupted, RunContext, Watcher, now
from .errors import CallError, CannotMeasure
from .overhead import overhead
from .plan import Plan, make_plan
from .reach import Reached, reach_all
from .session import Session
from .suite import Suite
from .workloads import workloads

_STOP_S = 15.0


class RunConfig(msgspec.Struct, frozen=True):
    """Everything that decides what a run measures; kept in `run.json`, so that it can be resumed."""

    suite: Suite
    devices: list[str]
    engines: list[str] | None = None
    threads: list[int] | None = None
    filter: str | None = None
    inventory: str | None = None

    def chosen_engines(self) -> list[Engine]:
        """Raises CallError for an engine that is neither built in nor in the suite."""
        own = {name: _custom(name, table) for name, table in self.suite.engine.items()}
        chosen: list[Engine] = []
        for name in self.engines or self.suite.engines:
            engine = ENGINES.get(name) or own.get(name)
            if engine is None:
                raise CallError(f"there is no engine '{name}'; there are {', '.join([*ENGINES, *own])}.")
            chosen.append(engine)
        return chosen

    def specs(self) -> list[DeviceSpec]:
        """The devices, each once. Raises InventoryError."""
        inventory = load(find_inventory(self.inventory))
        return list({spec.name: spec for spec in (resolve(text, inventory) for text in self.devices)}.values())


@dataclass
class RunResult:
    """The stored run, how it ended, and why devices failed, by name."""

    stored: StoredRun
    outcome: Outcome
    failures: dict[str, str] = field(default_factory=dict)


def start_run(config: RunConfig, store: Store, watcher: Watcher, command: Sequence[str]) -> RunResult:
    """Measures a suite from the beginning. Raises HarnessError, InventoryError, StoreError, BuildError."""
    engines = config.chosen_engines()
    suite = config.suite
    cases = workloads(suite)
    reached, failures = reach_all(config.specs(), engines, watcher.note)
    try:
        if not reached:
            raise CannotMeasure(" ".join(failures.values()))
        plan = make_plan(
            cases, engines, config.threads or suite.threads, [one.target for one in reached], config.filter
        )
        if not plan.records:
            raise CallError(_nothing(config, plan))
        writer = store.create(_record(config, plan, reached, command))
        return _measure(writer, plan, reached, watcher, failures)
    finally:
        for one in reached:
            one.transport.close()


def resume_run(store: Store, selector: str, watcher: Watcher) -> RunResult:
    """Finishes a run that was cut off; what is in its journal is not measured again. Raises as `start_run`."""
    with store.reopen(selector) as writer:
        config = msgspec.convert(writer.record.suite, RunConfig)
        engines, suite = config.chosen_engines(), config.suite
        cases = workloads(suite)
        reached, failures = reach_all(config.specs(), engines, watcher.note)
        try:
            plan = make_plan(
                cases,
                engines,
                config.threads or suite.threads,
                [one.target for one in reached],
                config.filter,
            )
            _require_same(writer.record, plan)
            if not reached:
                raise CannotMeasure(" ".join(failures.values()))
            return _measure(writer, plan, reached, watcher, failures)
        finally:
            for one in reached:
                one.transport.close()


def _measure(
    writer: RunWriter, plan: Plan, reached: Sequence[Reached], watcher: Watcher, failures: dict[str, str]
) -> RunResult:
    suite = msgspec.convert(writer.record.suite, RunConfig).suite
    context = RunContext(
        writer=writer,
        watcher=watcher,
        samples=writer.record.samples_per_invocation,
        invocations=writer.record.invocations_per_case,
        min_sample_ns=int(suite.min_sample_ms * 1e6),
        seed=writer.record.seed,
    )
    holder = f"bnnbench run {writer.record.run_id} of {getpass.getuser()} on {platform.node()} since {now()[:19]} UTC"
    sessions = {
        one.target.spec.name: Session(one.target, one.transport, plan.cases[one.target.spec.name], context, holder)
        for one in reached
    }
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
                failures[name] = str(error)
                _journal_loss(context, name, error)
            except BaseException as error:
                troubles.append(error)
                context.stop()
                return
            finally:
                walls[name] = time.monotonic_ns() - begun

    groups = machines((one.target.spec, one.target.facts.boot_id) for one in reached)
    threads = [
        threading.Thread(target=measure_machine, args=([spec.name for spec in group.devices],), daemon=True)
        for group in groups
    ]
    with writer:
        interrupted = _join(threads, context)
        outcome: Outcome = "interrupted" if interrupted else "incomplete" if failures or troubles else "complete"
        try:
            new = writer.stored.entries[before:]
            spent = {name: session.builds_and_push_ns for name, session in sessions.items()}
            figures = overhead(new, plan.records, walls, spent)
            writer.append(
                RunEnd(finished=now(), outcome=outcome, wall_ns=time.monotonic_ns() - started, overhead=figures)
            )
            writer.finish()
        except StoreError as error:
            troubles.append(error)
        if troubles:
            raise troubles[0]
        return RunResult(writer.stored, outcome, failures)


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


def _record(config: RunConfig, plan: Plan, reached: Sequence[Reached], command: Sequence[str]) -> RunRecord:
    suite = config.suite
    builds = {
        (files.build.engine, files.build.sha256): Build(
            engine=files.build.engine,
            triple=files.build.triple,
            isa=files.build.isa,
            sha256=files.build.sha256,
            build=files.build.build,
        )
        for one in reached
        for files in one.target.builds.values()
    }
    return RunRecord(
        run_id=new_run_id(),
        created=now(),
        version=version("bnnbench"),
        commit=_commit(),
        command=list(command),
        suite=msgspec.to_builtins(config),
        suite_name=suite.name,
        seed=suite.seed,
        host={"system": platform.platform(), "python": platform.python_version()},
        devices={one.target.spec.name: one.target.facts.to_dict() for one in reached},
        builds=list(builds.values()),
        cases=plan.records,
        skips=list(plan.skips),
        invocations_per_case=suite.invocations,
        samples_per_invocation=suite.samples,
    )


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


def _custom(name: str, table: Any) -> Engine:
    binary: Mapping[str, Path] = {architecture: Path(file) for architecture, file in table.binary.items()}
    return CustomEngine(name, tuple(table.command), binary, tuple(map(Path, table.files)))


def _commit() -> str | None:
    """The commit of the project that the user stands in."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
