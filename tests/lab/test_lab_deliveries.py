"""What hosts are sent: each is asked once, and again when it did not answer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from bnnbench.harness.lab.deliveries import Deliveries
from bnnbench.harness.lab.link import LinkLost
from bnnbench.harness.lab.wire import Placed
from bnnbench.kernels.built_elsewhere import Artifact

FILES = {"a" * 64 + "/model.tflite": Path("model.tflite")}
BUILDS = [Artifact("engines", "key", "b" * 64)]
FIRST, SECOND, OTHER = Placed("tls://h:1", "h/7"), Placed("tls://h:2", "h/7"), Placed("tls://h:3", "h/8")


class CountedLink:
    """Whose hosts lack no build."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str]]] = []
        self.asked: list[tuple[str, list[Artifact]]] = []
        self.is_cut = False

    def send(self, worker: str, files: Any, check: Any) -> None:
        if self.is_cut:
            raise LinkLost("cut")
        self.sent.append((worker, list(files)))

    def ask(self, worker: str, function: Any, builds: list[Artifact]) -> list[Artifact]:
        self.asked.append((worker, builds))
        return []


def test_each_host_is_asked_once_whichever_device_is_first() -> None:
    link = CountedLink()
    deliveries = Deliveries(link)  # type: ignore[arg-type]
    threads = [
        threading.Thread(target=lambda at=at: deliveries.deliver(deliveries.host(at), FILES, BUILDS, lambda: None))
        for at in [FIRST, SECOND, OTHER] * 5
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert deliveries.host(SECOND) in (FIRST, SECOND)
    assert deliveries.host(OTHER) == OTHER
    expected = sorted([deliveries.host(FIRST).address, OTHER.address])
    assert sorted(link.sent) == [(worker, list(FILES)) for worker in expected]
    assert sorted(link.asked, key=str) == [(worker, BUILDS) for worker in expected]


def test_only_what_is_new_is_asked_for() -> None:
    link = CountedLink()
    deliveries = Deliveries(link)  # type: ignore[arg-type]
    deliveries.deliver(FIRST, FILES, BUILDS, lambda: None)
    more = FILES | {"c" * 64 + "/photos.npz": Path("photos.npz")}
    deliveries.deliver(FIRST, more, [*BUILDS, Artifact("engines", "another", "d" * 64)], lambda: None)
    assert link.sent[1] == (FIRST.address, ["c" * 64 + "/photos.npz"])
    assert [build.key for build in link.asked[1][1]] == ["another"]


def test_what_did_not_arrive_is_sent_again() -> None:
    """By the worker that is there then."""
    link = CountedLink()
    deliveries = Deliveries(link)  # type: ignore[arg-type]
    link.is_cut = True
    with pytest.raises(LinkLost):
        deliveries.deliver(deliveries.host(FIRST), FILES, BUILDS, lambda: None)
    deliveries.forget(FIRST)
    link.is_cut = False
    deliveries.deliver(deliveries.host(SECOND), FILES, BUILDS, lambda: None)
    assert deliveries.host(FIRST) == SECOND
    assert link.sent == [(SECOND.address, list(FILES))]
    assert link.asked == [(SECOND.address, BUILDS)]


def test_a_run_that_is_stopped_does_not_wait_for_another_devices_delivery() -> None:
    link = CountedLink()
    deliveries = Deliveries(link)  # type: ignore[arg-type]
    begun, goes_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> None:
        begun.set()
        goes_on.wait(10)

    link.send = slow  # type: ignore[method-assign]
    first = threading.Thread(target=deliveries.deliver, args=(FIRST, FILES, [], lambda: None))
    first.start()
    begun.wait(10)

    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deliveries.deliver(FIRST, FILES, [], stopped)
    goes_on.set()
    first.join(10)
