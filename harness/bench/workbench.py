"""What a case is measured with: a leased device, its surroundings prepared, and the run that it belongs to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bnnbench.devices.transport.protocol import Transport
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Loaded
from bnnbench.results.records import DeviceEvent

from ..clock import now
from ..plan.cases import Case
from ..plan.target import Target
from ..workload.base import Payload
from .context import RunContext
from .launcher_report import left_behind_words
from .lease import Lease, lease
from .surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Workbench:
    """`push_ns` is what preparing the device took, its surroundings apart."""

    lease: Lease
    surroundings: Surroundings
    context: RunContext
    push_ns: int

    @property
    def target(self) -> Target:
        return self.lease.target

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Keeps this program still while a block is timed on the machine it runs on."""
        if self.target.is_local:
            with self.context.quiet:
                yield
        else:
            yield


@contextmanager
def workbench(target: Target, transport: Transport, cases: Sequence[Case], context: RunContext) -> Iterator[Workbench]:
    """Engines and data of the cases on the device, its lock held, its surroundings prepared; all given back.

    Raises DeviceError.
    """
    started, run_id = time.monotonic_ns(), context.writer.record.run_id
    reported: set[str] = {event.message for event in context.writer.read().events if event.device == target.spec.name}

    def tell_left_behind(engine: str, count: int) -> None:
        message = f"engine '{engine}': {left_behind_words(count)}"
        if count and message not in reported:
            reported.add(message)
            context.append(DeviceEvent(device=target.spec.name, kind="left_behind", message=message, started=now()))
            context.watcher.note(f"{target.spec.name}: {message}")

    with lease(
        target,
        transport,
        {case.engine.name: case.engine for case in cases},
        what=run_words(run_id),
        run_id=run_id,
        data=[blob for case in cases for blob in payload_of(case).blobs],
        counter=target.counter,
        stop=context.stop,
        tell_left_behind=tell_left_behind,
    ) as leased:
        surroundings = Surroundings(target, transport, context, leased.launcher)
        bench = Workbench(leased, surroundings, context, time.monotonic_ns() - started)
        with surroundings.prepared():
            yield bench


def run_words(run_id: str) -> str:
    """What the lock of a device says of the run that holds it."""
    return f"bnnbench run {run_id}"


def payload_of(case: Case) -> Payload:
    """What the case's engine needs for its workload."""
    payload = case.workload.payload(case.engine.accepts)
    assert payload is not None, "cases.py makes no case of an engine that cannot load the workload"
    return payload


def load(client: EngineClient, case: Case, which: int) -> Loaded:
    """Loads a case as `case` and sets its input number `which`. Raises EngineError."""
    payload = payload_of(case)
    loaded = client.load("case", payload.keys)
    if payload.inputs:
        client.input("case", payload.inputs[which])
    for index, path in enumerate(payload.more, 1):
        client.input("case", path, index=index)
    return loaded
