"""The facts of devices over the runs of a store: what they are now, and what changed when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from warnings import warn

import msgspec

from bnnbench.results.environment import differences
from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.query.tables import query_tables
from bnnbench.results.records import Environment
from bnnbench.results.site.source import Source
from bnnbench.results.store.stored_run import read_record

MOST_CHANGES = 200
"""Changes that are kept of a device, the newest."""
_KEPT = "device_facts"
_MOVING = ("temperature_celsius", "load_average", "battery", "cooling")
"""Facts that differ from run to run by themselves."""


class FactChange(msgspec.Struct, frozen=True, kw_only=True):
    """What differed at a run from the run before it, in words."""

    run_id: str
    created: str
    text: str


class DeviceFacts(msgspec.Struct, kw_only=True):
    """A device: its facts at its last run, value by name, and what changed; `counted` changes there were in all."""

    device: str
    runs: int
    last_run: str
    last_created: str
    facts: dict[str, Any]
    changes: list[FactChange]
    counted: int


class _Seen(NamedTuple):
    run_id: str
    created: str
    device: str
    facts: dict[str, Any]


def device_facts(source: Source) -> dict[str, DeviceFacts]:
    """By device. Of devices that no new run is of, what was known stands. Warns (StoreWarning) of runs that can't be
    read; raises StoreError."""
    known = source.memory(_KEPT, dict[str, DeviceFacts])
    if known is None or not _only_newer(source, known):
        found: dict[str, DeviceFacts] = {}
        seen = _all(source)
    else:
        found, seen = known, _new(source)
    for one in seen:
        _add(found, one)
    source.remember(_KEPT, found)
    return dict(sorted(found.items()))


def _only_newer(source: Source, known: Mapping[str, DeviceFacts]) -> bool:
    """Whether each run that changed is newer than all that is known of its devices, and what is known is there."""
    place = {line.run_id: number for number, line in enumerate(source.runs)}
    if any(one.last_run not in place for one in known.values()) or not source.known:
        return False
    for run_id in source.changed:
        line = source.line(run_id)
        for device in line.devices if line is not None else ():
            if device in known and place[run_id] >= place[known[device].last_run]:
                return False
    return True


def _new(source: Source) -> Iterator[_Seen]:
    for line in reversed(source.runs):
        if line.run_id not in source.changed:
            continue
        try:
            record = read_record(source.store.runs_path / line.run_id)
        except StoreError as error:
            warn(StoreWarning(f"run {line.run_id} is left out: {error}"), stacklevel=2)
            continue
        for device, facts in record.devices.items():
            yield _Seen(line.run_id, line.created, device, {name: record.fact(device, name) for name in sorted(facts)})


def _all(source: Source) -> Iterator[_Seen]:
    """In the order of the runs."""
    table = query_tables(source.store).small["devices"].select(["run_id", "device", "facts"])
    place = {line.run_id: number for number, line in enumerate(source.runs)}
    rows = [row for row in table.to_pylist() if row["run_id"] in place]
    for row in sorted(rows, key=lambda row: -place[row["run_id"]]):
        try:
            facts = json.loads(row["facts"] or "{}")
        except ValueError:
            continue
        line = source.line(row["run_id"])
        if line is not None and isinstance(facts, dict):
            yield _Seen(line.run_id, line.created, str(row["device"]), facts)


def _add(found: dict[str, DeviceFacts], seen: _Seen) -> None:
    before = found.get(seen.device)
    if before is None:
        found[seen.device] = DeviceFacts(
            device=seen.device,
            runs=1,
            last_run=seen.run_id,
            last_created=seen.created,
            facts=seen.facts,
            changes=[],
            counted=0,
        )
        return
    texts = _changes(seen.device, before.facts, seen.facts)
    new = [FactChange(run_id=seen.run_id, created=seen.created, text=text) for text in texts]
    before.changes = [*before.changes, *new][-MOST_CHANGES:]
    before.counted += len(new)
    before.runs += 1
    before.last_run, before.last_created, before.facts = seen.run_id, seen.created, seen.facts


def _changes(device: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    if old == new:
        return []
    sides = [
        Environment(devices={device: {name: {"value": value} for name, value in facts.items() if name not in _MOVING}})
        for facts in (old, new)
    ]
    return [one.text for one in differences(*sides)]
