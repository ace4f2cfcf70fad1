"""Who is next: priorities between people and CI, places in the queue of a device, and when it will be one's turn."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

HEAD_START_S: Final[Mapping[str, float]] = {"person": 1800.0, "ci": 0.0}
"""How many seconds earlier somebody is taken to have asked. A job of CI that has waited half an hour longer than a
person goes first: age counts, and nobody waits for ever."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Work that a device has or will have. `asked_s` is when it was asked for, seconds since 1970; `expected_s` how
    long it takes, None where nobody knows. `is_running`: it has the device."""

    run: str
    device: str
    who: str
    kind: str
    asked_s: float
    expected_s: float | None = None
    is_running: bool = False
    running_s: float = 0.0
    client: str = ""
    """The process that asked."""


@dataclass(frozen=True, slots=True)
class Held:
    """A device that `--any` gave to a client, which has not asked for it yet; `since_s` is seconds since 1970."""

    client: str
    device: str
    since_s: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What `--any` asks for: `count` devices of those in `beside`, which has the devices of the same machine for each.
    `sessions` are runs and devices that hosts have work of, whatever the scheduler knows."""

    client: str
    count: int
    beside: Mapping[str, Sequence[str]]
    sessions: Sequence[tuple[str, str]] = ()


HELD_S: Final = 120.0
"""So long a device that was chosen counts as taken, if its run does not ask for it: reading models takes time."""


def take(choice: Choice, queue: Sequence[Waiting], held: Sequence[Held], now_s: float) -> tuple[list[str], list[Held]]:
    """The devices with the fewest runs before a new one, and what is held from now on."""
    there = {(item.client, item.device) for item in queue}
    left = [one for one in held if now_s - one.since_s < HELD_S and (one.client, one.device) not in there]
    asked = {(item.run, item.device) for item in queue} | set(choice.sessions)
    work = Counter([device for _, device in asked] + [one.device for one in left])
    before = {name: sum(work[each] for each in {name, *beside}) for name, beside in choice.beside.items()}
    taken = sorted(before, key=before.__getitem__)[: choice.count]
    return [name for name in before if name in taken], [*left, *(Held(choice.client, name, now_s) for name in taken)]


def kind_here(environment: Mapping[str, str] = os.environ) -> str:
    """`ci` in a job of CI, which sets CI on all services; else `person`."""
    return "ci" if environment.get("CI", "").lower() not in ("", "0", "false") else "person"


def priority(asked_s: float, kind: str) -> float:
    """Dask's: the larger one is next. It need not change with time, because all that wait grow older alike."""
    return HEAD_START_S.get(kind, 0.0) - asked_s


def in_order(queue: Sequence[Waiting]) -> list[Waiting]:
    """Of one device: what runs, then what waits, the next one first."""
    return sorted(queue, key=lambda item: (not item.is_running, -priority(item.asked_s, item.kind), item.run))


def numbered(queue: Sequence[Waiting]) -> list[tuple[Waiting, int]]:
    """All that runs or waits, device by device, each with its place, from 0."""
    return [
        (item, number)
        for device in sorted({item.device for item in queue})
        for number, item in enumerate(in_order([each for each in queue if each.device == device]))
    ]


def places(queue: Sequence[Waiting]) -> list[tuple[Waiting, str]]:
    """The same with each place in words."""
    return [
        (item, "running" if item.is_running else f"number {number + 1}" if number else "next")
        for item, number in numbered(queue)
    ]


def place(queue: Sequence[Waiting], run: str) -> tuple[int, float | None]:
    """How many are before a run on its device, and in how many seconds it will be its turn; None where that of one of
    them is not known."""
    before: list[Waiting] = []
    for item in in_order(queue):
        if item.run == run:
            break
        before.append(item)
    left = [None if item.expected_s is None else max(0.0, item.expected_s - item.running_s) for item in before]
    known = [seconds for seconds in left if seconds is not None]
    return len(before), sum(known) if len(known) == len(left) else None
