"""A run as it is read back from its folder."""

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from bnnbench.results.errors import StoreError
from bnnbench.results.records import (
    SCHEMA,
    SIDES,
    Accuracy,
    DeviceEvent,
    Entry,
    Gate,
    Invocation,
    Pair,
    Peak,
    RunEnd,
    RunRecord,
    Side,
    Verdict,
    Verdicts,
    Window,
)
from bnnbench.results.store import journal
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.seal import is_sealed, is_whole

RECORD, JOURNAL = "run.json", "journal.jsonl"
"""What a run is read from."""
END = "journal.end"
"""The file that says how many records a journal had when its run ended."""
MEASUREMENTS = "measurements.parquet"
UNFINISHED = "incomplete"
"""The outcome of a run that did not end: it is going on, or was cut off."""
_decoder = msgspec.json.Decoder(RunRecord)


@dataclass(frozen=True)
class StoredRun:
    """`record` is what was planned, `entries` what happened since, in order.

    `warnings` are sentences about lines of the journal that could not be read; `path` is the run's folder.
    """

    record: RunRecord
    entries: list[Entry]
    path: Path | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def is_finished(self) -> bool:
        """Whether what is derived from the journal when a run ends was written."""
        return self.path is not None and (self.path / MEASUREMENTS).is_file()

    @property
    def gates(self) -> dict[str, Gate]:
        """The last gate of each case id."""
        return {entry.case_id: entry for entry in self.entries if isinstance(entry, Gate)}

    @property
    def invocations(self) -> list[Invocation]:
        """Every invocation, in the order they finished."""
        return [entry for entry in self.entries if isinstance(entry, Invocation)]

    @property
    def invocations_by_case(self) -> dict[str, list[Invocation]]:
        """The invocations of each case id by index; where an index was done again, the last one stands."""
        last: dict[str, dict[int, Invocation]] = {}
        for entry in self.invocations:
            last.setdefault(entry.case_id, {})[entry.index] = entry
        return {case: [done[index] for index in sorted(done)] for case, done in last.items()}

    @property
    def windows(self) -> list[Window]:
        """Every window, in the order they were measured."""
        return [entry for entry in self.entries if isinstance(entry, Window)]

    def pairs_of(self, comparison_id: str) -> list[Pair]:
        """The pairs of a comparison, in the order they were measured."""
        return [entry for entry in self.entries if isinstance(entry, Pair) and entry.comparison_id == comparison_id]

    @property
    def verdicts(self) -> list[Verdict]:
        """The last verdicts of each comparison, one for each metric."""
        last: dict[str, dict[str, Verdict]] = {}
        for entry in self.entries:
            if isinstance(entry, Verdicts):
                last[entry.comparison_id] = {verdict.metric: _with_side(verdict) for verdict in entry.verdicts}
            elif isinstance(entry, Verdict):
                last.setdefault(entry.comparison_id, {})[entry.metric] = _with_side(_with_today_s_effect(entry))
        return [one for metrics in last.values() for one in metrics.values()]

    @property
    def judged(self) -> set[str]:
        """The ids of comparisons that are done: they have all their verdicts, and none failed.

        Verdicts that were written one by one may lack some of them; such a comparison is judged again.
        """
        whole = {entry.comparison_id: entry.verdicts for entry in self.entries if isinstance(entry, Verdicts)}
        return {id for id, those in whole.items() if those and all(item.status != "failed" for item in those)}

    @property
    def accuracies(self) -> dict[str, Accuracy]:
        """The last accuracy of each case id."""
        return {entry.case_id: entry for entry in self.entries if isinstance(entry, Accuracy)}

    @property
    def peaks(self) -> list[Peak]:
        """Every measured roof."""
        return [entry for entry in self.entries if isinstance(entry, Peak)]

    @property
    def events(self) -> list[DeviceEvent]:
        """What happened to the devices."""
        return [entry for entry in self.entries if isinstance(entry, DeviceEvent)]

    def peaks_of(self, device: str) -> list[Peak]:
        """Those of one device."""
        return self._by_device[0].get(device, [])

    def events_of(self, device: str) -> list[DeviceEvent]:
        """Those of one device."""
        return self._by_device[1].get(device, [])

    @cached_property
    def _by_device(self) -> tuple[dict[str, list[Peak]], dict[str, list[DeviceEvent]]]:
        peaks: dict[str, list[Peak]] = {}
        events: dict[str, list[DeviceEvent]] = {}
        for peak in self.peaks:
            peaks.setdefault(peak.device, []).append(peak)
        for event in self.events:
            events.setdefault(event.device, []).append(event)
        return peaks, events

    @property
    def end(self) -> RunEnd | None:
        """How the run ended; None while it runs, and after it was cut off or resumed without ending."""
        for entry in reversed(self.entries):
            if isinstance(entry, RunEnd):
                return entry
            if isinstance(entry, Gate | Invocation | Pair | Verdict | Verdicts | Accuracy | Window):
                return None
        return None


