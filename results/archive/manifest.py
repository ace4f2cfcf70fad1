"""`manifest.json` of an archive: its format, its run, and the size and SHA-256 of every other file in it."""

import re
from typing import Annotated

import msgspec

from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.store.reading import UnreadableError, decoded
from bnnbench.results.store.run_id import PATTERN, is_run_id
from bnnbench.results.store.stored_run import JOURNAL, RECORD

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.json.sig"
_REQUIRED = (RECORD, JOURNAL)
_FILE = re.compile(r"run\.json|journal\.jsonl|journal\.end|calibrations/[0-9]{1,4}\.json")

MOST_FILES = 256
MOST_BYTES = 2**30
"""Of all files together, unpacked."""
MOST_MANIFEST_BYTES = 2**18
"""Of the manifest and of the signature, each."""

Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
RunId = Annotated[str, msgspec.Meta(pattern=PATTERN)]


class ArchivedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of an archive."""

    size: Annotated[int, msgspec.Meta(ge=0, le=MOST_BYTES)]
    sha256: Digest


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`bnnbench` is the version that packed it; `redacted`: names of people and machines were taken out of the files,
    whose checksums were made anew."""

    format: int
    bnnbench: Annotated[str, msgspec.Meta(max_length=200)]
    run_id: RunId
    redacted: bool
    files: dict[str, ArchivedFile]


class _Format(msgspec.Struct):
    format: int


_format_decoder = msgspec.json.Decoder(_Format)
_decoder = msgspec.json.Decoder(Manifest)


def encoded(manifest: Manifest) -> bytes:
    """The manifest as it lies in an archive; equal ones are equal bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1) + b"\n"


def read_manifest(data: bytes, archive: str) -> Manifest:
    """What `manifest.json` of `archive` says. Raises ArchiveError."""
    try:
        number = decoded(data, _format_decoder).format
        if number > FORMAT:
            raise ArchiveError(
                f"{archive} has format {number}, and this bnnbench reads format {FORMAT}: update bnnbench"
            )
        manifest = decoded(data, _decoder)
    except UnreadableError as error:
        raise ArchiveError(f"{archive}: {MANIFEST} cannot be read ({error}): get the archive again") from error
    if not is_run_id(manifest.run_id):
        raise ArchiveError(f"{archive} is of a run {manifest.run_id!r}, and no run has such an id: get it again")
    if number < 1:
        raise ArchiveError(f"{archive} has the unknown format {number}: get the archive again")
    for name in manifest.files:
        if not _FILE.fullmatch(name):
            raise ArchiveError(f"{archive}: {MANIFEST} lists {name!r}, which no run has: get the archive again")
    for name in _REQUIRED:
        if name not in manifest.files:
            raise ArchiveError(f"{archive}: {MANIFEST} does not list {name}: get the archive again")
    if sum(file.size for file in manifest.files.values()) > MOST_BYTES:
        raise ArchiveError(f"{archive} holds more than {MOST_BYTES} bytes: an archive of a run is smaller")
    return manifest
