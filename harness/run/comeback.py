"""A device whose connection is lost in the middle: waited for, and gone on with where it was left."""

from __future__ import annotations

import time
from dataclasses import replace

from bnnbench.devices.errors import DeviceBusy, DeviceError, DeviceLost, HostKeyError, InventoryError
from bnnbench.devices.probe import probe
from bnnbench.devices.transport import connect
from bnnbench.results.records import Accuracy, DeviceEvent, Gate, Invocation, Pair, Verdicts, Window
from bnnbench.results.same_machine import difference, rebooted

from ..bench.context import RunContext
from ..bench.machine_lock import is_held_by
from ..bench.workbench import run_words
from ..clock import now
from ..session.base import DeviceSession

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 15.0
_LOSSES_IN_A_ROW = 4
"""So often it may be lost without anything measured in between: then what is measured there is what ends it."""
_POLL_S = 0.2


def run_patiently(session: DeviceSession, context: RunContext) -> None:
    """The session to its end, through losses of the connection; only what was going on is done again.

    Raises DeviceError when the device stays away or is lost again and again, Interrupted, StoreError.
    """
    name, losses, lost_at = session.target.spec.name, 0, 0.0
    while True:
        before = _finished(context, name)
        try:
            return session.run()
        except DeviceLost as error:
            context.stop.check()
            losses = losses + 1 if _finished(context, name) == before else 1
            if losses >= _LOSSES_IN_A_ROW or not session.target.spec.patience_s:
                raise
            lost_at = time.monotonic()
            context.append(DeviceEvent(device=name, kind="lost", message=str(error), started=now()))
            context.watcher.note(f"{error} Waiting for it, up to {session.target.spec.patience_s} s.")
            _come_back(session, context, lost_at)
            lost_at = time.monotonic()
        except DeviceBusy as error:
            # Our own lock, on a device that has not noticed yet that we were gone.
            if not is_held_by(error, run_words(context.writer.record.run_id)) or not losses:
                raise
            if time.monotonic() - lost_at > session.target.spec.patience_s:
                raise
            _pause(context, _FIRST_WAIT_S)


def _come_back(session: DeviceSession, context: RunContext, lost_at: float) -> None:
    """Connects again, less and less often. Raises DeviceLost when it stays away, DeviceError when it is another."""
    spec, wait_s = session.target.spec, _FIRST_WAIT_S
    session.transport.close()
    while True:
        _pause(context, wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        try:
            transport = connect(spec)
            try:
                facts = probe(transport)
            except BaseException:
                transport.close()
                raise
        except (HostKeyError, InventoryError):
            raise  # somebody else's board, or one that was set up anew
        except DeviceError as error:  # keys are refused too while a board boots
            away_s = time.monotonic() - lost_at
            if away_s + wait_s > spec.patience_s:
                raise DeviceLost(
                    f"device {spec.name!r} was lost and did not return within {away_s:.0f} s (patience_s = "
                    f"{spec.patience_s}): {error}"
                ) from error
            context.show(spec.name, f"waiting for it, {away_s:.0f} s so far", 0, 1)
            continue
        break
    session.transport = transport
    before, after = session.target.facts.to_dict(), facts.to_dict()
    if other := difference(before, after):
        transport.close()
        raise DeviceError(f"device {spec.name!r} returned as another machine: {other}; start a new run.")
    anew = rebooted(before, after)
    session.target = replace(session.target, facts=facts)
    message = f"back after {time.monotonic() - lost_at:.0f} s" + (", rebooted" if anew else "")
    context.append(DeviceEvent(device=spec.name, kind="rebooted" if anew else "back", message=message, started=now()))
    context.watcher.note(f"{spec.name} is {message}")


def _finished(context: RunContext, device: str) -> int:
    """How much of the device's work is done and will not be done again."""
    record = context.writer.record
    cases = {case.id for case in record.cases if case.device == device}
    compared = {comparison.id for comparison in record.comparisons if comparison.device == device}
    count = 0
    for entry in context.writer.read().entries:
        if isinstance(entry, Pair):
            count += entry.comparison_id in compared
        elif isinstance(entry, Verdicts):
            count += entry.comparison_id in compared and all(each.status != "failed" for each in entry.verdicts)
        elif isinstance(entry, Window):
            count += entry.case_id in cases and entry.status == "ok"
        elif isinstance(entry, Invocation):  # of a pair, only the whole counts
            count += entry.case_id in cases and entry.comparison_id is None and entry.status != "failed"
        elif isinstance(entry, Gate | Accuracy):
            count += entry.case_id in cases and entry.status != "failed"
    return count


def _pause(context: RunContext, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        context.stop.check()
        time.sleep(min(_POLL_S, left))
