"""The tables of a run that nobody writes to, of its own files where these are fresh, of its journal else."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bnnbench.results.errors import StoreError
from bnnbench.results.records import RunRecord
from bnnbench.results.store.listing import folder_size
from bnnbench.results.store.parts import State, state_of
from bnnbench.results.store.run_lock import is_being_written, lock_run
from bnnbench.results.store.stored_run import has_ended, read_record, read_run
from bnnbench.results.tables.of_run import RunTables, device_table, run_table, tables_of_run
from bnnbench.results.tables.run_files import CASES, TABLES, VERDICTS, fresh_files, most_rows, read_table, write_tables


@dataclass(frozen=True, slots=True)
class SettledRun:
    """A run's tables, what it is sorted by, and the state of its files before they were read."""

    place: tuple[str, str]
    state: State
    tables: RunTables


def current_tables(folder: Path) -> RunTables:
    """The tables of a run as it is now, ended or not; nothing is written. Raises StoreError."""
    kept = _kept(folder, read_record(folder))
    return tables_of_run(read_run(folder)) if kept is None else kept


def settled_run(folder: Path) -> SettledRun | None:
    """The tables of a run; those of one that has ended are written beside its journal where they are not there. None
    while somebody writes to it. Raises StoreError, also where lines of its journal are damaged."""
    state = state_of(str(folder))
    if state is None:
        return None
    record = read_record(folder)
    if record.run_id != folder.name:
        raise StoreError(f"its folder has another name than the run, which is {record.run_id}: rename the folder")
    kept = _kept(folder, record)
    if kept is not None and all((folder / name).exists() for name in TABLES):
        return SettledRun(record.place, state, kept)
    try:
        lock = lock_run(folder)
    except StoreError:
        # A store that may only be read has them in the index alone; who writes to a run adds it when it ends.
        return None if is_being_written(folder) else _read(folder)
    try:
        found = _read(folder)
        if found is not None and has_ended(folder):
            missing = [name for name in TABLES if name in (CASES, VERDICTS) or not (folder / name).exists()]
            with suppress(StoreError):
                write_tables(folder, read_run(folder), missing)
        return found
    finally:
        lock.release()


def _read(folder: Path) -> SettledRun | None:
    """The tables of a run, from its journal. Raises StoreError."""
    state = state_of(str(folder))
    run = read_run(folder)
    if state is None:
        return None
    if run.warnings:
        raise StoreError("; ".join(run.warnings))
    return SettledRun(run.record.place, state, tables_of_run(run))


def _kept(folder: Path, record: RunRecord) -> RunTables | None:
    """The tables of a run's own files, where these are fresh."""
    files = fresh_files(folder)
    if files is None or files.tables is None:
        return None
    cases, verdicts = (read_table(folder, name, files, most_rows(name, record, files)) for name in (CASES, VERDICTS))
    if cases is None or verdicts is None:
        return None
    run = run_table(record, files.tables.outcome, files.tables.wall_ns, folder_size(folder))
    return RunTables(run, device_table(record), cases, verdicts)
