"""Where what is built on this machine is kept, and that nobody else has changed it.

Engines run with the user's rights here, and are pushed to devices to run there. So nobody but the user may be able to
write to the folders that they lie in, and each file is compared with the SHA-256 that was noted when it was built.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

from .errors import BuildError

_NOTE_SUFFIX = ".sha256"


def cache_folder() -> Path:
    """`BNNBENCH_CACHE`, else the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("BNNBENCH_CACHE") or user_cache_path("bnnbench"))


def private_folder(*names: str) -> Path:
    """A folder of the cache, made with mode 0700 when it is not there.

    Raises BuildError when another user could change what is in it, OSError when it cannot be made.
    """
    folder = cache_folder()
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        folder /= name
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if sys.platform == "win32":
            continue
        if status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode) and status.st_mode & 0o077:
            folder.chmod(0o700)
    require_private(folder)
    return folder


def require_private(path: Path) -> None:
    """Raises BuildError when another user could replace the file or folder `path`, as OpenSSH does of key files.

    It and all folders above belong to the user or to root, and are not writable by others; a sticky folder protects
    what is in it, and a group with the user's own number has nobody else in it.
    """
    if sys.platform == "win32":  # modes say nothing there; the user's cache folder is private by its access list
        return
    real = path.resolve()
    trusted = {os.geteuid(), Path("/").stat().st_uid}
    for item in (real, *real.parents):
        status = item.stat()
        if status.st_uid not in trusted:
            trouble = f"belongs to user {status.st_uid}"
        elif status.st_mode & stat.S_ISVTX and stat.S_ISDIR(status.st_mode):
            continue
        elif status.st_mode & stat.S_IWOTH:
            trouble = "can be written by every user"
        elif status.st_mode & stat.S_IWGRP and status.st_gid not in trusted:
            trouble = f"can be written by group {status.st_gid}"
        else:
            continue
        raise BuildError(
            f"{path} is not used, because {item} {trouble}: somebody else could have replaced it; correct the owner "
            "and mode, or set BNNBENCH_CACHE to a folder that only you can write to."
        )


def note_digest(path: Path) -> None:
    """Notes the SHA-256 of a file that has just been built, beside it."""
    path.chmod(path.stat().st_mode & 0o500)
    _note(path).write_text(hashlib.sha256(path.read_bytes()).hexdigest() + "\n")


def is_noted(path: Path) -> bool:
    """Whether the file is there whole, from a version that notes digests."""
    return path.is_file() and _note(path).is_file()


def verified(path: Path) -> str:
    """The file's SHA-256. Raises BuildError when it is not the one that was noted."""
    require_private(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != _note(path).read_text(errors="replace").strip():
        raise BuildError(
            f"{path} is not the file that was built there: its SHA-256 is another one; find out who changed it, and "
            f"remove {path.parent} to have it built again."
        )
    return found


def _note(path: Path) -> Path:
    return path.with_name(path.name + _NOTE_SUFFIX)
