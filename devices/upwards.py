"""Looking for a file upwards from the working folder, as git looks for its own."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path


def nearest(name: str) -> Path | None:
    """The file `name` of the working folder (a relative path), else of the nearest folder above that has it.

    The search ends below the home folder and at the border of a filesystem. A file above that another user owns or can
    change is not taken (as git's `safe.directory`), and neither is one beyond it; `refused` names it.
    """
    path, is_taken = _candidate(name)
    return path if is_taken else None


def refused(name: str) -> Path | None:
    """The file that `nearest` does not take because another user could change it."""
    path, is_taken = _candidate(name)
    return None if is_taken else path


def _candidate(name: str) -> tuple[Path | None, bool]:
    if Path(name).is_file():
        return Path(name), True
    here, home = Path.cwd(), Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - Path.home() may raise
    with suppress(OSError):
        for folder in here.parents:
            if folder == home or folder.stat().st_dev != here.stat().st_dev:
                break
            path, is_ours = folder / name, _is_ours_alone(folder)
            if path.is_file():
                return path, is_ours and _is_ours_alone(path)
            if not is_ours:
                break
    return None, True


def _is_ours_alone(path: Path) -> bool:
    """Whether this user owns it and no other can write to it; a group with the user's own number has no one else."""
    if sys.platform == "win32":  # who may write is not in its mode there
        return Path.home() in path.absolute().parents
    user, status = os.geteuid(), path.stat()
    others = stat.S_IWOTH | (0 if status.st_gid == user else stat.S_IWGRP)
    return status.st_uid == user and not status.st_mode & others
