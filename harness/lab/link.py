"""A client's connection to a lab: made anew when the scheduler was away."""

from __future__ import annotations

import getpass
import platform
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future as ThreadFuture
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import CallError, CannotMeasure, HarnessError
from .address import LabAddress, no_lab, security_of
from .calls import (
    cancel_run,
    device_workers,
    end_session,
    let_go,
    missing_files,
    offers_of,
    queue_of,
    receive_file,
    resource_of,
    scheduler_versions,
    take_devices,
    worker_of,
)
from .files import CHUNK_BYTES, place_of, receive
from .queue import Choice, Waiting
from .reference_calls import read_file
from .settings import set_up_dask
from .versions import require_versions
from .wire import Offer, Placed

if TYPE_CHECKING:
    from distributed import Client, Future

CLIENT: Final = uuid.uuid4().hex
"""This process, in a lab."""
_TIMEOUT_S = 10
_ANSWER_S = 45
"""Longer than a link may be cut for without a loss."""


_AT_ONCE = 4
"""Questions to the scheduler, which answers one after the other."""


class LinkLost(CannotMeasure):
    """The scheduler, or a host, does not answer now."""


class Link:
    """Threads may share it."""

    def __init__(self, address: LabAddress, certificates: Path | None = None) -> None:
        """Connects. Raises CallError, CannotMeasure."""
        set_up_dask()
        from distributed.utils import LoopRunner

        self.address = address
        self._security = security_of(address, certificates)
        # One thread for all clients: one after the other connects where a scheduler is away.
        self._loop = LoopRunner()
        self._loop.start()
        self._lock = threading.Lock()
        # Each question that is asked beside others has a connection of its own, and a handshake.
        self._asking = threading.Semaphore(_AT_ONCE)
        self._client: Client | None = None
        try:
            there = self.ask_scheduler(scheduler_versions)
        except Exception as error:
            self.close()
            raise no_lab(address, error) from None
        try:
            require_versions(address, there)
        except BaseException:
            self.close()
            raise

    def _new_client(self) -> Client:
        from .dask_nodes import LabClient

        return LabClient(
            self.address.text,
            loop=self._loop.loop,
            security=self._security,
            timeout=_TIMEOUT_S,
            set_as_default=False,
        )

    def _connected(self) -> Client:
        with self._lock:
            if self._client is not None and self._client.status == "running":
                return self._client
            self._end(self._client)
            try:
                self._client = _within(2 * _TIMEOUT_S, self._new_client)
            except Exception as error:
                raise LinkLost("the lab's scheduler does not answer") from error
            return self._client

    def _drop(self, client: Client) -> None:
        """The next call connects anew: Dask's own way back may take for ever. What was submitted is asked for again."""
        with self._lock:
            if self._client is client:
                self._client = None
        self._end(client)

    @staticmethod
    def _end(client: Client | None) -> None:
        """Without waiting: it may be waiting for a scheduler that is gone."""
        if client is not None:
            threading.Thread(target=_closed, args=(client,), daemon=True).start()

    def ask_scheduler(self, function: Callable[..., Any], *words: Any) -> Any:
        """Calls a function of `calls.py` there. Raises LinkLost."""
        client = self._connected()
        try:
            call = client._run_on_scheduler  # noqa: SLF001 - the public one waits for ever
            with self._asking:
                return client.sync(call, function, *words, callback_timeout=_ANSWER_S)
        except Exception as error:
            self._drop(client)
            raise LinkLost("the lab's scheduler does not answer") from error

    def ask(self, worker: str, function: Callable[..., Any], *words: Any) -> Any:
        """Calls a function of `calls.py` at a worker. Raises LinkLost, and what it raises of ours."""
        client = self._connected()
        try:
            call = client._run  # noqa: SLF001 - as above
            return client.sync(call, function, *words, workers=[worker], callback_timeout=_ANSWER_S)[worker]
        except HarnessError:
            raise
        except Exception as error:
            raise LinkLost("its host does not answer") from error

    def ask_all(self, function: Callable[..., Any], *words: Any) -> list[Any]:
        """Calls a function of `calls.py`, which may be called twice, at all workers; those that do not answer are left
        out. Raises LinkLost."""
        client = self._connected()
        with suppress(Exception):  # one of them hangs, and then it must not cost the answers of the others
            call = client._run  # noqa: SLF001 - as above
            answers = client.sync(call, function, *words, on_error="ignore", callback_timeout=_TIMEOUT_S)
            return list(answers.values())
        found = []
        for worker in {placed.address for placed in self.workers().values()}:
            with suppress(LinkLost):
                found.append(self.ask(worker, function, *words))
        return found

    def workers(self) -> dict[str, Placed]:
        """Device -> where it is offered, of those that are there. Raises LinkLost."""
        found: dict[str, Placed] = self.ask_scheduler(device_workers)
        return found

    def worker(self, device: str) -> Placed | None:
        """Who offers a device; None where nobody does. Raises LinkLost."""
        found: Placed | None = self.ask_scheduler(worker_of, device)
        return found

    def offers(self) -> dict[str, Offer]:
        """By device. Raises LinkLost."""
        offers: dict[str, Offer] = {}
        for found in self.ask_all(offers_of):
            offers |= {offer.device: offer for offer in found}
        return dict(sorted(offers.items()))

    def queue(self) -> list[Waiting]:
        """What all devices have to do. Raises LinkLost."""
        found: list[Waiting] = self.ask_scheduler(queue_of)
        return found

    def take(self, choice: Choice) -> list[str]:
        """Devices that are free, or will be first. Raises LinkLost."""
        found: list[str] = self.ask_scheduler(take_devices, choice)
        return found

    def let_go(self, devices: Sequence[str]) -> None:
        """Of what this process took. Never raises."""
        with suppress(LinkLost):
            self.ask_scheduler(let_go, CLIENT, list(devices))

    def cancel(self, beginning: str) -> str:
        """Takes a run off its devices; its id. Raises LinkLost, CallError for one that is not there."""
        runs = sorted({item.run for item in self.queue()})
        ids = [run for run in runs if beginning and run.startswith(beginning)]
        if not ids:
            listed = ", ".join(runs) or "none"
            raise CallError(f"no run in this lab has an id that begins with {beginning!r}; there are: {listed}.")
        if len(ids) > 1 and beginning not in ids:
            raise CallError(f"{beginning!r} begins the ids of several runs; write more of one: {', '.join(ids)}.")
        run = beginning if beginning in ids else ids[0]
        who = f"{getpass.getuser()}@{platform.node()}"
        self.ask_scheduler(cancel_run, run, who)
        self.ask_all(end_session, run, None, "cancelled", who)
        return run

    def send(self, worker: str, files: Mapping[str, Path], check: Callable[[], None] = lambda: None) -> None:
        """The files that its host lacks; `check` raises what ends it. Raises LinkLost, OSError, CannotMeasure."""
        sender = uuid.uuid4().hex
        for name in self.ask(worker, missing_files, list(files)) if files else ():
            with files[name].open("rb") as file:
                offset = 0
                while True:
                    data = file.read(CHUNK_BYTES)
                    is_last = len(data) < CHUNK_BYTES
                    while not self.ask(worker, receive_file, name, sender, offset, data, is_last):
                        check()
                    offset += len(data)
                    if is_last:
                        break

    def fetch(self, worker: str, name: str, folder: Path, check: Callable[[], None] = lambda: None) -> Path:
        """A file that its host has, into a folder like the host's. Raises LinkLost, OSError, CannotMeasure for another
        content."""
        sender, offset = uuid.uuid4().hex, 0
        while True:
            data: bytes = self.ask(worker, read_file, name, offset)
            is_last = len(data) < CHUNK_BYTES
            receive(folder, name, sender, offset, data, is_last=is_last)
            if is_last:
                return place_of(folder, name)
            offset += len(data)
            check()

    def submit(
        self, function: Callable[..., Any], order: bytes, device: str, priority: float, words: Any
    ) -> Future[Any]:
        """Asks for a session; `words` are those of its place in the queue. Raises LinkLost."""
        import dask

        client = self._connected()
        try:
            with dask.annotate(**words):
                return client.submit(
                    function,
                    order,
                    key=f"session-{uuid.uuid4().hex}",
                    resources={resource_of(device): 1},
                    priority=priority,
                    retries=0,
                    pure=False,
                )
        except Exception as error:
            raise LinkLost("the lab's scheduler does not answer") from error

    def close(self) -> None:
        """Never raises."""
        with self._lock:
            if self._client is not None:
                _closed(self._client)
                self._client = None
        with suppress(Exception):
            self._loop.stop()


def _closed(client: Client) -> None:
    with suppress(Exception):
        client.close(timeout=2)
    client.status = "closed"  # where that failed, it would go on to connect


def _within(seconds: float, connect: Callable[[], Client]) -> Client:
    """A client that connects in time: when a scheduler goes away meanwhile, Dask may wait for ever, whatever its own
    limit is. Raises TimeoutError, and as `connect`."""
    made: ThreadFuture[Client] = ThreadFuture()

    def run() -> None:
        try:
            made.set_result(connect())
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return made.result(timeout=seconds)
    except TimeoutError:
        made.add_done_callback(_close_late)
        raise


def _close_late(made: ThreadFuture[Client]) -> None:
    if made.exception() is None:
        _closed(made.result())
