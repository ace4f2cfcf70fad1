"""How a run follows its sessions: by one question for each host, whatever the number of its devices."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from bnnbench.harness.lab import follower
from bnnbench.harness.lab.calls import news_of, places_of
from bnnbench.harness.lab.follower import Follower, Inbox, Place
from bnnbench.harness.lab.link import LinkLost
from bnnbench.harness.lab.wire import Heard, News, Placed
from tests.harness.test_run import wait_for

HOST = Placed("tls://a:1", "a/1")


class FakeLink:
    """A host and a scheduler that answer as `news` and `places` say; both may raise."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.news: Callable[[dict[str, Heard]], dict[str, News]] = lambda heard: {}
        self.places: Callable[[list[str]], tuple[str, dict[str, Any]]] = lambda devices: ("", {})

    def ask(self, worker: str, function: Any, run_id: str, heard: dict[str, Heard], wait_s: float) -> dict[str, News]:
        assert function is news_of
        self.asked[worker] += 1
        found = self.news(heard)
        if not found:
            time.sleep(0.02)
        return found

    def ask_scheduler(self, function: Any, run_id: str, devices: list[str]) -> tuple[str, dict[str, Any]]:
        assert function is places_of
        self.asked["scheduler"] += 1
        return self.places(devices)


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> FakeLink:
    for name in ("_PAUSE_S", "_PLACES_EVERY_S", "_FIRST_PLACES_S"):
        monkeypatch.setattr(follower, name, 0.01)
    return FakeLink()


def heard_by(inbox: Inbox, seconds: float = 10.0) -> News | Place:
    """The next that comes. Raises LinkLost."""
    (first, *_) = inbox.take(seconds)
    return first


def test_one_question_has_all_devices_of_a_host(link: FakeLink) -> None:
    """Each inbox has its own device's records, each once and in order."""
    devices = [f"d{number}" for number in range(50)]
    link.news = lambda heard: {
        device: News(is_known=True, start=known.records, lines=[f"{device} {known.records}"])
        for device, known in heard.items()
        if known.records < 3
    }
    followed = Follower(link, "run")  # type: ignore[arg-type]
    lines: dict[str, list[str]] = {device: [] for device in devices}
    with ExitStack() as stack:
        inboxes = [stack.enter_context(followed.following(device, HOST)) for device in devices]
        for inbox in inboxes:
            while len(lines[inbox.device]) < 3:
                for item in inbox.take(10):
                    lines[inbox.device] += item.lines if isinstance(item, News) else []
        most = link.asked[HOST.address]
    assert lines == {device: [f"{device} {number}" for number in range(3)] for device in devices}
    assert most < len(devices)


def test_places_are_told_when_they_change_and_only_while_a_session_waits(link: FakeLink) -> None:
    link.places = lambda devices: ("", dict.fromkeys(devices, (2, 60.0)))
    with Follower(link, "run").following("d", HOST) as inbox:  # type: ignore[arg-type]
        assert heard_by(inbox) == Place(2, 60.0)
        assert inbox.take(0.1) == []
        link.places = lambda devices: ("anna@desk", dict.fromkeys(devices, (1, None)))
        assert heard_by(inbox) == Place(1, None, "anna@desk")
        link.news = lambda heard: {} if heard["d"].is_known else {"d": News(is_known=True)}
        assert heard_by(inbox) == News(is_known=True)
        time.sleep(0.05)
        asked = link.asked["scheduler"]
        time.sleep(0.1)
        assert link.asked["scheduler"] == asked


def test_what_the_scheduler_has_lost_is_asked_for_again(link: FakeLink) -> None:
    answers = iter([{"d": (0, None)}, {}, {}, {"d": (0, None)}, {}, {}, {}])
    link.places = lambda devices: ("", next(answers, {}))
    with Follower(link, "run").following("d", HOST) as inbox:  # type: ignore[arg-type]
        assert heard_by(inbox) == Place(0, None)
        with pytest.raises(LinkLost, match="has lost what it was asked for"):
            inbox.take(10)
        assert link.asked["scheduler"] >= 7  # the thread goes on


def test_a_lost_host_is_told_to_its_devices_alone(link: FakeLink) -> None:
    """They are followed anew where they are asked for again."""

    def refuse(heard: dict[str, Heard]) -> dict[str, News]:
        if "lost" in heard:
            raise LinkLost("its host does not answer")
        return {}

    link.news = refuse
    followed = Follower(link, "run")  # type: ignore[arg-type]
    with followed.following("other", Placed("tls://b:1", "b/1")) as other, followed.following("lost", HOST) as lost:
        with pytest.raises(LinkLost, match="does not answer"):
            lost.take(10)
        assert all(isinstance(item, Place) for item in other.take(0.1))
    link.news = lambda heard: {"lost": News(is_known=True, lines=["x"])} if not heard["lost"].records else {}
    with followed.following("lost", HOST) as lost:
        wait_for(lambda: any(isinstance(item, News) and item.lines == ["x"] for item in lost.take(0.1)), 10)


def test_an_order_to_stop_wakes_who_waits(link: FakeLink) -> None:
    inbox = Inbox("d")
    threading.Timer(0.05, inbox.kill).start()
    begun = time.monotonic()
    assert inbox.take(30) == []
    assert time.monotonic() - begun < 10


def test_threads_end_with_what_they_ask_for(link: FakeLink) -> None:
    followed = Follower(link, "run")  # type: ignore[arg-type]
    for _ in range(2):
        with followed.following("d", HOST):
            pass
    wait_for(lambda: not any(thread.name.startswith("follower") for thread in threading.enumerate()), 10)
