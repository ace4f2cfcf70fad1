"""Where the store is when nobody names it: in the project, as git finds it, else in the user's data folder.

The project is the nearest folder with one of `_PROJECT_MARKS`, from the working folder upwards. The search ends below
the home folder and at the border of a filesystem. A folder above that another user owns or can write to is not taken
(as git's `safe.directory`): nobody else decides where results go.
"""

import os
import stat
import sys
import warnings
from contextlib import suppress
from pathlib import Path

from bnnbench.results.errors import NoStoreError, StoreError, StoreNotice

_PROJECT_MARKS = ("runs", ".git", "pyproject.toml", "devices.toml")
_PARTS = ("runs", "baselines", "devices")


def default_path() -> Path:
    """`runs` of the project, else the user's data folder.

    Warns (StoreNotice) which one it is unless that is ./runs.
    """
    project, is_taken = _project()
    if project is not None and is_taken and os.access(project, os.W_OK):
        if project != Path.cwd():
            _notice(f"the store is {project / 'runs'}, of the project above this folder")
        return project / "runs"
    import platformdirs

    path = Path(platformdirs.user_data_dir("bnnbench", appauthor=False))
    why = "this folder is in no project"
    if project is not None:
        why = f"the project {project} {'cannot be written to' if is_taken else 'can be changed by another user'}"
    _notice(f"the store is {path}, because {why}: name another with --store")
    return path


def project_folder() -> Path | None:
    """The project's folder, this or one above; None when there is none that may be taken."""
    project, is_taken = _project()
    return project if is_taken else None


def require_store(path: Path) -> None:
    """Raises StoreError when there is no store at `path`: reading makes none."""
    try:
        is_store = path.is_dir() and (path.name == "runs" or any((path / part).is_dir() for part in _PARTS))
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:
        raise StoreError(f"{path} can't be read ({error.strerror}): check its permissions") from error
    if is_store:
        return
    if is_folder:
        raise StoreError(f"{path} is not a store, because it has no folder runs: name the folder that has it")
    if is_there:
        raise StoreError(f"{path} is a file and no store: name the folder of a store")
    raise NoStoreError(path)


def _project() -> tuple[Path | None, bool]:
    """The nearest folder with a mark of a project, and whether it may be taken."""
    here, home = Path.cwd(), Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - Path.home() may raise
    if _is_project(here):
        return here, True
    with suppress(OSError):
        for folder in here.parents:
            if folder == home or folder.stat().st_dev != here.stat().st_dev:
                break
            is_ours = _is_ours_alone(folder)
            if _is_project(folder):
                return folder, is_ours
            if not is_ours:
                break
    return None, True


def _is_project(folder: Path) -> bool:
    return any((folder / mark).exists() for mark in _PROJECT_MARKS)


def _is_ours_alone(path: Path) -> bool:
    """Whether this user owns it and no other can write to it; a group with the user's own number has no one else."""
    if sys.platform == "win32":  # who may write is not in its mode there
        return Path.home() in path.absolute().parents
    user, status = os.geteuid(), path.stat()
    others = stat.S_IWOTH | (0 if status.st_gid == user else stat.S_IWGRP)
    return status.st_uid == user and not status.st_mode & others


def _notice(text: str) -> None:
    warnings.warn(StoreNotice(text), stacklevel=4)
