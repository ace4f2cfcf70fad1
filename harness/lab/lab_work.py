"""A device's session at its lab host, as its client sees it: asked for, followed, and asked for again."""

from __future__ import annotations

import getpass
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from bnnbench.devices import errors as device_errors
from bnnbench.devices.errors import DeviceError, DeviceLost
from bnnbench.kernels.built_elsewhere import Artifact
from bnnbench.results.quantity import roughly
from bnnbench.results.records import ComparisonRecord, DeviceEvent, Entry, RunEnd
from bnnbench.results.store.calibration import Calibration

from ..bench.context import RunContext
from ..bench.stop import Interrupted
from ..bench.trouble import keep_trace
from ..clock import now
from ..errors import CannotMeasure
from .calls import ANNOTATION, end_session, news_of, release, run_order
from .deliveries import Deliveries
from .files import Sent
from .follower import Follower, Inbox, Place
from .link import CLIENT, Link, LinkLost
from .queue import kind_here, priority
from .shared_references import SharedReferences
from .wire import Ended, Heard, News, Order, Placed, identity, own_part, to_entry, to_line

_POLL_S: Final = 0.1
_WAKE_S: Final = 5.0
"""Nothing depends on it: news, the end and an order to stop wake at once."""
_LAST_RECORDS_S: Final = 1.0
_SCHEDULER_PATIENCE_S: Final = 600
"""How long a scheduler may be away, beside the patience that a device has."""
_AGAIN_S: Final = 1.0
_ENDING_S: Final = 12.0


