"""A run's folder as one file. Packing the same run twice makes the same bytes."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import msgspec

from bnnbench.results.archive import container
from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.archive.manifest import FORMAT, MANIFEST, MOST_BYTES, SIGNATURE, ArchivedFile, Manifest, encoded
from bnnbench.results.archive.redaction import redacted
from bnnbench.results.archive.signature import signature_of
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.reading import read_regular
from bnnbench.results.store.stored_run import END, JOURNAL, RECORD, StoredRun


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive that was written; `is_ended` says whether its run had ended, `taken` what was redacted, by kind."""

    path: Path
    manifest: Manifest
    size_bytes: int
    is_signed: bool
    is_ended: bool
    taken: Counter[str] = field(default_factory=Counter)


def pack(
    run: StoredRun,
    path: Path,
    *,
    calibrations: Sequence[Calibration] = (),
    key: Path | None = None,
    known: Mapping[str, str] | None = None,
) -> Packed:
    """Writes the archive of a stored run, signed with `key` if there is one.

    `calibrations` are those that its verdicts rest on, one of a device. With `known`, values to take out with their
    kinds, the archive is redacted. Raises ArchiveError, StoreError.
    """
    if run.path is None:
        raise ArchiveError(f"run {run.record.run_id} is in no store: name a stored run")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ArchiveError(f"{path} cannot be written: name a file in an existing folder")
    taken: Counter[str] = Counter()
    if known is None:
        contents = _files(run.path)
    else:
        clean = redacted(run, calibrations, known)
        contents = {RECORD: clean.record, JOURNAL: clean.journal}
        if (run.path / END).exists():
            contents[END] = b"%d\n" % clean.last
        calibrations, taken = clean.calibrations, clean.taken
    for number, calibration in enumerate(calibrations):
        contents[f"calibrations/{number}.json"] = (
            msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n"
        )
    if (size := sum(map(len, contents.values()))) > MOST_BYTES:
        raise ArchiveError(
            f"run {run.record.run_id} has {size} bytes, and an archive holds {MOST_BYTES}: copy its folder"
        )
    manifest = Manifest(
        format=FORMAT,
        bnnbench=version("bnnbench"),
        run_id=run.record.run_id,
        redacted=known is not None,
        files={name: _listed(content) for name, content in contents.items()},
    )
    document = encoded(manifest)
    signed = {SIGNATURE: signature_of(document, key)} if key is not None else {}
    container.write(path, {MANIFEST: document, **signed, **contents})
    return Packed(path, manifest, path.stat().st_size, key is not None, run.end is not None, taken)


def _files(folder: Path) -> dict[str, bytes]:
    """The files of a run that are no copies of what is in another one. Raises ArchiveError."""
    names = [RECORD, JOURNAL, *([END] if (folder / END).exists() else [])]
    found = {}
    for name in names:
        place = folder / name
        if place.is_symlink():
            raise ArchiveError(f"{place} is a link: pack the run that it leads to")
        try:
            found[name] = read_regular(place)
        except FileNotFoundError:
            found[name] = b""  # an imported run may have no journal
        except OSError as error:
            raise ArchiveError(f"{place} cannot be read ({error.strerror}): check the folder of the run") from error
    return found


def _listed(content: bytes) -> ArchivedFile:
    return ArchivedFile(size=len(content), sha256=hashlib.sha256(content).hexdigest())
