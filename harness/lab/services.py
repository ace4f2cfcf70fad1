"""`lab start` and `lab join`: the scheduler, and the workers of a host, one for each machine that it can measure."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import CallError, CannotMeasure
from .address import LabAddress, no_lab, security_of
from .calls import resource_of
from .host import Host
from .link import Link
from .settings import set_up_dask

Tell = Callable[[str], None]
_LOOK_S: Final = 1.0
_AGAIN_S: Final = 60.0
_THREADS: Final = 16
_FILES: Final = 65_536


def serve_scheduler(address: LabAddress, certificates: Path | None, tell: Tell) -> None:
    """Until it is interrupted. Raises CallError."""
    set_up_dask()
    allow_files()
    security = security_of(address, certificates)

    async def serve() -> None:
        from .dask_nodes import LabScheduler

        try:
            scheduler = LabScheduler(
                protocol=address.scheme, host=address.host, port=address.port, security=security, dashboard=False
            )
            async with scheduler:
                tell(f"the lab listens at {address.scheme}://{address.host}:{scheduler.port} (Ctrl-C ends it)")
                await _interrupted()
                await scheduler.close(reason="ended by its user")
        except (OSError, RuntimeError) as error:
            cause = error.__cause__ or error  # Dask wraps one in the other
            if not isinstance(cause, OSError):
                raise
            raise CallError(
                f"{address.text} cannot be listened at ({cause.strerror or cause}): choose another --port or --host."
            ) from None

    asyncio.run(serve())


def serve_host(host: Host, address: LabAddress, certificates: Path | None, tell: Tell) -> None:
    """Until it is interrupted; a scheduler that is away is waited for. Raises CallError, CannotMeasure."""
    set_up_dask()
    allow_files()
    security = security_of(address, certificates)
    require_fit(address, certificates, list(host.devices))  # before any device is asked
    for name in host.devices:
        host.look(name)
        if trouble := host.devices[name].trouble:
            tell(f"{name}: {trouble}")

    async def serve() -> None:
        ended = asyncio.ensure_future(_interrupted())
        # Sessions are begun in these threads: they must not wait behind what else is done in them.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS + 2 * len(host.devices)))
        groups = host.machines()
        # One worker for each machine: then no device waits for another one's turn.
        keeping = [asyncio.ensure_future(_keep_worker(host, names, address, security, tell)) for names in groups]
        watching = asyncio.ensure_future(_watch(host))
        await asyncio.wait([ended, *keeping], return_when=asyncio.FIRST_COMPLETED)
        for session in list(host.sessions.values()):
            session.end("its host was ended")
        for task in (watching, *keeping):
            task.cancel()
        await asyncio.gather(*keeping, watching, return_exceptions=True)
        for session in list(host.sessions.values()):  # they end their engines and give devices back
            with suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(session.ended)), 15)

    asyncio.run(serve())


def allow_files() -> None:
    """As many open files as this process may have: each machine of a lab takes some, and most shells allow 1,024."""
    import resource  # not on every system whose clients read this file

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # then it has what it had
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def require_fit(address: LabAddress, certificates: Path | None, devices: Sequence[str]) -> None:
    """Raises CallError, and CannotMeasure where no scheduler of a lab answers, it has other versions, or another host
    offers a device of the same name."""
    link = Link(address, certificates)
    try:
        taken = link.workers()
    finally:
        link.close()
    if both := sorted(set(taken) & set(devices)):
        raise CannotMeasure(
            f"{', '.join(both)}: another host of the lab offers a device of this name; rename it in one inventory."
        )


async def _keep_worker(host: Host, names: Sequence[str], address: LabAddress, security: object, tell: Tell) -> None:
    """A worker while there is a scheduler, and a new one when there is again: Dask's ends with its scheduler."""
    from .dask_nodes import LabWorker
    from .plugin import HostPlugin

    is_joined = True
    while True:
        try:
            worker = LabWorker(
                address.text,
                security=security,
                nthreads=1,
                name=f"{host.name}/{'+'.join(names)}",
                resources={resource_of(name): 1 for name in names},
                plugins=(HostPlugin(host, names),),
                local_directory=str(host.folder / "dask"),
                memory_limit=0,
                dashboard=False,
                death_timeout=30,
                host=None if address.is_encrypted else address.host,
            )
            async with worker:
                tell(f"{', '.join(names)}: offered at {address.text}")
                is_joined = True
                await worker.finished()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # whatever it was, the scheduler is asked again
            if is_joined:
                tell(f"{', '.join(names)}: not offered now: {' '.join(str(no_lab(address, error)).split())}")
                is_joined = False
        await asyncio.sleep(_LOOK_S)


async def _watch(host: Host) -> None:
    """Ends sessions whose clients are gone, and looks at devices that did not answer."""
    waited = 0.0
    while True:
        await asyncio.sleep(_LOOK_S)
        await asyncio.to_thread(host.end_those_left)
        waited += _LOOK_S
        if waited >= _AGAIN_S:
            waited = 0.0
            for name, device in host.devices.items():
                if device.trouble and not host.running(name):
                    await asyncio.to_thread(host.look, name)


async def _interrupted() -> None:
    done = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    await done.wait()
