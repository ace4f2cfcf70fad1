"""Zip files that no `pack` writes: members with any name, kind and size, and a manifest that fits them or does not."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bnnbench.results.archive.manifest import MANIFEST

FILE = stat.S_IFREG | 0o644
RUN_ID = "20260131-142501-9f3a1c"


def manifest_of(contents: Mapping[str, bytes], **changes: Any) -> bytes:
    """A manifest that lists `contents`; `changes` replace its fields."""
    files = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    document = {"format": 1, "bnnbench": "0.2.0", "run_id": RUN_ID, "redacted": False, "files": files}
    return json.dumps(document | changes).encode()


def write_zip(path: Path, members: Sequence[tuple[str, bytes]], *, mode: Mapping[str, int] | None = None) -> Path:
    """Members in this order, also twice the same; `mode` of a member is that of its file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            info = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
            info.filename = name  # as it is: the constructor changes some
            info.create_system, info.external_attr = 3, (mode or {}).get(name, FILE) << 16
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def rewritten(archive: Path, path: Path, change: Mapping[str, bytes | None], **added: bytes) -> Path:
    """The archive with other contents of some members, None for none; all checksums of zip are right."""
    with zipfile.ZipFile(archive) as file:
        members = [(name, change.get(name, file.read(name))) for name in file.namelist()]
    kept = [(name, content) for name, content in members if content is not None]
    return write_zip(path, [*kept, *added.items()])


def zeros(count: int) -> bytes:
    """So many zero bytes as deflate compresses them, made in the time of a few of them."""
    block = 2**20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(bytes(block))
    packer.flush(zlib.Z_FULL_FLUSH)
    one = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    return one * (count // block) + packer.flush(zlib.Z_FINISH)


def write_bomb(path: Path, *, declared: int, real: int) -> Path:
    """An archive whose `journal.jsonl` unpacks to `real` zeros, while directory and manifest say `declared`."""
    run, compressed = b"{}", zeros(real)
    digest = hashlib.sha256()
    for _ in range(min(declared, 2**30) // 2**20):
        digest.update(bytes(2**20))
    manifest = json.loads(manifest_of({"run.json": run}))
    manifest["files"]["journal.jsonl"] = {"size": declared, "sha256": digest.hexdigest()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in ((MANIFEST, json.dumps(manifest).encode()), ("run.json", run)):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, FILE << 16
            file.writestr(info, content, zipfile.ZIP_DEFLATED)
        info = zipfile.ZipInfo("journal.jsonl", (1980, 1, 1, 0, 0, 0))
        info.create_system, info.external_attr = 3, FILE << 16
        # The compressed bytes as they are, then the header of deflate with the sizes that are claimed.
        file.writestr(info, compressed, zipfile.ZIP_STORED)
        info = file.getinfo("journal.jsonl")
        info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, declared
        assert file.fp is not None
        end = file.fp.tell()
        file.fp.seek(info.header_offset)
        file.fp.write(info.FileHeader(zip64=declared > zipfile.ZIP64_LIMIT) if declared <= zipfile.ZIP64_LIMIT else b"")
        file.fp.seek(end)
    return path