@dataclass
class LabWork:
    """See `run.hosts.DeviceWork`."""

    link: Link
    follower: Follower
    deliveries: Deliveries
    device: str
    host: str
    patience_s: int
    sent: Sent
    builds: Sequence[Artifact]
    references: SharedReferences
    comparisons: Sequence[ComparisonRecord]
    calibration: Calibration | None
    context: RunContext
    asked_s: float
    expected_s: float | None = None
    placed: Placed | None = None
    """Where it was offered a moment ago."""
    builds_ns: int = 0
    spent_ns: int = 0
    _known: set[bytes] = field(default_factory=set)
    _taken: int = 0
    _is_known: bool = False
    _is_live: bool = False

    def run(self) -> None:
        """See `DeviceWork`: through losses of the scheduler, of the host and of the link."""
        self._known = {identity(entry) for entry in self._own_entries()}
        lost_at: float | None = None
        while True:
            self.context.stop.check()
            before = len(self._known)
            try:
                ended = self._attempt()
            except LinkLost as error:
                lost_at = self._wait(error, lost_at if len(self._known) == before else None)
                continue
            if lost_at is not None:
                self._tell("back", f"back after {time.monotonic() - lost_at:.0f} s")
                lost_at = None
            if ended.outcome == "stopped":
                self.context.stop.check()
                if ended.by:
                    raise self._cancelled(ended.by)
                continue  # its host was ended, or heard nothing of this client: asked for once more
            self._give_up_if(ended)
            self.builds_ns, self.spent_ns = ended.builds_ns, ended.spent_ns
            return

    def close(self) -> None:
        """Its connection is that of the whole run."""

    def _attempt(self) -> Ended:
        """One order, to its end. Raises LinkLost, Interrupted, StoreError."""
        placed, self.placed = self.placed or self.link.worker(self.device), None
        if placed is None:
            raise LinkLost(f"no host of the lab offers {self.device!r} now")
        try:
            return self._attempt_at(placed)
        except LinkLost:
            self.deliveries.forget(placed)
            raise

    def _attempt_at(self, placed: Placed) -> Ended:
        check = self.context.stop.check
        host = self.deliveries.host(placed)
        self.deliveries.deliver(host, {**self.sent.files, **self.references.files(check)}, self.builds, check)
        kind = kind_here()
        words = {
            "run": self._run_id,
            "device": self.device,
            "who": f"{getpass.getuser()}@{platform.node()}",
            "kind": kind,
            "asked_s": self.asked_s,
            "expected_s": self.expected_s,
            "client": CLIENT,
        }
        order = Order(
            record=own_part(self.context.writer.record, self.device),
            config=self.sent.config,
            device=self.device,
            lines=[to_line(entry) for entry in self._own_entries()],
            comparisons=list(self.comparisons),
            calibration=self.calibration,
            references=self.references.names,
        )
        self._taken, self._is_known, self._is_live = 0, False, False
        with self.follower.following(self.device, host) as inbox:
            future = self.link.submit(
                run_order, msgspec.json.encode(order), self.device, priority(self.asked_s, kind), {ANNOTATION: words}
            )
            try:
                return self._follow(future, host.address, inbox)
            except Interrupted:
                self._end(future, host.address, inbox)
                raise

    def _follow(self, future: Any, worker: str, inbox: Inbox) -> Ended:
        future.add_done_callback(lambda _: inbox.kill())
        with self.context.stop.ends(inbox):
            while not future.done():
                self.context.stop.check()
                self._hear(inbox, _WAKE_S)
        if future.status != "finished":
            raise LinkLost(f"device {self.device!r}: its host or the lab's scheduler went away")
        try:
            ended = msgspec.json.decode(future.result(timeout=30), type=Ended)
        except Exception as error:
            raise LinkLost(f"device {self.device!r}: its host went away") from error
        self._hear_rest(ended, worker, inbox)
        if ended.outcome != "stopped":
            with suppress(LinkLost):  # then it is forgotten in a month
                self.link.ask(worker, release, self._run_id, self.device)
        return ended

    def _hear_rest(self, ended: Ended, worker: str, inbox: Inbox) -> None:
        """All records of a session that has ended. Raises LinkLost, StoreError."""
        deadline = time.monotonic() + _LAST_RECORDS_S
        while self._taken < ended.records:
            self._hear(inbox, _POLL_S)
            if time.monotonic() > deadline:  # an answer was lost
                heard = {self.device: Heard(self._taken, is_known=True)}
                news = self.link.ask(worker, news_of, self._run_id, heard, 0.0).get(self.device)
                if news is None or not news.lines:
                    return
                self._take(news)

    def _end(self, future: Any, worker: str, inbox: Inbox) -> None:
        """The user stops: the session ends its engines, and its last records come over."""
        with suppress(LinkLost):
            self.link.ask(worker, end_session, self._run_id, self.device, "the run was interrupted", "")
            deadline = time.monotonic() + _ENDING_S
            while self._is_known and not future.done() and time.monotonic() < deadline:
                self._hear(inbox, _POLL_S)
            if future.status == "finished":
                self._hear_rest(msgspec.json.decode(future.result(timeout=5), type=Ended), worker, inbox)
        with suppress(Exception):
            future.cancel()

    def _hear(self, inbox: Inbox, wait_s: float) -> None:
        """Takes what came. Raises LinkLost, StoreError, CannotMeasure for a run that was cancelled."""
        for item in inbox.take(wait_s):
            if isinstance(item, News):
                self._take(item)
            else:
                self._show_place(item)

    def _take(self, news: News) -> None:
        """Journals what is new. Raises StoreError."""
        self._is_known, self._is_live = news.is_known, news.is_known and not news.has_ended
        self._taken = news.start + len(news.lines)
        new: dict[bytes, Entry] = {}
        for line in news.lines:
            try:
                entry = to_entry(line)
            except ValueError as error:
                raise CannotMeasure(
                    f"device {self.device!r}: its host {self.host} sent a record that is none."
                ) from error
            if (known := identity(entry)) not in self._known:
                new[known] = entry
        if new:
            self.context.append_all(list(new.values()))
            self._known.update(new)
        for note in news.notes:
            self.context.watcher.note(f"{self.device}: {note}")
        if news.phase is not None:
            self.context.show(self.device, *news.phase)

    def _show_place(self, place: Place) -> None:
        if self._is_live:
            return  # it has begun meanwhile
        if place.cancelled:
            raise self._cancelled(place.cancelled)
        if before := place.before:
            when = "" if place.seconds is None else f", in about {roughly(place.seconds)}"
            self.context.show(self.device, f"queued behind {before} run{'s' * (before != 1)}{when}", 0, 1)

    def _wait(self, error: LinkLost, lost_at: float | None) -> float:
        """Before it is asked for again; since when it is lost. Raises DeviceLost when there is no more patience."""
        moment = time.monotonic()
        if lost_at is None:
            lost_at = moment
            self._tell("lost", f"{error}; it is asked for again")
        patience_s = max(self.patience_s, _SCHEDULER_PATIENCE_S)
        if not self.patience_s or moment - lost_at > patience_s:
            raise DeviceLost(
                f"device {self.device!r} was lost and did not return within {moment - lost_at:.0f} s: {error}."
            )
        self._pause(_AGAIN_S)
        return lost_at

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.context.stop.check()
            time.sleep(_POLL_S)

    def _cancelled(self, who: str) -> CannotMeasure:
        """Names are told, and not stored: archives of a run must not hold them."""
        self.context.watcher.note(f"{self.device}: cancelled by {who}")
        return CannotMeasure(f"device {self.device!r}: the run was cancelled in the lab; finish it with --resume.")

    def _give_up_if(self, ended: Ended) -> None:
        if ended.outcome != "failed":
            return
        if ended.trace:
            with self.context.quiet:
                keep_trace(self.context.writer.path, ended.trace)
        kind = getattr(device_errors, ended.kind, None)
        is_device_error = isinstance(kind, type) and issubclass(kind, DeviceError)
        raise kind(ended.message) if is_device_error and kind is not None else CannotMeasure(ended.message)

    def _own_entries(self) -> list[Entry]:
        """The run's records of this device."""
        record = self.context.writer.record
        cases = {case.id for case in record.cases if case.device == self.device}
        compared = {item.id for item in record.comparisons if item.device == self.device}
        return [
            entry
            for entry in self.context.writer.read().entries
            if not isinstance(entry, RunEnd)
            and (
                getattr(entry, "device", None) == self.device
                or getattr(entry, "case_id", None) in cases
                or getattr(entry, "comparison_id", None) in compared
            )
        ]

    def _tell(self, kind: str, message: str) -> None:
        self.context.append(DeviceEvent(device=self.device, kind=kind, message=message, started=now()))
        self.context.watcher.note(f"{self.device}: {message}")

    @property
    def _run_id(self) -> str:
        return self.context.writer.record.run_id
