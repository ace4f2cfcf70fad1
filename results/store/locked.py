"""Whether a run has a writer now, without keeping others from writing to it."""

from pathlib import Path

import filelock


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
