"""The functions that Dask runs for a client: on a host, and in the scheduler. They are sent by name, so every machine
of a lab has the same version of this file (`versions.py`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .files import missing, receive
from .host import Host
from .queue import Choice, Held, Waiting, place, take
from .session import session_for
from .versions import own_versions
from .wire import Ended, Heard, News, Offer, Order, Placed

if TYPE_CHECKING:
    from distributed import Scheduler, Worker
    from distributed.scheduler import TaskState

PLUGIN: Final = "bnnbench-lab"
ANNOTATION: Final = "bnnbench"
_HELD: Final = "bnnbench-held"
_RESOURCE: Final = "device:"
_order_decoder = msgspec.json.Decoder(Order)


def resource_of(device: str) -> str:
    """What a device is called in Dask."""
    return _RESOURCE + device


def host_of(worker: Worker) -> Host:
    """The lab host that a Dask worker stands for."""
    host: Host = worker.plugins[PLUGIN].host
    return host


async def run_order(order: bytes) -> bytes:
    """The task: a session from its start, or from where it is, to its end."""
    from distributed import get_worker

    host = host_of(get_worker())
    session = await asyncio.to_thread(session_for, host, _order_decoder.decode(order))
    # The session outlives this task, when the scheduler or the client is gone.
    ended: Ended = await asyncio.shield(asyncio.wrap_future(session.ended))
    return msgspec.json.encode(ended)


async def news_of(run_id: str, heard: dict[str, Heard], wait_s: float, dask_worker: Worker) -> dict[str, News]:
    """What is new of a run's sessions on this host; waits so long for the first news. The client is alive."""
    host = host_of(dask_worker)
    with host.changes.of(run_id) as changed:
        news = host.news(run_id, heard)
        if news or not wait_s:
            return news
        await changed(wait_s)
        return host.news(run_id, heard, phases=True)


async def offers_of(dask_worker: Worker) -> list[Offer]:
    """The devices of a worker."""
    plugin: Any = dask_worker.plugins[PLUGIN]
    return [plugin.host.offer(name) for name in plugin.names]


async def end_session(run_id: str, device: str | None, why: str, by: str, dask_worker: Worker) -> None:
    """Of one device, or of all."""
    await asyncio.to_thread(host_of(dask_worker).end_sessions, run_id, device, why, by)


async def release(run_id: str, device: str, dask_worker: Worker) -> None:
    """The client has all its records."""
    await asyncio.to_thread(host_of(dask_worker).release, run_id, device)


async def quarantine_device(device: str, reason: str, dask_worker: Worker) -> str:
    """Of a device that has computed wrongly what another one computed right; what to tell. Raises CannotMeasure."""
    return await asyncio.to_thread(host_of(dask_worker).quarantine, device, reason)


async def missing_files(names: list[str], dask_worker: Worker) -> list[str]:
    """Of files that a client would send."""
    return await asyncio.to_thread(missing, host_of(dask_worker).files, names)


async def receive_file(name: str, sender: str, offset: int, data: bytes, is_last: bool, dask_worker: Worker) -> bool:
    """A piece of a file; False while something is timed on the host, where nothing is written then.
    Raises CannotMeasure where nothing can be written."""
    host = host_of(dask_worker)
    work = partial(receive, host.files, name, sender, offset, data, is_last=is_last)
    try:
        return await asyncio.to_thread(host.when_quiet, work)
    except OSError as error:
        raise host.cannot_keep(error) from None


def scheduler_versions() -> dict[str, str]:
    """Of the scheduler."""
    return own_versions()


def device_workers(dask_scheduler: Scheduler) -> dict[str, Placed]:
    """Device -> where it is offered."""
    return {
        name.removeprefix(_RESOURCE): Placed(address, f"{worker.host}/{worker.pid}")
        for address, worker in dask_scheduler.workers.items()
        for name in worker.resources
    }


def worker_of(device: str, dask_scheduler: Scheduler) -> Placed | None:
    """Who offers a device, by Dask's own index; None where nobody does."""
    for address in dask_scheduler.resources.get(resource_of(device), ()):
        worker = dask_scheduler.workers[address]
        return Placed(address, f"{worker.host}/{worker.pid}")
    return None


def queue_of(dask_scheduler: Scheduler) -> list[Waiting]:
    """Everything that was asked for and has not ended."""
    return _asked(dask_scheduler.tasks.values())


def places_of(
    run_id: str, devices: list[str], dask_scheduler: Scheduler
) -> tuple[str, dict[str, tuple[int, float | None]]]:
    """Who cancelled a run, if anybody did, and by device how many are before it and in how many seconds it is its turn;
    without those that it is not asked for at."""
    # Dask's own index: what a worker has to do. Looking through all tasks would take too long in a large lab.
    homeless: dict[str, list[Waiting]] = {}
    for item in _asked(dask_scheduler.unrunnable):
        homeless.setdefault(item.device, []).append(item)
    found = {}
    for device in devices:
        offering = dask_scheduler.resources.get(resource_of(device), ())
        tasks = [task for address in offering for task in dask_scheduler.workers[address].processing]
        queue = [*(item for item in _asked(tasks) if item.device == device), *homeless.get(device, ())]
        if any(item.run == run_id for item in queue):
            found[device] = place(queue, run_id)
    return cancelled_by(dask_scheduler, run_id), found


def _asked(tasks: Iterable[TaskState]) -> list[Waiting]:
    """What of Dask's tasks are sessions that have not ended."""
    found = []
    for task in tasks:
        words = (task.annotations or {}).get(ANNOTATION)
        if words and task.state in ("processing", "no-worker", "waiting", "queued"):
            worker = task.processing_on
            seconds = worker.executing.get(task) if worker else None
            found.append(Waiting(**words, is_running=seconds is not None, running_s=seconds or 0.0))
    return found


def take_devices(choice: Choice, dask_scheduler: Scheduler) -> list[str]:
    """Chooses where all clients are counted: of two that ask at the same moment the second sees what the first took."""
    extensions = dask_scheduler.extensions
    taken, extensions[_HELD] = take(choice, queue_of(dask_scheduler), extensions.get(_HELD, []), time.time())
    return taken


def let_go(client: str, devices: list[str], dask_scheduler: Scheduler) -> None:
    """A run of the client has ended: what it took and did not use is free."""
    held: list[Held] = dask_scheduler.extensions.get(_HELD, [])
    dask_scheduler.extensions[_HELD] = [one for one in held if one.client != client or one.device not in devices]


def cancel_run(run_id: str, who: str, dask_scheduler: Scheduler) -> list[Waiting]:
    """Marks a run as cancelled; its client withdraws it. Returns what it had asked for."""
    marks: dict[str, tuple[float, str]] = dask_scheduler.extensions.setdefault(ANNOTATION, {})
    marks[run_id] = (time.time(), who)
    return [item for item in queue_of(dask_scheduler) if item.run == run_id]


def cancelled_by(dask_scheduler: Scheduler, run_id: str) -> str:
    """Empty where nobody cancelled it."""
    marks = dask_scheduler.extensions.get(ANNOTATION, {})
    return marks[run_id][1] if run_id in marks else ""
