"""The last run of each device and suite, with what became of it in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from warnings import warn

import msgspec

from bnnbench.results.engine_table import summary
from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.frames import load
from bnnbench.results.site.source import Source
from bnnbench.results.store.listing import RunLine
from bnnbench.results.store.run_lock import is_being_written
from bnnbench.results.store.stored_run import UNFINISHED, read_run
from bnnbench.results.verdict.rows import headline, verdict_rows

_KEPT = "last_runs"
_MOST_LIVE = 20


class Words(msgspec.Struct, frozen=True):
    """What became of a run, of files in the state `fingerprint`."""

    fingerprint: str
    words: str
    is_bad: bool


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of a suite on a device."""

    device: str
    suite: str
    line: RunLine
    words: str
    is_bad: bool


def last_runs(source: Source) -> list[LastRun]:
    """By device and suite: runs, and comparisons of the same suite apart. Warns (StoreWarning) of a run that can't be
    read."""
    newest: dict[tuple[str, str, bool], RunLine] = {}
    for line in source.runs:
        for device in line.devices:
            newest.setdefault((device, line.suite, line.comparisons > 0), line)
    known = source.memory(_KEPT, dict[str, Words]) or {}
    kept = {line.run_id: _words(source, line, known) for line in newest.values()}
    source.remember(_KEPT, kept)
    return [
        LastRun(device, suite, line, kept[line.run_id].words, kept[line.run_id].is_bad)
        for (device, suite, _), line in sorted(newest.items(), key=lambda item: item[0])
    ]


def _words(source: Source, line: RunLine, known: Mapping[str, Words]) -> Words:
    fingerprint = source.fingerprints[line.run_id]
    before = known.get(line.run_id)
    if before is not None and before.fingerprint == fingerprint:
        return before
    try:
        run = read_run(source.store.runs_path / line.run_id)
        rows = verdict_rows(run)
        if line.comparisons:
            return Words(fingerprint, headline(rows), any(row.is_bad for row in rows))
        frame = load(run)
    except StoreError as error:
        warn(StoreWarning(f"run {line.run_id} is left out: {error}"), stacklevel=2)
        return Words(fingerprint, "it can't be read", True)
    return Words(fingerprint, summary(frame), bool(frame["status"].isin(("failed", "wrong_output")).any()))


def running(source: Source) -> list[RunLine]:
    """Runs that a process writes to now, newest first; only the newest of those without an end are looked at."""
    open_ = [line for line in source.runs if line.state == UNFINISHED][:_MOST_LIVE]
    return [line for line in open_ if is_being_written(source.store.runs_path / line.run_id)]
