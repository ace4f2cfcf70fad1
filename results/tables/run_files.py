"""The Parquet files of an ended run, made of its journal: `cases`, `verdicts` and `measurements`.

`files.json` names them with their SHA-256, and with those of the journal and `run.json` that they were made of. They
are used only where all of these are as it says, and it was written by a version that makes them in the same way;
anywhere else the journal is read. So a run folder may be copied, and what was changed in it is noticed.
"""

import io
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bnnbench.results.records import SCHEMA
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.run_columns import DERIVATION
from bnnbench.results.store.runs import RunWriter
from bnnbench.results.store.seal import is_sealed, is_whole, seal_document
from bnnbench.results.store.stored_run import JOURNAL, MEASUREMENTS, RECORD, StoredRun
from bnnbench.results.tables.of_run import case_table, ending, invocation_table, verdict_table

FILES = "files.json"
CASES, VERDICTS = "cases.parquet", "verdicts.parquet"
TABLES: Mapping[str, Callable[[StoredRun], pa.Table]] = {
    CASES: case_table,
    VERDICTS: verdict_table,
    MEASUREMENTS: invocation_table,
}
"""What makes each file; the last one is written last, and shows that a run is finished."""
_SOURCES = (RECORD, JOURNAL)


class FileNote(msgspec.Struct, frozen=True):
    """What a file was when it was noted."""

    bytes: int
    sha256: str


class RunFiles(msgspec.Struct, frozen=True, kw_only=True):
    """`files.json`: `derivation` says how the tables were made, `sources` of which files, `tables` what they are;
    `outcome` and `wall_ns` are those of the run."""

    schema: int = 1
    derivation: int = DERIVATION
    outcome: str
    wall_ns: float | None
    sources: dict[str, FileNote]
    tables: dict[str, FileNote]


_decoder = msgspec.json.Decoder(RunFiles)


def finish(writer: RunWriter) -> Path:
    """Writes what a run has when it ends: `journal.end` and the Parquet files; returns the path of the last of them.
    Raises StoreError."""
    writer.write_end()
    write_tables(writer.path, writer.read())
    return writer.path / MEASUREMENTS


def write_tables(folder: Path, run: StoredRun) -> None:
    """Writes the tables of a run that nobody writes to, and `files.json`. Raises StoreError."""
    sources = {name: _note(_content(folder / name)) for name in _SOURCES}
    notes = {}
    for name, make in TABLES.items():
        content = to_parquet(make(run), run.record.run_id)
        write_atomically(folder / name, content)
        notes[name] = _note(content)
    outcome, wall_ns = ending(run)
    # A journal with damaged lines is read every time, so that it is told every time.
    if not run.warnings:
        noted = RunFiles(outcome=outcome, wall_ns=wall_ns, sources=sources, tables=notes)
        write_atomically(folder / FILES, _sealed(noted))


def to_parquet(found: pa.Table, run_id: str) -> bytes:
    """The Parquet file of a table of a run, with the versions and the run in its metadata."""
    metadata = {"bnnbench_schema": str(SCHEMA), "bnnbench_derivation": str(DERIVATION), "run_id": run_id}
    buffer = io.BytesIO()
    pq.write_table(found.replace_schema_metadata(metadata), buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def noted_files(folder: Path) -> RunFiles | None:
    """What `files.json` says, of this version's way of making tables; None where it is missing, damaged or of another
    one."""
    try:
        data = read_regular(folder / FILES)
        found = decoded(data, _decoder) if is_sealed(data) and is_whole(data) else None
    except (OSError, UnreadableError):
        return None
    return found if found is not None and found.derivation == DERIVATION else None


def fresh_files(folder: Path) -> RunFiles | None:
    """As `noted_files`, where the journal and `run.json` are still those that the tables were made of."""
    notes = noted_files(folder)
    if notes is None or notes.sources.keys() != set(_SOURCES):
        return None
    return notes if all(is_noted(folder / name, note) for name, note in notes.sources.items()) else None


def read_table(folder: Path, name: str, notes: RunFiles) -> pa.Table | None:
    """A table of a run as it was noted; None where its file is another now."""
    note = notes.tables.get(name)
    content = None if note is None else _noted_content(folder / name, note)
    if content is None:
        return None
    try:
        return pq.read_table(pa.BufferReader(content)).replace_schema_metadata(None)
    except (pa.ArrowException, OSError):
        return None


def is_noted(path: Path, note: FileNote) -> bool:
    """Whether a file is what was noted."""
    return _noted_content(path, note) is not None


def _noted_content(path: Path, note: FileNote) -> bytes | None:
    try:
        if path.stat().st_size != note.bytes:
            return None
        content = read_regular(path)
    except OSError:
        return None
    return content if _note(content) == note else None


def _content(path: Path) -> bytes:
    """Of a source; a run that was imported has an empty journal, or none."""
    try:
        return read_regular(path)
    except FileNotFoundError:
        return b""


def _note(content: bytes) -> FileNote:
    return FileNote(len(content), sha256(content).hexdigest())


def _sealed(files: RunFiles) -> bytes:
    return seal_document(msgspec.json.format(msgspec.json.encode(files), indent=1))
