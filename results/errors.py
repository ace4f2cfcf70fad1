"""The one error of this package, and the sentences for what an operating system refuses."""

import errno
from pathlib import Path


class StoreError(Exception):
    """A store, run or report can't be read or written; one sentence: what is wrong, where, what to do."""


class StoreWarning(UserWarning):
    """A part of a store that can't be read and is left out; one sentence."""


class NoStoreError(StoreError):
    """There is no store at a path; `what` says so without the advice."""

    def __init__(self, path: object) -> None:
        self.what = f"{path} holds no runs, there is no such folder"
        super().__init__(f"{self.what}: make a run with bnnbench run, or name a --store")


class StoreNotice(UserWarning):
    """Which store is used, when it is not the one that one would expect; one sentence."""


def store_error(error: OSError, path: Path) -> StoreError:
    """The sentence for a write to `path` that failed with `error`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"{path} can't be written because the disk is full: free some space, or name another --store")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            f"{path} can't be written ({error.strerror}): make the folder writable, or name another --store"
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StoreError(
            f"{path} can't be created because a file is in its place: move it away, or name another folder"
        )
    return StoreError(f"{path} can't be written ({error.strerror or error}): check the folder and its disk")
