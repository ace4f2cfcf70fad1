"""The tables of an ended run, of its own files where these are fresh, of its journal else."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bnnbench.results.errors import StoreError
from bnnbench.results.records import RunRecord
from bnnbench.results.store.listing import folder_size
from bnnbench.results.store.parts import State, state_of
from bnnbench.results.store.run_lock import lock_run
from bnnbench.results.store.stored_run import read_record, read_run
from bnnbench.results.tables.of_run import RunTables, device_table, run_table, tables_of
from bnnbench.results.tables.run_files import CASES, VERDICTS, fresh_files, read_table, write_tables


@dataclass(frozen=True, slots=True)
class EndedRun:
    """An ended run's tables, what it is sorted by, and the state of its files before they were read."""

    place: tuple[str, str]
    state: State
    tables: RunTables


def current_tables(folder: Path) -> RunTables:
    """The tables of a run as it is now, ended or not; nothing is written. Raises StoreError."""
    kept = _kept(folder, read_record(folder))
    return tables_of(read_run(folder)) if kept is None else kept


def ended_run(folder: Path) -> EndedRun | None:
    """The tables of a run, which are written beside its journal where they are not there; None for one that has not
    ended. Raises StoreError, also where lines of its journal are damaged."""
    state = state_of(str(folder))
    if state is None:
        return None
    record = read_record(folder)
    kept = _kept(folder, record)
    if kept is not None:
        return EndedRun(record.place, state, kept)
    read = read_run(folder)
    if not read.is_finished:
        return None
    if read.warnings:
        raise StoreError("; ".join(read.warnings))
    # A store that may only be read, or a run that is being resumed, has them in the index alone.
    with suppress(StoreError), lock_run(folder):
        write_tables(folder, read, (CASES, VERDICTS))
    return EndedRun(record.place, state, tables_of(read))


def _kept(folder: Path, record: RunRecord) -> RunTables | None:
    """The tables of a run's own files, where these are fresh."""
    files = fresh_files(folder)
    if files is None or files.tables is None:
        return None
    cases, verdicts = (read_table(folder, name, files) for name in (CASES, VERDICTS))
    if cases is None or verdicts is None:
        return None
    run = run_table(record, files.tables.outcome, files.tables.wall_ns, folder_size(folder))
    return RunTables(run, device_table(record), cases, verdicts)
