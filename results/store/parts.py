"""The parts of a store's index: folders of Parquet files, which are never changed, each with the rows of some runs.

    <store>/index/<version>-<part>/part.json            what is in it, each file with its SHA-256
    <store>/index/<version>-<part>/runs.parquet         a row per run, with the state of its files when it was read
    <store>/index/<version>-<part>/devices.parquet      a row per device of a run
    <store>/index/<version>-<part>/verdicts.parquet     a row per verdict
    <store>/index/<version>-<part>/cases-0.parquet ...  a row per case, sorted by case
    <store>/index/removed/<run id>                      empty: the run was removed since

A part is complete as soon as it has its name. A run may be in several; of these, one stands whose noted state is that
of the run's files now.
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import msgspec

from bnnbench.results.errors import store_error
from bnnbench.results.store.atomic import sync_folder
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.seal import is_sealed, is_whole, seal_document
from bnnbench.results.store.stored_run import JOURNAL, RECORD

INDEX = "index"
_MANIFEST = "part.json"
_REMOVED = "removed"
UNDER_WAY = ".new-"
"""Begins the name of a part that is being written."""

State = tuple[int, int, int, int, int, int]
"""Size, time of the last change of the content, and of the status, both in ns, of `run.json` and of the journal."""
STATE_COLUMNS = tuple(f"{file}_{what}" for file in ("record", "journal") for what in ("bytes", "mtime_ns", "ctime_ns"))


class PartFile(msgspec.Struct, frozen=True, kw_only=True):
    """A Parquet file of a part; `low` and `high` are kind and workload of its first and last row, of cases only."""

    name: str
    rows: int
    sha256: str
    low: tuple[str, str] | None = None
    high: tuple[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`part.json`: `tables` maps `runs`, `devices`, `verdicts` and `cases` to their files, `runs` counts runs."""

    schema: int = 1
    runs: int
    tables: dict[str, list[PartFile]]


_decoder = msgspec.json.Decoder(Manifest)


class PartError(Exception):
    """A part is gone, or damaged."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(f"{folder} {what}")
        self.folder = folder


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an index, on the disk."""

    folder: Path
    manifest: Manifest
    _verified: set[str] = field(default_factory=set, compare=False)

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        return sum(file.rows for file in self.manifest.tables.get(table, []))

    def paths(self, table: str) -> list[Path]:
        """The files of a table, each compared with its SHA-256. Raises PartError."""
        return [self.verified(file) for file in self.manifest.tables.get(table, [])]

    def verified(self, file: PartFile) -> Path:
        """The path of a file of it whose content is what was written. Raises PartError."""
        path = self.folder / file.name
        if file.name in self._verified:
            return path
        try:
            content = read_regular(path)
        except OSError as error:
            raise PartError(self.folder, f"can't be read: {file.name}: {error.strerror}") from error
        if sha256(content).hexdigest() != file.sha256:
            raise PartError(self.folder, f"is damaged: {file.name} has another SHA-256")
        self._verified.add(file.name)
        return path


def index_folder(store: Path) -> Path:
    """Where the index of a store is."""
    return store / INDEX


def parts_of(store: Path, version: int) -> list[Part]:
    """The parts of a version, those of the most runs first; none where there is no index. Damaged ones are left out."""
    found = (read_part(folder) for folder in part_folders(store) if folder.name.startswith(f"{version}-"))
    return sorted((part for part in found if part is not None), key=lambda part: (-part.manifest.runs, part.folder))


def part_folders(store: Path) -> list[Path]:
    """The folders of parts of all versions, complete ones only."""
    try:
        with os.scandir(index_folder(store)) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.name[:1].isdigit())
    except OSError:
        return []


def read_part(folder: Path) -> Part | None:
    """A part, or None where its manifest is gone or damaged."""
    try:
        data = read_regular(folder / _MANIFEST)
        manifest = decoded(data, _decoder) if is_sealed(data) and is_whole(data) else None
    except (OSError, UnreadableError):
        return None
    if manifest is None or manifest.runs < 1 or any(Path(file.name).name != file.name for file in _files(manifest)):
        return None
    return Part(folder, manifest)


