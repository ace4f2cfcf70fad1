"""What the last runs say of their devices: temperatures, clocks, roofs, and what lowered trust."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from warnings import warn

import msgspec

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.records import Peak
from bnnbench.results.site.source import Source
from bnnbench.results.store.stored_run import StoredRun, read_run

LAST = 20
"""Runs of a device that are looked at."""
_KEPT = "device_runs"
_MOST_TEXT = 300


class Finding(msgspec.Struct, frozen=True):
    """An event of a device during a run."""

    kind: str
    message: str


class DeviceRun(msgspec.Struct, frozen=True, kw_only=True):
    """A device in one run: least, median and greatest temperature in °C, and clock in Hz; None where not read."""

    run_id: str
    created: str
    suite: str
    fingerprint: str
    celsius: tuple[float, float, float] | None
    clock_hz: tuple[float, float, float] | None
    findings: list[Finding]
    peaks: list[Peak]


def device_runs(source: Source) -> dict[str, list[DeviceRun]]:
    """The last runs of each device, oldest first. Warns (StoreWarning) of a run that can't be read."""
    wanted: dict[str, list[str]] = {}
    for line in source.runs:
        for device in line.devices:
            if len(wanted.setdefault(device, [])) < LAST:
                wanted[device].append(line.run_id)
    known = source.memory(_KEPT, dict[str, list[DeviceRun]]) or {}
    before = {(device, one.run_id): one for device, runs in known.items() for one in runs}
    read: dict[str, StoredRun | None] = {}
    found = {
        device: [
            one
            for run_id in reversed(run_ids)
            if (one := _of(source, run_id, device, before.get((device, run_id)), read)) is not None
        ]
        for device, run_ids in wanted.items()
    }
    source.remember(_KEPT, found)
    return found


def _of(
    source: Source, run_id: str, device: str, known: DeviceRun | None, read: dict[str, StoredRun | None]
) -> DeviceRun | None:
    fingerprint = source.fingerprints[run_id]
    if known is not None and known.fingerprint == fingerprint:
        return known
    if run_id not in read:
        try:
            read[run_id] = read_run(source.store.runs_path / run_id)
        except StoreError as error:
            warn(StoreWarning(f"run {run_id} is left out: {error}"), stacklevel=2)
            read[run_id] = None
    run = read[run_id]
    return None if run is None else _summary(run, device, fingerprint)


def _summary(run: StoredRun, device: str, fingerprint: str) -> DeviceRun:
    mine = {case.id for case in run.record.cases if case.device == device}
    invocations = [one for one in run.invocations if one.case_id in mine]
    celsius = [each for one in invocations for each in _numbers(one.telemetry.get("temperature_celsius"))]
    clocks = [clock for one in invocations for clock in one.clock_hz if clock > 0]
    return DeviceRun(
        run_id=run.record.run_id,
        created=run.record.created,
        suite=run.record.suite_name,
        fingerprint=fingerprint,
        celsius=_spread(celsius),
        clock_hz=_spread(clocks),
        findings=[Finding(event.kind, event.message[:_MOST_TEXT]) for event in run.events_of(device)],
        peaks=[] if run.record.emulated(device) else run.peaks_of(device),
    )


def _numbers(value: object) -> list[float]:
    given = value if isinstance(value, list) else [value]
    return [float(each) for each in given if isinstance(each, int | float) and not isinstance(each, bool)]


def _spread(values: list[float]) -> tuple[float, float, float] | None:
    return (min(values), float(median(values)), max(values)) if values else None


def roofs(runs: Iterable[DeviceRun]) -> list[Peak]:
    """The highest of each ISA level and thread count over runs: a busy moment only ever lowers a roof."""
    best: dict[tuple[str | None, int], Peak] = {}
    for peak in (peak for run in runs for peak in run.peaks):
        key = (peak.isa, peak.threads)
        if key not in best or (peak.popcount_gops or 0) > (best[key].popcount_gops or 0):
            best[key] = peak
    return sorted(best.values(), key=lambda peak: (peak.threads, -(peak.popcount_gops or 0)))


def findings(runs: Iterable[DeviceRun]) -> list[tuple[Finding, int, str]]:
    """Each finding of the runs, in how many, and the last of these; the newest first."""
    counts: dict[Finding, int] = {}
    last: dict[Finding, str] = {}
    for run in runs:
        for finding in dict.fromkeys(run.findings):
            counts[finding] = counts.get(finding, 0) + 1
            last[finding] = run.run_id
    return [(finding, counts[finding], last[finding]) for finding in reversed(list(dict.fromkeys(_newest(last))))]


def _newest(last: Mapping[Finding, str]) -> list[Finding]:
    return sorted(last, key=lambda finding: last[finding])
