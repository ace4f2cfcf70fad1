"""The Parquet files of an ended run, made of its journal: `cases`, `verdicts` and `measurements`.

They are used where `files.json` says that they, the journal and `run.json` are as they were, and that they were made in
the way of this version; anywhere else the journal is read. So a run folder may be copied, and what was changed in it is
noticed.
"""

import io
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bnnbench.results.arrow_types import schema
from bnnbench.results.columns import CASE_COLUMNS, INVOCATION_COLUMNS
from bnnbench.results.errors import StoreError
from bnnbench.results.records import SCHEMA, RunRecord
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.files import FileList, FileSum, TablesNote, read_files, sum_of, write_files
from bnnbench.results.store.reading import read_regular
from bnnbench.results.store.run_columns import DERIVATION
from bnnbench.results.store.runs import RunWriter
from bnnbench.results.store.stored_run import JOURNAL, MEASUREMENTS, RECORD, StoredRun
from bnnbench.results.tables.of_run import case_table, ending, invocation_table, verdict_table
from bnnbench.results.verdict.frame import VERDICT_COLUMNS

CASES, VERDICTS = "cases.parquet", "verdicts.parquet"
TABLES: Mapping[str, Callable[[StoredRun], pa.Table]] = {
    CASES: case_table,
    VERDICTS: verdict_table,
    MEASUREMENTS: invocation_table,
}
"""What makes each file; the last one is written last, and shows that a run is finished."""
SCHEMAS: Mapping[str, pa.Schema] = {
    CASES: schema(CASE_COLUMNS),
    VERDICTS: schema(VERDICT_COLUMNS),
    MEASUREMENTS: schema(INVOCATION_COLUMNS),
}


def finish(writer: RunWriter) -> Path:
    """Writes what a run has when it ends: `journal.end` and the Parquet files; returns the path of the last of them.
    Raises StoreError."""
    writer.write_end()
    write_tables(writer.path, writer.read())
    return writer.path / MEASUREMENTS


def write_tables(folder: Path, run: StoredRun, names: Collection[str] = TABLES.keys()) -> None:
    """Writes tables of a run that nobody writes to, and `files.json`. Raises StoreError."""
    for name, make in TABLES.items():
        if name in names:
            write_atomically(folder / name, to_parquet(make(run), run.record.run_id))
    outcome, wall_ns = ending(run)
    older = [name for name in TABLES if name not in names]
    note = TablesNote(derivation=DERIVATION, outcome=outcome, wall_ns=wall_ns, older=older)
    # A journal with damaged lines is read every time, so that it is told every time.
    write_files(folder, None if run.warnings else note, older)


def to_parquet(found: pa.Table, run_id: str) -> bytes:
    """The Parquet file of a table of a run, with the versions and the run in its metadata."""
    metadata = {"bnnbench_schema": str(SCHEMA), "bnnbench_derivation": str(DERIVATION), "run_id": run_id}
    buffer = io.BytesIO()
    pq.write_table(found.replace_schema_metadata(metadata), buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def fresh_files(folder: Path) -> FileList | None:
    """What `files.json` says of a run whose journal and `run.json` are those that its tables were made of, in the way
    of this version; None of any other."""
    try:
        found = read_files(folder)
    except StoreError:
        return None
    if found is None or found.tables is None or found.tables.derivation != DERIVATION:
        return None
    # An imported run may have no journal.
    if not is_noted(folder / RECORD, found.files.get(RECORD)):
        return None
    return found if is_noted(folder / JOURNAL, found.files.get(JOURNAL)) else None


def read_table(folder: Path, name: str, files: FileList, most: int) -> pa.Table | None:
    """A table of a run as it was noted, of at most so many rows; None where its file is another now, or one that this
    version would not have made."""
    file = table_file(folder, name, files, most)
    try:
        return None if file is None else file.read(use_threads=False).replace_schema_metadata(None)
    except (pa.ArrowException, OSError):
        return None


def table_file(folder: Path, name: str, files: FileList, most: int) -> pq.ParquetFile | None:
    """As `read_table`, before its rows are read."""
    content = _noted_content(folder / name, files.files.get(name))
    if content is None or files.tables is None or name in files.tables.older:
        return None
    try:
        file = pq.ParquetFile(pa.BufferReader(content), pre_buffer=False)
    except (pa.ArrowException, OSError):
        return None
    return file if file.metadata.num_rows <= most and file.schema_arrow.equals(SCHEMAS[name]) else None


def most_rows(name: str, record: RunRecord, files: FileList) -> int:
    """More rows than any table of a run has."""
    if name == CASES:
        return len(record.cases) + len(record.skips)
    journal = files.files.get(JOURNAL)
    return 0 if journal is None else journal.size_bytes  # each row takes more than a byte of it


def is_noted(path: Path, note: FileSum | None) -> bool:
    """Whether a file is what was noted."""
    return _noted_content(path, note) is not None


def _noted_content(path: Path, note: FileSum | None) -> bytes | None:
    try:
        if note is None or path.stat().st_size != note.size_bytes:
            return None
        content = read_regular(path)
    except OSError:
        return None
    return content if sum_of(content) == note else None
