"""What clients and hosts of a lab tell each other. All of it is JSON; records are lines of a journal."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from bnnbench.results.records import ComparisonRecord, Entry, RunRecord
from bnnbench.results.store import journal
from bnnbench.results.store.calibration import Calibration

from ..plan.config import RunConfig

_SHORT = 1000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A device's session, asked for by a run. `record` has what concerns this device (`own_part`), `config` names files
    by their content (`files.py`); `lines` are the records of this device that the run has already. `references` are
    files of right outputs, by the `prepared_key` of their workload."""

    record: RunRecord
    config: RunConfig
    device: str
    lines: list[str] = []
    comparisons: list[ComparisonRecord] = []
    calibration: Calibration | None = None
    references: dict[str, str] = {}


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended on its host. `kind` is the error's class; `by` is who cancelled it, if anybody did."""

    outcome: Literal["done", "failed", "stopped"]
    kind: str = ""
    message: str = ""
    trace: str | None = None
    by: str = ""
    builds_ns: int = 0
    spent_ns: int = 0
    records: int = 0
    """How many the session has, from its first on."""


class Heard(msgspec.Struct, frozen=True):
    """What a client has heard of a session: so many records, and whether it is there and has ended."""

    records: int = 0
    is_known: bool = False
    has_ended: bool = False


class Placed(msgspec.Struct, frozen=True):
    """Where a device is offered: the address of its worker, and the process that this is in."""

    address: str
    process: str


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Records from `start` on, what comes next (text, done, total), and notes since the last time. `is_known` False:
    the host has no such session yet; `has_ended`: nothing more will come of it."""

    is_known: bool
    has_ended: bool = False
    start: int = 0
    lines: list[str] = []
    phase: tuple[str, int, int] | None = None
    notes: list[str] = []


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A device that a host offers. `entry` is its inventory entry; `unusable` says why it cannot be measured now, and
    `quarantined` that this is for a quarantine. `beside` are the host's devices that take turns with it."""

    host: str
    device: str
    entry: dict[str, Any]
    facts: dict[str, dict[str, Any]] = {}
    emulator: tuple[tuple[str, ...], int] | None = None
    unusable: str | None = None
    quarantined: str | None = None
    accepted_since: str | None = None
    """When its figures were accepted last although they were out of control, ISO 8601 in UTC."""
    pools: dict[str, str | None] = {}
    """The pools of its host's inventory that it is in, and those that it is in if it answers their query."""
    beside: tuple[str, ...] = ()
    session: str | None = None
    """The run whose session runs there."""
    progress: tuple[str, int, int] | None = None


def own_part(record: RunRecord, device: str) -> RunRecord:
    """A run's record without its other devices: each host is sent what it needs, however many there are."""
    return msgspec.structs.replace(
        record,
        devices={name: facts for name, facts in record.devices.items() if name == device},
        cases=[case for case in record.cases if case.device == device],
        comparisons=[item for item in record.comparisons if item.device == device],
        skips=[skip for skip in record.skips if skip.device == device],
    )


def to_line(entry: Entry) -> str:
    """A record as text. Raises ValueError for one that would not read back."""
    return journal.encode(entry).decode()


def to_entry(line: str) -> Entry:
    """The inverse of `to_line`. Raises ValueError for a text that is no record."""
    return journal.decode(line.encode())


def identity(entry: Entry) -> bytes:
    """Equal for one record, wherever it is read. Long texts count by their beginning: a journal shortens them."""
    values = msgspec.to_builtins(entry)
    short = {name: value[:_SHORT] if isinstance(value, str) else value for name, value in values.items()}
    return hashlib.sha256(msgspec.json.encode(short)).digest()
