"""The lock of the one writer of a run."""

from pathlib import Path

import filelock

from bnnbench.results.errors import StoreError, store_error


def lock_run(folder: Path) -> filelock.BaseFileLock:
    """The lock of the one writer of a run, taken. Raises StoreError while another process has it."""
    # Held by the open file, so it ends with its process, however that dies.
    lock = filelock.FileLock(folder / "journal.lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise StoreError(
            f"run {folder.name} is being written by another process: wait for it to end, or stop it first"
        ) from error
    except OSError as error:
        raise store_error(error, folder) from error
    return lock


def is_being_written(folder: Path) -> bool:
    """Whether a process holds the lock of a run's folder now."""
    path = folder / "journal.lock"
    if not path.is_file():
        return False
    lock = filelock.FileLock(path, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        return True
    except OSError:
        return False  # this user may only read it
    lock.release()
    return False
