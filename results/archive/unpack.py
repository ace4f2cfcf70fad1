"""An archive as a run's folder: in a store, or in a folder of its own for reading."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from bnnbench.results.archive.container import AGAIN, Archive
from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.errors import StoreError, store_error
from bnnbench.results.store import calibration as stored_calibration
from bnnbench.results.store.atomic import sync_folder
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.reading import decoded, read_regular
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import END, JOURNAL, RECORD, StoredRun, read_run
from bnnbench.results.tables.run_files import write_tables

_UNPACKING = ".unpacking-"
_RUN_FILES = (RECORD, JOURNAL, END)
_decoder = msgspec.json.Decoder(Calibration)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A run in a store; `is_new` is False when the same run was there already."""

    path: Path
    is_new: bool


def unpack(archive: Archive, store: Store) -> Unpacked:
    """Makes a run of the store of an archive. It has no signature of this user: it is from elsewhere.

    Everything is checked beside its place, which is then taken by one rename. Raises ArchiveError, also for another run
    of the same id; StoreError.
    """
    target = store.runs_path / archive.manifest.run_id
    if target.exists() or target.is_symlink():
        archive.check()
        _require_same(archive, target)
        return Unpacked(target, is_new=False)
    temporary: Path | None = None
    try:
        store.runs_path.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_UNPACKING, dir=store.runs_path))
        # One folder deeper, where no reader of the store takes it for a run.
        run = _run_in(archive, temporary)
        folder = run.path
        assert folder is not None
        shutil.rmtree(folder / "calibrations", ignore_errors=True)  # which would count for this store's own devices
        if run.end is not None:
            write_tables(folder, run)
        sync_folder(folder)
        folder.rename(target)
        sync_folder(store.runs_path)
    except OSError as error:
        raise store_error(error, target) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return Unpacked(target, is_new=True)


def unpack_aside(archive: Archive, folder: Path) -> tuple[Store, StoredRun, Mapping[str, Calibration]]:
    """A store in an empty folder that holds the archive's run and its calibrations, by device. Raises ArchiveError,
    StoreError."""
    store = Store(folder)
    try:
        store.runs_path.mkdir(parents=True)
    except OSError as error:
        raise store_error(error, store.runs_path) from error
    run = _run_in(archive, store.runs_path)
    assert run.path is not None
    calibrations = {}
    for name in sorted(archive.manifest.files):
        if name not in _RUN_FILES:
            try:
                found = decoded(read_regular(run.path / name), _decoder)
                datetime.fromisoformat(found.created)  # a part of a file's name
            except ValueError as error:
                raise ArchiveError(f"{archive.path}: {name} is not a calibration ({error}): {AGAIN}") from error
            calibrations[found.device] = found
            stored_calibration.save(store.path, found)
    return store, run, calibrations


def _run_in(archive: Archive, parent: Path) -> StoredRun:
    """The run, extracted into its folder in `parent`. Raises ArchiveError when it is none, or another."""
    run_id, folder = archive.manifest.run_id, parent / archive.manifest.run_id
    try:
        folder.mkdir()
    except OSError as error:
        raise store_error(error, folder) from error
    archive.extract(folder)
    with suppress(OSError):
        folder.chmod(0o755)
    try:
        run = read_run(folder)
    except ArchiveError:
        raise
    except StoreError as error:
        # Its sentence names the file, in a folder that is gone by the time it is read.
        said = str(error).replace(f"{folder}/", "").partition(": ")[0]
        raise ArchiveError(f"{archive.path}: {said}: {AGAIN}, or update bnnbench") from error
    if run.record.run_id != run_id:
        raise ArchiveError(
            f"{archive.path}: {RECORD} is of run {run.record.run_id!r}, and the archive of {run_id}: {AGAIN}"
        )
    return run


def _require_same(archive: Archive, folder: Path) -> None:
    """Raises ArchiveError unless the run's folder holds what the archive does."""
    for name, file in archive.manifest.files.items():
        if name not in _RUN_FILES:
            continue
        try:
            is_same = hashlib.sha256(read_regular(folder / name)).hexdigest() == file.sha256
        except OSError:
            is_same = False
        if not is_same:
            raise ArchiveError(
                f"{folder} exists already, and its {name} is not that of {archive.path}: name another --store, or "
                f"remove that run with bnnbench runs rm {folder.name}"
            )
