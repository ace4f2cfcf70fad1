"""What a lab's hosts and its scheduler say at one moment: what the page of the lab shows, beside the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["free", "measuring", "away", "quarantined"]


@dataclass(frozen=True, slots=True)
class LabDevice:
    """A device that a host offers. `why` says why it cannot be had, in sentences; `progress` what its run does now.
    `accepted_since`: when its figures were accepted last although they were out of control, ISO 8601 in UTC."""

    name: str
    host: str
    state: State
    why: str = ""
    run: str = ""
    progress: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    accepted_since: str | None = None


@dataclass(frozen=True, slots=True)
class LabRequest:
    """A run that has a device or waits for it: `place` in words, `asker` as `person` or `CI`, and the seconds that it
    takes; None where nobody knows."""

    device: str
    run: str
    place: str
    asker: str
    takes_s: float | None = None
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class LabState:
    """`requests` are in the order of the queues. `canaries` are the workloads of health checks."""

    devices: Sequence[LabDevice]
    requests: Sequence[LabRequest]
    canaries: Sequence[str] = ()