def _with_today_s_effect(old: Verdict) -> Verdict:
    """Verdicts that were written one by one took accuracies for exact, with a ratio as the effect."""
    if old.unit != "share" or old.level != 1.0 or old.base_value is None or old.head_value is None:
        return old
    effect = old.head_value - old.base_value
    return msgspec.structs.replace(old, effect=effect, low=effect, high=effect)


def _with_side(old: Verdict) -> Verdict:
    """Verdicts of before said whose failure it is at the beginning of their reason only."""
    if old.side is not None or old.status not in ("failed", "wrong_output") or old.reason is None:
        return old
    side: Side | None = next((item for item in SIDES if old.reason.startswith((f"{item}:", f"{item},"))), None)
    return old if side is None else msgspec.structs.replace(old, side=side)


def is_run(folder: Path) -> bool:
    """Whether a folder is one of a run."""
    return os.path.isfile(folder / RECORD)  # noqa: PTH113 - Path.is_file raises where one may not look


def read_record(folder: Path) -> RunRecord:
    """Reads `run.json` of a run's folder. Raises StoreError when it is missing, damaged or of a newer
    schema."""
    return _read_record(folder)[0]


def read_run(folder: Path) -> StoredRun:
    """Reads a run's folder without changing it. Raises StoreError."""
    record, sealed = _read_record(folder)
    contents = read_journal(folder, sealed)
    return StoredRun(record, contents.entries, folder, contents.warnings)


def read_journal(folder: Path, sealed: bool) -> journal.Contents:
    """Reads the journal of a run's folder; `sealed` says that the run was created with checksums. Raises StoreError."""
    least, warning = _records_at_the_end(folder / END)
    contents = journal.read(folder / JOURNAL, sealed=sealed, least=least)
    contents.warnings.extend(warning)
    return contents


def has_ended(folder: Path) -> bool:
    """Whether a run ended, and was not resumed since. Raises StoreError."""
    record, sealed = _read_record(folder)
    written, _ = _records_at_the_end(folder / END)
    contents = read_journal(folder, sealed)
    if written:
        return contents.last_figure <= written
    # Older versions wrote no number; imported runs may have no journal.
    run = StoredRun(record, contents.entries, folder)
    return run.is_finished and (run.end is not None or not run.entries)


def is_sealed_run(folder: Path) -> bool:
    """Whether the run was created with checksums. Raises StoreError."""
    return _read_record(folder)[1]


def _read_record(folder: Path) -> tuple[RunRecord, bool]:
    path = folder / RECORD
    try:
        data = read_regular(path)
    except OSError as error:
        raise StoreError(f"{path} can't be read ({error.strerror}): check the folder of the run") from error
    try:
        record = decoded(data, _decoder)
        if not is_whole(data):
            raise UnreadableError("its checksum is wrong")
    except UnreadableError as error:
        raise StoreError(
            f"{path} is not a run record ({error}): restore the file, or move the run's folder away"
        ) from error
    if record.schema > SCHEMA:
        raise StoreError(f"{path} has schema {record.schema} and this bnnbench reads up to {SCHEMA}: update bnnbench")
    return record, is_sealed(data)


def _records_at_the_end(path: Path) -> tuple[int, list[str]]:
    """How many records the journal had at least, 0 where that is not known; and a warning where the file is damaged."""
    try:
        text = read_regular(path)
    except OSError:
        return 0, []
    found = re.fullmatch(rb"([0-9]{1,15})\n", text)
    return (int(found[1]), []) if found else (0, [f"{path.name} is damaged: whether the journal is whole is not known"])
