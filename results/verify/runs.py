"""A run: `run.json`, every line of its journal, the number of records, and what was made of them when it ended."""

from __future__ import annotations

import re
from pathlib import Path

from bnnbench.results.errors import StoreError
from bnnbench.results.records import RunEnd
from bnnbench.results.store.files import FileList, TablesNote, sum_of
from bnnbench.results.store.run_columns import DERIVATION
from bnnbench.results.store.run_lock import is_being_written
from bnnbench.results.store.signature import is_signed
from bnnbench.results.store.stored_run import END, JOURNAL, RECORD, StoredRun, is_sealed_run, read_journal, read_run
from bnnbench.results.verify.derived import DERIVED
from bnnbench.results.verify.finding import MAKE_AGAIN, RESTORE, ItemResult, Reading
from bnnbench.results.verify.lines import line_faults


def verify_run(store: Path, folder: Path) -> ItemResult:
    """Everything in a run's folder. One that is being written now is checked as far as its lines are written."""
    reading = Reading(store, folder)
    is_written = is_being_written(folder)
    reading.read_all()
    sums = reading.sums()
    has_grown = is_written or _has_grown(reading, sums)
    whole = reading.compare(sums) if sums is not None and not has_grown else set()
    run = _journal(reading, is_written)
    if run is not None and run.end is not None and not is_written:
        _derived(reading, run, whole, None if sums is None else sums.tables)
    state = "being written" if is_written else "ended" if END in reading.contents else "unfinished"
    return reading.result("run", state, is_signed(folder / RECORD))


def _has_grown(reading: Reading, sums: FileList | None) -> bool:
    """Whether the run was resumed after its end: its journal goes on behind what it was then, so other files may be
    new too."""
    listed = sums.files.get(JOURNAL) if sums is not None else None
    journal = reading.contents.get(JOURNAL, b"")
    return listed is not None and len(journal) > listed.size_bytes and sum_of(journal[: listed.size_bytes]) == listed


def _journal(reading: Reading, is_written: bool) -> StoredRun | None:
    """The run, where run.json, every line and the number of records are right."""
    folder, before = reading.folder, len(reading.findings)
    try:
        sealed = is_sealed_run(folder)
    except StoreError as error:
        reading.bad(folder / RECORD, str(error).removeprefix(f"{folder / RECORD} "))
        sealed = True
    data = reading.contents.get(JOURNAL)
    if data is None:
        if END in reading.contents:
            reading.bad(folder / JOURNAL, f"it is missing: {RESTORE}")
        return None
    for fault in line_faults(data, sealed):
        reading.bad(folder / JOURNAL, f"{fault}: {RESTORE}; until then it is left out of results")
    if END in reading.contents and not is_written:
        _number_of_records(reading)
    if len(reading.findings) > before:
        return None
    try:
        return read_run(folder)
    except StoreError as error:
        reading.bad(folder, str(error))
        return None


def _number_of_records(reading: Reading) -> None:
    """`journal.end` against the journal, which may only be longer after a run was resumed and has not ended again."""
    folder = reading.folder
    found = re.fullmatch(rb"([0-9]{1,15})\n", reading.contents[END])
    if found is None:
        reading.bad(folder / END, f"it is no number of records: {RESTORE}")
        return
    told = int(found[1])
    contents = read_journal(folder, sealed=False)
    has_ended = bool(contents.entries) and isinstance(contents.entries[-1], RunEnd)
    if told > contents.last_figure:
        reading.bad(folder / JOURNAL, f"{told} records were written and {contents.last_figure} are there: {RESTORE}")
    elif told < contents.last_figure and has_ended:
        reading.bad(folder / END, f"it says {told} records, and the journal has {contents.last_figure}: {RESTORE}")


def _derived(reading: Reading, run: StoredRun, whole: set[str], made: TablesNote | None) -> None:
    """The files that are made of the journal. One whose bytes are what was written, and which differs, may have been
    made by another version: no damage, unless `files.json` says that it was made as this version makes it."""
    for name, check in DERIVED.items():
        if name not in reading.contents:
            continue
        is_older = made is None or made.derivation != DERIVATION or name in made.older
        tell = reading.note if name in whole and is_older else reading.bad
        for text in check(run, reading.contents[name]):
            tell(reading.folder / name, f"{text}: {MAKE_AGAIN}")
