"""Who is next: priorities between people and CI, places in the queue of a device, and when it will be one's turn."""

from __future__ import annotations

import os
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


def kind_here(environment: Mapping[str, str] = os.environ) -> str:
    """`ci` in a job of CI, which sets CI on all services; else `person`."""
    return "ci" if environment.get("CI", "").lower() not in ("", "0", "false") else "person"


def priority(asked_s: float, kind: str) -> float:
    """Dask's: the larger one is next. It need not change with time, because all that wait grow older alike."""
    return HEAD_START_S.get(kind, 0.0) - asked_s


def in_order(queue: Sequence[Waiting]) -> list[Waiting]:
    """Of one device: what runs, then what waits, the next one first."""
    return sorted(queue, key=lambda item: (not item.is_running, -priority(item.asked_s, item.kind), item.run))


def places(queue: Sequence[Waiting]) -> list[tuple[Waiting, str]]:
    """All that runs or waits, device by device, each with its place in words."""
    found: list[tuple[Waiting, str]] = []
    for device in sorted({item.device for item in queue}):
        for number, item in enumerate(in_order([each for each in queue if each.device == device])):
            found.append((item, "running" if item.is_running else f"number {number + 1}" if number else "next"))
    return found


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
