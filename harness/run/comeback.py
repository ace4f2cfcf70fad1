"""A device whose connection is lost in the middle: waited for, and gone on with where it was left."""

from __future__ import annotations

import time
from dataclasses import replace

from bnnbench.devices.errors import DeviceBusy, DeviceError, DeviceLost, DeviceUnfit
from bnnbench.results.records import Accuracy, DeviceEvent, Gate, Invocation, Pair, Verdicts, Window
from bnnbench.results.same_machine import difference, rebooted

from ..bench.context import RunContext
from ..bench.machine_lock import is_held_by
from ..bench.workbench import run_words
from ..clock import now
from ..session.base import DeviceSession
from .revival import FIRST_WAIT_S, pause, revive

_LOSSES_IN_A_ROW = 4
"""So often it may be lost without anything measured in between: then what is measured there is what ends it."""
_MOST_HANGS = 3
"""Losses of one run that only a power cycle could end: with the last of them the device is given up."""


def run_patiently(session: DeviceSession, context: RunContext) -> None:
    """The session to its end, through losses of the connection; only what was going on is done again.

    Raises DeviceError when the device stays away or is lost again and again, Interrupted, StoreError.
    """
    name, losses, hangs, lost_at = session.target.spec.name, 0, 0, 0.0
    while True:
        before = _finished(context, name)
        try:
            return session.run()
        except DeviceLost as error:
            context.stop.check()
            losses = losses + 1 if _finished(context, name) == before else 1
            if not session.target.spec.patience_s:
                raise
            if losses >= _LOSSES_IN_A_ROW:
                raise DeviceUnfit(
                    f"{error} This was loss {losses} in a row with nothing measured in between."
                ) from error
            lost_at = time.monotonic()
            context.append(DeviceEvent(device=name, kind="lost", message=str(error), started=now()))
            context.watcher.note(f"{error} Waiting for it, up to {session.target.spec.patience_s} s.")
            hangs += _come_back(session, context, lost_at, may_cycle=hangs + 1 < _MOST_HANGS)
            lost_at = time.monotonic()
        except DeviceBusy as error:
            # Our own lock, on a device that has not noticed yet that we were gone.
            if not is_held_by(error, run_words(context.writer.record.run_id)) or not losses:
                raise
            if time.monotonic() - lost_at > session.target.spec.patience_s:
                raise
            pause(context, FIRST_WAIT_S)


def _come_back(session: DeviceSession, context: RunContext, lost_at: float, may_cycle: bool) -> bool:
    """Whether it took a power cycle. Raises DeviceLost when it stays away, DeviceError when it is another."""
    spec = session.target.spec
    session.transport.close()
    revived = revive(session.target, context, lost_at, may_cycle)
    session.transport = revived.transport
    before, after = session.target.facts.to_dict(), revived.facts.to_dict()
    if other := difference(before, after):
        revived.transport.close()
        raise DeviceError(f"device {spec.name!r} returned as another machine: {other}; start a new run.")
    anew = rebooted(before, after)
    session.target = replace(session.target, facts=revived.facts)
    message = f"back after {time.monotonic() - lost_at:.0f} s" + (", rebooted" if anew else "")
    context.append(DeviceEvent(device=spec.name, kind="rebooted" if anew else "back", message=message, started=now()))
    context.watcher.note(f"{spec.name} is {message}")
    return revived.was_cycled


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
