"""What `lab status --json` and `lab queue --json` say of devices and of who waits for them."""

from __future__ import annotations

import json

from bnnbench.harness.cli.documents.document import text_of
from bnnbench.harness.cli.documents.lab import queue_document, status_document
from bnnbench.harness.lab.queue import Waiting
from bnnbench.harness.lab.wire import Offer
from tests.harness.test_schemas import check

SINCE = "device 'lying' is quarantined since noon: wrong outputs"
OFFERS = {
    "busy": Offer(host="rack1", device="busy", entry={}, session="run-a", progress=("timing bgemm", 3, 8)),
    "gone": Offer(host="rack1", device="gone", entry={}, unusable="Device 'gone' cannot be reached: it is off."),
    "lying": Offer(host="rack2", device="lying", entry={}, unusable=f"{SINCE}.", quarantined=SINCE),
    "new": Offer(host="rack2", device="new", entry={}, facts={"cpus": {"value": 4, "source": "nproc"}}),
}
WAITING = [
    Waiting("run-c", "busy", "ci@runner", "ci", 100.0),
    Waiting("run-b", "busy", "ann@desk", "person", 200.0, expected_s=60.0),
    Waiting("run-a", "busy", "bob@desk", "person", 300.0, expected_s=90.0, is_running=True, running_s=12.5),
]


def test_every_state_of_a_device() -> None:
    document = check("lab-status", text_of(status_document(OFFERS, WAITING)))
    devices = {one.pop("device"): one for one in document["devices"]}
    assert {name: (one["state"], one["why"], one["waiting"]) for name, one in devices.items()} == {
        "busy": ("measuring", "", 2),
        "gone": ("away", "Device 'gone' cannot be reached: it is off.", 0),
        "lying": ("quarantined", f"{SINCE}.", 0),
        "new": ("free", "", 0),
    }
    assert devices["busy"]["run"] == "run-a"
    assert devices["busy"]["progress"] == {"text": "timing bgemm", "done": 3, "total": 8}
    assert devices["new"]["facts"] == {"cpus": 4}
    assert document["queue"] == json.loads(text_of(queue_document(WAITING)))["queue"]


def test_the_queue_is_in_the_order_of_turns() -> None:
    """A person who asked later goes before CI."""
    queue = check("lab-queue", text_of(queue_document(WAITING)))["queue"]
    assert [(one["run"], one["place"], one["is_running"]) for one in queue] == [
        ("run-a", 0, True),
        ("run-b", 1, False),
        ("run-c", 2, False),
    ]
    assert (queue[0]["running_s"], queue[0]["expected_s"], queue[2]["expected_s"]) == (12.5, 90.0, None)
