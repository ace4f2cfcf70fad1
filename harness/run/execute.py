"""A run from its first measurement to its end: sessions beside each other, then the records of the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bnnbench.results.records import DeviceEvent, Outcome, RunEnd
from bnnbench.results.store.runs import RunWriter, Store, StoredRun, StoreError
from bnnbench.results.tables.run_files import finish

from ..bench.context import Watcher
from ..bench.trouble import is_fault, keep_trace, sentence, trace
from ..clock import now
from ..errors import CannotMeasure
from ..plan.config import RunConfig
from .indexing import add_to_index
from .overhead import overhead
from .parallel import measure_machines
from .ready import Ready
from .sessions import context_of


@dataclass
class RunResult:
    """The stored run, how it ended, and why devices failed, by name."""

    stored: StoredRun
    outcome: Outcome
    failures: dict[str, str] = field(default_factory=dict)


def execute(store: Store, writer: RunWriter, config: RunConfig, ready: Ready, watcher: Watcher) -> RunResult:
    context = context_of(store.path, writer, config, watcher)
    plan, hosts = ready.plan, ready.hosts
    works = hosts.works(config, plan, ready.comparisons, context)
    for device, error in ready.unreached.items():
        writer.append(DeviceEvent(device=device, kind="unreached", message=sentence(device, error), started=now()))
        if is_fault(error):
            keep_trace(writer.path, trace(device, error))
    before = len(writer.read().entries)
    started = time.monotonic_ns()
    with writer:
        ending = measure_machines(hosts.groups(), works, context)
        outcome: Outcome = "complete"
        if ending.interrupted:
            outcome = "interrupted"
        elif ending.lost or ending.troubles or ready.failures.keys() & writer.record.devices.keys():
            outcome = "incomplete"
        try:
            new = writer.read().entries[before:]
            spent = {name: work.spent_ns for name, work in works.items()}
            figures = overhead(new, plan.records, ending.wall_ns, spent)
            wall_ns = time.monotonic_ns() - started
            writer.append(RunEnd(finished=now(), outcome=outcome, wall_ns=wall_ns, overhead=figures))
            finish(writer)
            hosts.note_suspects(writer.read(), watcher)
        except StoreError as error:
            ending.troubles.append(error)
        if ending.troubles:
            raise _told(ending.troubles[0], writer)
        result = RunResult(writer.read(), outcome, {**ready.failures, **ending.lost})
    add_to_index(store, writer.path)
    return result


def _told(trouble: BaseException, writer: RunWriter) -> BaseException:
    """A store that fails in the middle is not a wrong call, and what it has can be gone on with."""
    if isinstance(trouble, StoreError):
        text = str(trouble).rstrip(".")
        return CannotMeasure(f"{text}; then continue with bnnbench run --resume {writer.record.run_id}.")
    return trouble
