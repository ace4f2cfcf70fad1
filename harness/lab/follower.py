"""What a run hears of its sessions: one question for each host and one to the scheduler, whatever its devices are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

from .calls import news_of, places_of
from .link import Link, LinkLost
from .wire import Heard, News, Placed

_NEWS_WAIT_S: Final = 2.0
"""Well below a session's lease: a link that is cut for 20 s must not cost the session."""
_PAUSE_S: Final = 0.1
"""Between answers and the next question: what comes meanwhile is told by one answer."""
_PLACES_EVERY_S: Final = 2.0
_FIRST_PLACES_S: Final = 0.3
_PLACES_REST: Final = 20
"""So many times as long as an answer takes, the scheduler is left alone after it."""
_MOST_UNHEARD: Final = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Of a run in the queue of a device: how many are before it, in how many seconds it is its turn, and who cancelled
    it, if anybody did."""

    before: int = 0
    seconds: float | None = None
    cancelled: str = ""


@dataclass(eq=False)
class Inbox:
    """What came for one device. `kill` wakes whoever waits, as an order to stop does."""

    device: str
    heard: Heard = field(default_factory=Heard)
    unheard: int = 0
    place: Place | None = None
    _came: SimpleQueue[News | Place | LinkLost | None] = field(default_factory=SimpleQueue)

    def put(self, item: News | Place | LinkLost) -> None:
        """For the one who waits."""
        self._came.put(item)

    def kill(self) -> None:
        """There is something else to see to."""
        self._came.put(None)

    def take(self, wait_s: float) -> list[News | Place]:
        """All that came; waits so long for the first. Raises LinkLost where that came."""
        found: list[News | Place] = []
        try:
            item = self._came.get(timeout=wait_s) if wait_s else self._came.get_nowait()
            while True:
                if isinstance(item, LinkLost):
                    raise item
                if item is not None:
                    found.append(item)
                item = self._came.get_nowait()
        except Empty:
            return found


@dataclass
class Follower:
    """Of a run. Its threads live as long as there is something to ask."""

    link: Link
    run_id: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _hosts: dict[str, dict[str, tuple[str, Inbox]]] = field(default_factory=dict)
    """Process -> device -> its worker there, and its inbox."""
    _asks_places: bool = False

    @contextmanager
    def following(self, device: str, worker: Placed) -> Iterator[Inbox]:
        """Inside, what is heard of the device's session comes into its inbox, from its first record on."""
        inbox = Inbox(device)
        with self._lock:
            is_first = worker.process not in self._hosts
            self._hosts.setdefault(worker.process, {})[device] = (worker.address, inbox)
            asks_places, self._asks_places = self._asks_places, True
        if is_first:
            self._start(self._ask_news, worker.process)
        if not asks_places:
            self._start(self._ask_places)
        try:
            yield inbox
        finally:
            with self._lock:
                followed = self._hosts.get(worker.process, {})
                if device in followed and followed[device][1] is inbox:
                    del followed[device]

    @staticmethod
    def _start(work: Callable[..., None], *words: str) -> None:
        threading.Thread(target=work, args=words, name=f"follower {words}", daemon=True).start()

    def _followed(self, process: str) -> dict[str, tuple[str, Inbox]]:
        """What is asked of a host; nothing ends its thread."""
        with self._lock:
            followed = dict(self._hosts[process])
            if not followed:
                del self._hosts[process]
            return followed

    def _ask_news(self, process: str) -> None:
        while followed := self._followed(process):
            worker = next(address for address, _ in followed.values())
            heard = {device: inbox.heard for device, (_, inbox) in followed.items()}
            try:
                answers: dict[str, News] = self.link.ask(worker, news_of, self.run_id, heard, _NEWS_WAIT_S)
            except Exception as error:
                self._lose([inbox for _, inbox in followed.values()], error)
                with self._lock:
                    for device, each in followed.items():
                        if self._hosts[process].get(device) is each:
                            del self._hosts[process][device]
                continue
            for device, news in answers.items():
                inbox = followed[device][1]
                inbox.heard = Heard(news.start + len(news.lines), news.is_known, news.has_ended)
                inbox.put(news)
            time.sleep(_PAUSE_S)

    def _waiting(self) -> list[Inbox] | None:
        """Those whose sessions have not begun, or have ended without a word of it; None where nothing is followed, and
        the thread ends."""
        with self._lock:
            inboxes = [inbox for followed in self._hosts.values() for _, inbox in followed.values()]
            if not inboxes:
                self._asks_places = False
                return None
        return [inbox for inbox in inboxes if not inbox.heard.is_known or inbox.heard.has_ended]

    def _ask_places(self) -> None:
        time.sleep(_FIRST_PLACES_S)
        while (waiting := self._waiting()) is not None:
            begun = time.monotonic()
            if waiting:
                self._tell_places(waiting)
            time.sleep(max(_PLACES_EVERY_S, _PLACES_REST * (time.monotonic() - begun)))

    def _tell_places(self, waiting: list[Inbox]) -> None:
        try:
            cancelled, places = self.link.ask_scheduler(places_of, self.run_id, [inbox.device for inbox in waiting])
        except Exception as error:
            self._lose(waiting, error)
            return
        for inbox in waiting:
            there: tuple[int, float | None] | None = places.get(inbox.device)
            inbox.unheard = 0 if there else inbox.unheard + 1
            if inbox.unheard >= _MOST_UNHEARD:  # the scheduler went away with what it was told, or with how it ended
                inbox.put(LinkLost("the lab's scheduler has lost what it was asked for"))
            before, seconds = there or (0, None)
            place = Place(before, seconds, cancelled)
            if place != inbox.place:
                inbox.place = place
                inbox.put(place)

    @staticmethod
    def _lose(inboxes: list[Inbox], error: Exception) -> None:
        lost = error if isinstance(error, LinkLost) else LinkLost("its host does not answer")
        for inbox in inboxes:
            inbox.put(lost)