def is_part(folder: Path) -> bool:
    """Whether a part is there: it is not while it is being removed."""
    return (folder / _MANIFEST).is_file()


def write_part(store: Path, version: int, runs: int, files: Iterator[tuple[str, PartFile, bytes]]) -> Part:
    """Writes a part of `runs` runs, of (table, file, content); its manifest has the SHA-256. Raises StoreError."""
    index = index_folder(store)
    folder = index / f"{version}-{secrets.token_hex(8)}"
    new = index / f"{UNDER_WAY}{folder.name}"
    tables: dict[str, list[PartFile]] = {}
    try:
        new.mkdir(parents=True)
        for table, file, content in files:
            noted = msgspec.structs.replace(file, sha256=sha256(content).hexdigest())
            tables.setdefault(table, []).append(noted)
            _write(new / file.name, content)
        manifest = Manifest(runs=runs, tables=tables)
        _write(new / _MANIFEST, seal_document(msgspec.json.format(msgspec.json.encode(manifest), indent=1)))
        sync_folder(new)
        new.rename(folder)
        sync_folder(index)
    except OSError as error:
        raise store_error(error, index) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return Part(folder, manifest)


def remove_part(folder: Path) -> None:
    """Removes a part; one that is gone already is fine."""
    # First, so that no reader takes what is left for a part.
    with suppress(OSError):
        (folder / _MANIFEST).unlink()
    shutil.rmtree(folder, ignore_errors=True)


def note_removed(store: Path, run_id: str) -> None:
    """Notes that a run was removed, so that rows of it are not taken for those of another run that gets its id. Raises
    StoreError."""
    folder = index_folder(store)
    if not folder.is_dir():
        return
    try:
        (folder / _REMOVED).mkdir(exist_ok=True)
        (folder / _REMOVED / run_id).touch()
    except OSError as error:
        raise store_error(error, folder) from error


def removed_runs(store: Path) -> set[str]:
    """The runs that were removed since the index was made."""
    try:
        return {path.name for path in (index_folder(store) / _REMOVED).iterdir()}
    except OSError:
        return set()


def forget_removed(store: Path, run_id: str) -> None:
    """The index has no rows of a removed run any more."""
    with suppress(OSError):
        (index_folder(store) / _REMOVED / run_id).unlink()


def state_of(folder: str) -> State | None:
    """The state of a run's files; None where it is no run (any more)."""
    try:
        record = os.stat(f"{folder}/{RECORD}")  # noqa: PTH116 - a store may have 100,000 runs
    except OSError:
        return None
    try:
        journal = os.stat(f"{folder}/{JOURNAL}")  # noqa: PTH116
    except OSError:
        return record.st_size, record.st_mtime_ns, record.st_ctime_ns, -1, 0, 0
    return (
        *(record.st_size, record.st_mtime_ns, record.st_ctime_ns),
        *(journal.st_size, journal.st_mtime_ns, journal.st_ctime_ns),
    )


_first_seen: ContextVar[dict[str, State | None] | None] = ContextVar("first_seen", default=None)


@contextmanager
def each_looked_at_once() -> Iterator[None]:
    """Within the block, `seen_state` of a run stays what it was when it was first asked for: a store that is read
    several times is looked at once, and all that is read is of the same moment."""
    token = _first_seen.set({})
    try:
        yield
    finally:
        _first_seen.reset(token)


def seen_state(folder: str) -> State | None:
    """As `state_of`, which may be as old as the block of `each_looked_at_once`."""
    known = _first_seen.get()
    if known is None:
        return state_of(folder)
    if folder not in known:
        known[folder] = state_of(folder)
    return known[folder]


def _files(manifest: Manifest) -> Sequence[PartFile]:
    return [file for files in manifest.tables.values() for file in files]


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
