"""When a new run would have a lab's devices."""

from __future__ import annotations

import pytest

from bnnbench.harness.cli.estimate import _place
from bnnbench.harness.lab.lab_places import LabPlace, places_of
from bnnbench.harness.lab.queue import HEAD_START_S, Waiting
from bnnbench.harness.lab.wire import Offer

NOON = 1_800_000_000.0
FACTS = {"model": {"value": "Pi", "source": "test"}}


def offer(device: str, *beside: str, **more: object) -> Offer:
    given = {"host": "rack", "entry": {}, "facts": FACTS, "beside": (device, *beside)} | more
    return Offer(device=device, **given)  # type: ignore[arg-type]


OFFERS = {
    "desk": offer("desk", "emulated"),
    "emulated": offer("emulated", "desk"),
    "pi": offer("pi"),
    "away": offer("away", facts={}, unusable="device 'away' cannot be reached."),
}
RUNNING = Waiting("a", "emulated", "x", "ci", NOON - 60, expected_s=100.0, is_running=True, running_s=40.0)


def test_devices_of_one_machine_have_one_queue() -> None:
    found = places_of(["desk", "pi", "emulated"], OFFERS, [RUNNING], "person", NOON)
    assert found.of_device == {"desk": LabPlace(1, 60.0), "pi": LabPlace(0, 0.0), "emulated": LabPlace(1, 60.0)}
    assert found.groups == [["desk", "emulated"], ["pi"]]


def test_the_place_is_that_of_somebody_who_asks_now() -> None:
    ci = Waiting("b", "pi", "x", "ci", NOON - 60, expected_s=30.0)
    old = Waiting("c", "pi", "x", "ci", NOON - HEAD_START_S["person"] - 1)
    assert places_of(["pi"], OFFERS, [ci], "person", NOON).of_device["pi"] == LabPlace(0, 0.0)
    assert places_of(["pi"], OFFERS, [ci], "ci", NOON).of_device["pi"] == LabPlace(1, 30.0)
    assert places_of(["pi"], OFFERS, [ci, old], "person", NOON).of_device["pi"] == LabPlace(1, None)


def test_devices_that_cannot_be_had_or_went_away() -> None:
    found = places_of(["away", "gone"], OFFERS, [], "ci", NOON)
    assert found.of_device == {"away": LabPlace(0, 0.0, "device 'away' cannot be reached.")}
    assert found.groups == [["away"], ["gone"]]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (LabPlace(0, 0.0), "pi: free now"),
        (LabPlace(1, 600.0), "pi: behind 1 run in the lab, about 10 min"),
        (LabPlace(3, None), "pi: behind 3 runs in the lab, nobody knows for how long"),
        (LabPlace(3, None, "device 'pi' is quarantined."), "pi cannot be had now: device 'pi' is quarantined."),
    ],
)
def test_words(place: LabPlace, said: str) -> None:
    assert _place("pi", place) == said
