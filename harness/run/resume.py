"""A run that was cut off, to its end: the same devices, workloads and builds, and only what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from bnnbench.results.records import DeviceEvent, RunRecord
from bnnbench.results.same_machine import difference, rebooted
from bnnbench.results.store.runs import Store, StoredRun
from bnnbench.results.tables.run_files import finish

from ..bench.context import Watcher
from ..clock import now
from ..errors import CallError
from ..plan.config import RunConfig, config_of, inventory_path
from ..plan.target import Target
from ..plan.trusted import require_own_run
from .execute import RunResult, execute
from .hosts import Hosts, ThisHost
from .indexing import add_to_index
from .ready import Ready, ready_to_run

_REBOOTED = "rebooted since the run began"


def resume_run(
    store: Store,
    selector: str,
    watcher: Watcher,
    *,
    inventory: Path | None = None,
    trusts: bool = False,
    hosts_of: Callable[[RunConfig], Hosts] = lambda config: ThisHost(config.health),
) -> RunResult:
    """Finishes a run that was cut off; what is in its journal is not measured again. Raises as `start_run`.

    `inventory` goes before the one that the run was begun with. `trusts`: the user says that what the run names may be
    executed, wherever it is from. `hosts_of` a run's config are those that have its devices.
    """
    stored = store.run(selector)
    if _is_complete(stored):
        if not stored.is_finished:  # the disk was full at its end
            with store.reopen(selector) as writer:
                finish(writer)
            add_to_index(store, writer.path)
        result = run_result(stored)
        missing = f"; not in it: {', '.join(result.failures)}" if result.failures else ""
        watcher.note(f"run {stored.record.run_id} is complete: nothing is left to measure{missing}")
        return result
    config = config_of(stored.record)
    require_own_run(stored, config, "resume", trusts)
    if inventory is not None:
        config = msgspec.structs.replace(config, inventory=inventory_path(inventory), inventory_given=True)
    with (
        store.reopen(selector) as writer,
        ready_to_run(config, watcher, hosts_of(config), known=writer.record.devices) as ready,
    ):
        _require_same(writer.record, ready)
        for name in _rebooted(writer.record, ready.targets):
            writer.append(DeviceEvent(device=name, kind="rebooted", message=_REBOOTED, started=now()))
        result = execute(store, writer, config, ready, watcher)
        return replace(result, failures=_left_out(config, writer.record) | result.failures)


def run_result(stored: StoredRun) -> RunResult:
    """How a stored run ended. Raises CallError."""
    record, outcome = stored.record, stored.end.outcome if stored.end else "incomplete"
    return RunResult(stored, outcome, _left_out(config_of(record), record) if record.suite else {})


def _is_complete(run: StoredRun) -> bool:
    failed = any(gate.status == "failed" for gate in run.gates.values())
    failed = failed or any(invocation.status == "failed" for invocation in run.invocations)
    failed = failed or any(accuracy.status == "failed" for accuracy in run.accuracies.values())
    failed = failed or any(verdict.status == "failed" for verdict in run.verdicts)
    judged = {verdict.comparison_id for verdict in run.verdicts}
    missing = any(comparison.id not in judged for comparison in run.record.comparisons)
    return run.end is not None and run.end.outcome == "complete" and not failed and not missing


def _rebooted(record: RunRecord, targets: Sequence[Target]) -> list[str]:
    names = {target.spec.name: target.facts for target in targets}
    return [name for name, facts in names.items() if rebooted(record.devices.get(name, {}), facts.to_dict())]


def _require_same(record: RunRecord, ready: Ready) -> None:
    """A resumed run must be the same run: same machines, same workloads, same engine builds."""
    for target in ready.targets:
        name, address = target.spec.name, target.spec.address
        if other := difference(record.devices.get(name, {}), target.stored_facts):
            raise CallError(
                f"run {record.run_id} cannot be resumed: device '{name}' ({address}) is not the machine of before: "
                f"{other}; connect the original one, or start a new run."
            )
    planned = {case.id: case for case in record.cases}
    for case in ready.plan.records:
        old = planned.get(case.id)
        what = f"run {record.run_id} cannot be resumed: {case.workload}"
        if old is None:
            raise CallError(f"{what} has changed since it began; start a new run.")
        if old.engine_build != case.engine_build:
            raise CallError(f"{what} would use another build of engine {case.engine} than before; start a new run.")


def _left_out(config: RunConfig, record: RunRecord) -> dict[str, str]:
    """Why devices are not in a run, by name: it has those that answered when it began."""
    return {
        name: f"device '{name}' did not answer when the run began; measure it in a new run."
        for name in config.device_names()
        if name not in record.devices
    }
