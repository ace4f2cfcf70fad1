"""Getting a lost device back: waiting for it, and cutting its power where the inventory says how."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from bnnbench.devices.errors import (
    CommandFailed,
    DeviceError,
    DeviceLost,
    DeviceUnfit,
    HostKeyError,
    InventoryError,
)
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.power_cycle import power_cycle
from bnnbench.devices.probe import probe
from bnnbench.devices.transport import connect
from bnnbench.devices.transport.protocol import Transport
from bnnbench.results.records import DeviceEvent
from bnnbench.results.same_machine import rebooted

from ..bench.context import RunContext
from ..clock import now
from ..plan.target import Target

FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 15.0
MOST_CYCLES = 2
"""Power cycles that are tried for one loss."""
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Revived:
    """A new connection to a device, and what it is now; `was_cycled`: its power was cut for that."""

    transport: Transport
    facts: DeviceFacts
    was_cycled: bool = False


def revive(target: Target, context: RunContext, lost_at: float, may_cycle: bool) -> Revived:
    """The device, connected again: waited for, then with its power cut where that `may_cycle`.

    Raises DeviceLost when it stays away, DeviceUnfit when it does so after its power was cut, DeviceError when
    something else answers there, Interrupted.
    """
    spec = target.spec
    try:
        return _wait(target, context, lost_at)
    except DeviceLost as error:
        if not spec.power_cycle:
            raise
        if not may_cycle:
            raise DeviceUnfit(
                f"device {spec.name!r} hung again after it was power-cycled twice in this run."
            ) from error
        return _cycle(target, context)


def _cycle(target: Target, context: RunContext) -> Revived:
    spec, problem = target.spec, DeviceError("nothing was tried.")
    for attempt in range(1, MOST_CYCLES + 1):
        message = f"power-cycled, attempt {attempt} of {MOST_CYCLES}"
        context.append(DeviceEvent(device=spec.name, kind="power_cycled", message=message, started=now()))
        context.watcher.note(f"{spec.name} is {message}")
        try:
            power_cycle(spec)
            return replace(_wait(target, context, time.monotonic(), must_be_rebooted=True), was_cycled=True)
        except (CommandFailed, DeviceLost) as error:
            problem = error
    raise DeviceUnfit(
        f"device {spec.name!r} was power-cycled {MOST_CYCLES} times and did not come back: {problem}"
    ) from problem


def _wait(target: Target, context: RunContext, since: float, must_be_rebooted: bool = False) -> Revived:
    """Connects again, less and less often, for `patience_s` since then. Raises DeviceLost."""
    spec, wait_s = target.spec, FIRST_WAIT_S
    while True:
        pause(context, wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        try:
            return _connected(target, must_be_rebooted)
        except (HostKeyError, InventoryError):
            raise  # somebody else's board, or one that was set up anew
        except DeviceError as error:  # keys are refused too while a board boots
            away_s = time.monotonic() - since
            if away_s + wait_s > spec.patience_s:
                what = "power-cycled" if must_be_rebooted else "lost"
                raise DeviceLost(
                    f"device {spec.name!r} was {what} and did not return within {away_s:.0f} s (patience_s = "
                    f"{spec.patience_s}): {error}"
                ) from error
            context.show(spec.name, f"waiting for it, {away_s:.0f} s so far", 0, 1)


def _connected(target: Target, must_be_rebooted: bool) -> Revived:
    transport = connect(target.spec)
    try:
        facts = probe(transport)
        is_known = target.facts.boot_id is not None and facts.boot_id is not None
        if must_be_rebooted and is_known and not rebooted(target.facts.to_dict(), facts.to_dict()):
            raise DeviceLost(f"device {target.spec.name!r} still has the boot id of before: its power was not cut.")
    except BaseException:
        transport.close()
        raise
    return Revived(transport, facts)


def pause(context: RunContext, seconds: float) -> None:
    """Sleeps. Raises Interrupted."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        context.stop.check()
        time.sleep(min(_POLL_S, left))
