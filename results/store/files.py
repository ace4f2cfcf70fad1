"""`files.json`: size and SHA-256 of every file in a folder that is finished, of a run that ended or of a baseline.

It is written last, so it vouches for what has no checksum of its own: Parquet files, signatures, `capsule.json`. A
folder of a version before has none.
"""

import hashlib
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec

from bnnbench.results.errors import StoreError
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.seal import is_sealed, is_whole, seal_document

FILES = "files.json"
_LOCKS = ".lock"
_OF_THIS_HOST = ("faults.txt",)
"""Traces of errors, which may hold paths: they stay where they were written."""


class FileSum(msgspec.Struct, frozen=True, kw_only=True):
    """Of a file's content when its folder was finished."""

    size_bytes: int
    sha256: str


class TablesNote(msgspec.Struct, frozen=True, kw_only=True):
    """Of a run whose tables were made of its journal: `derivation` counts the ways to make them, `outcome` and
    `wall_ns` are how the run ended and what it took, `older` the tables that an older version made."""

    derivation: int
    outcome: str
    wall_ns: float | None = None
    older: list[str] = []


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """`files` maps paths relative to the folder, with `/`, to their sums; `tables` is None where there are none, or
    where parts of the journal could not be read."""

    files: dict[str, FileSum]
    tables: TablesNote | None = None


_decoder = msgspec.json.Decoder(FileList)


def sum_of(content: bytes) -> FileSum:
    """Size and SHA-256 of a file's content."""
    return FileSum(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def file_names(folder: Path) -> list[str]:
    """The regular files in a folder and its subfolders, by name; without `files.json`, locks, links, and the temporary
    files of writers. Raises OSError."""
    found = []
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        place = Path(where)
        for name in names:
            relative = (place / name).relative_to(folder).as_posix()
            if relative not in (FILES, *_OF_THIS_HOST) and not name.startswith(".") and not name.endswith(_LOCKS):
                found.append(relative)
    return sorted(name for name in found if not (folder / name).is_symlink() and (folder / name).is_file())


def write_files(folder: Path, tables: TablesNote | None = None, kept: Collection[str] = ()) -> None:
    """Writes `files.json` of what the folder has now; files named in `kept` have the sums that they had before, so that
    damage since then is not taken for what was written. Raises StoreError."""
    try:
        before = {}
        if kept:
            with suppress(StoreError):
                before = {name: one for name, one in _sums(folder).items() if name in kept}
        sums = {name: sum_of(read_regular(folder / name)) for name in file_names(folder)} | before
    except OSError as error:
        raise StoreError(f"{folder} can't be read ({error.strerror}): check its permissions") from error
    document = msgspec.json.format(msgspec.json.encode(FileList(files=sums, tables=tables)), indent=1)
    write_atomically(folder / FILES, seal_document(document))


def _sums(folder: Path) -> dict[str, FileSum]:
    found = read_files(folder)
    return {} if found is None else found.files


def read_files(folder: Path) -> FileList | None:
    """None where there is no such file: the folder is not finished, or of a version before. Raises StoreError where it
    is damaged."""
    path = folder / FILES
    try:
        data = read_regular(path)
        found = decoded(data, _decoder)
        if not is_whole(data) or not is_sealed(data):
            raise UnreadableError("its checksum is wrong")
    except FileNotFoundError:
        return None
    except (OSError, UnreadableError) as error:
        raise StoreError(f"it can't be read ({error}): restore it from a copy of the folder") from error
    return found


def _raise(error: OSError) -> None:
    raise error
