"""What a lab host does for an order: the same session as at home, with a journal of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Final

from bnnbench.devices.errors import Unreachable
from bnnbench.devices.quarantine import require_fit
from bnnbench.results.errors import StoreError
from bnnbench.results.records import DeviceEvent
from bnnbench.results.same_machine import difference, rebooted
from bnnbench.results.store.runs import RunWriter, Store

from ..bench.context import RunContext
from ..bench.reach import reach
from ..clock import now
from ..errors import CannotMeasure
from ..plan.cases import MeasurementPlan
from ..run.hosts import SessionWork, compute_references
from ..run.sessions import context_of, session_of
from ..workload.right_outputs_file import read
from .files import missing, named_by_place, place_of
from .host import Host
from .hosted import HostedSession, Outbox, StreamingContext
from .wire import Ended, Order, identity, to_entry, to_line

_POLL_S: Final = 0.1
_NO_STORE: Final = Path("/nonexistent")
"""Earlier runs are in the client's store, and it tells what is known of them."""


def session_for(host: Host, order: Order) -> HostedSession:
    """The session that does the order: one that runs already, or a new one, after those that have its machine."""
    key = (order.record.run_id, order.device)
    with host.lock:
        old = host.sessions.get(key)
        if old is not None and not old.ended.done() and not old.stop.is_ordered:
            old.seen()
            return old
        before = [each for each in host.sessions.values() if each.device in host.beside(order.device)]
        outbox = Outbox(changed=partial(host.changes.tell, order.record.run_id))
        new = HostedSession(*key, work=lambda session: _kept(host, session, order, before), outbox=outbox)
        host.sessions[key] = new
        new.start()
        return new


def _kept(host: Host, session: HostedSession, order: Order, before: Sequence[HostedSession]) -> Ended:
    """As `_work`; a full disk of this host is no fault, and concerns this session only."""
    try:
        return _work(host, session, order, before)
    except StoreError as error:
        raise host.cannot_keep(error) from error


def _work(host: Host, session: HostedSession, order: Order, before: Sequence[HostedSession]) -> Ended:
    """Does it to its end, after the sessions `before` have given the machine back. Raises as `DeviceWork.run`."""
    for other in before:
        while not other.ended.done():
            session.stop.check()
            wait([other.ended], timeout=_POLL_S)
    with _writer(host, order) as writer:
        session.outbox.lines[:] = [to_line(entry) for entry in writer.read().entries]
        config = named_by_place(order.config, host.files)
        context = _context(host, session, writer, context_of(_NO_STORE, writer, config, session.outbox))
        session.outbox.phase(order.device, "connecting", 0, 1)
        with context.quiet, host.reading:
            asked = host.asked(config)
        spec = host.devices[order.device].spec
        if not config.health:
            require_fit(spec)
        try:
            reached = reach(spec, asked.useful, session.outbox.note)
        except Unreachable as error:
            host.devices[order.device].trouble = str(error)  # until it answers again
            raise
        try:
            offered = host.devices[order.device]
            offered.facts, offered.trouble = reached.target.facts, None
            plan, comparisons = asked.plan([reached.target])
            _require_same(order, plan, reached.target.stored_facts)
            if rebooted(order.record.devices.get(order.device, {}), reached.target.facts.to_dict()):
                known = {(event.kind, event.device) for event in writer.read().events}
                if ("rebooted", order.device) not in known:
                    message = "rebooted since the run began"
                    context.append(DeviceEvent(device=order.device, kind="rebooted", message=message, started=now()))
            device_session = session_of(config, plan, comparisons, reached, context, order.calibration)
            with context.quiet, host.reading:
                _restore(plan, order, host)
                compute_references(plan, session.outbox)
            session.stop.check()
            work = SessionWork(device_session, context)
        except BaseException:
            reached.transport.close()
            raise
        try:
            work.run()
        finally:
            work.close()
        return Ended(outcome="done", builds_ns=work.builds_ns, spent_ns=work.spent_ns)


def _restore(plan: MeasurementPlan, order: Order, host: Host) -> None:
    """Right outputs that another host has computed. Raises CannotMeasure for a damaged file; one that is not here any
    more is computed."""
    for case in plan.all:
        name = order.references.get(case.workload.prepared_key)
        if name is not None and not case.workload.is_prepared and not missing(host.files, [name]):
            read(case.workload, place_of(host.files, name))


def _writer(host: Host, order: Order) -> RunWriter:
    """The session's journal, with all that its run has and it lacks."""
    store = Store(host.store_of(order.record.run_id, order.device))
    if (store.runs_path / order.record.run_id / "run.json").is_file():
        writer = store.reopen(order.record.run_id)
    else:
        writer = store.create(order.record)
    known = {identity(entry) for entry in writer.read().entries}
    new = [entry for entry in map(to_entry, order.lines) if identity(entry) not in known]
    if new:
        writer.append(*new)
    return writer


def _context(host: Host, session: HostedSession, writer: RunWriter, plain: RunContext) -> StreamingContext:
    words = {item.name: getattr(plain, item.name) for item in fields(RunContext)}
    return StreamingContext(**words | {"quiet": host.quiet(), "stop": session.stop, "outbox": session.outbox})


def _require_same(order: Order, plan: MeasurementPlan, facts: dict[str, dict[str, object]]) -> None:
    """What was planned is what can be done here. Raises CannotMeasure."""
    what = f"device {order.device!r} cannot be measured in the lab"
    if other := difference(order.record.devices.get(order.device, {}), facts):
        raise CannotMeasure(f"{what}: it is not the machine of before: {other}; start a new run.")
    here = {case.id: case for case in plan.records}
    for case in order.record.cases:
        if case.device != order.device:
            continue
        mine = here.get(case.id)
        if mine is None:
            why = next((skip.reason for skip in plan.skips if skip.workload == case.workload), "it is another there")
            raise CannotMeasure(f"{what}: {case.workload} on {case.engine}: {why}.")
        if mine.engine_build != case.engine_build:
            raise CannotMeasure(
                f"{what}: its host builds another engine {case.engine}; install the same versions of bnnbench and of "
                "its compilers on both."
            )
