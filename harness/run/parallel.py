"""Machines in parallel, one device of each at a time, until all are done or the user interrupts."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bnnbench.devices.errors import DeviceBusy, DeviceLost
from bnnbench.results.records import DeviceEvent

from ..bench.context import RunContext
from ..bench.stop import Interrupted
from ..bench.trouble import concerns_all, is_fault, keep_trace, sentence, trace
from ..clock import now
from .hosts import DeviceWork

_STOP_S = 15.0
_POLL_S = 0.2


@dataclass
class Ending:
    """How the sessions ended: wall times and losses by device, and what should not have happened."""

    wall_ns: dict[str, int] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    troubles: list[BaseException] = field(default_factory=list)
    interrupted: bool = False


def measure_machines(machines: Sequence[Sequence[str]], works: Mapping[str, DeviceWork], context: RunContext) -> Ending:
    """`machines` lists the devices of each machine. Never raises; a second interrupt does not wait."""
    ending = Ending()
    # Events, not Thread.join: an interrupt inside a join makes a living thread look finished.
    done = [threading.Event() for _ in machines]

    def measure(names: Sequence[str], event: threading.Event) -> None:
        try:
            for name in names:
                _measure_device(name, works[name], context, ending)
        except Interrupted:
            pass
        except BaseException as error:
            # What goes wrong because everything is being ended is no news.
            if not context.stop.is_ordered:
                ending.troubles.append(error)
            context.stop.order()
        finally:
            event.set()

    try:
        for names, event in zip(machines, done, strict=True):
            threading.Thread(target=measure, args=(names, event), daemon=True).start()
        for event in done:
            while not event.wait(_POLL_S):
                pass
    except KeyboardInterrupt:
        ending.interrupted = True
        context.watcher.note("stopping: ending the engines and cleaning the devices up")
        context.stop.order()
        deadline = time.monotonic() + _STOP_S
        for event in done:
            event.wait(max(0.0, deadline - time.monotonic()))
    return ending


def _measure_device(name: str, work: DeviceWork, context: RunContext, ending: Ending) -> None:
    begun = time.monotonic_ns()
    try:
        work.run()
    except Exception as error:
        if concerns_all(error):
            raise
        context.stop.check()
        ending.lost[name] = sentence(name, error)
        kind = "lock" if isinstance(error, DeviceBusy) else "lost" if isinstance(error, DeviceLost) else "gave_up"
        context.append(DeviceEvent(device=name, kind=kind, message=ending.lost[name], started=now()))
        if is_fault(error):
            with context.quiet:
                keep_trace(context.writer.path, trace(name, error))
    finally:
        work.close()
        ending.wall_ns[name] = time.monotonic_ns() - begun + work.builds_ns
