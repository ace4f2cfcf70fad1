"""A run of a mirror while it is written: parts of its journal now and then, and all of it when it ends."""

import time
import warnings
from pathlib import Path

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.store.remote.bucket import AwayError
from bnnbench.results.store.remote.mirror import Mirror

EVERY_S = 60.0
"""Parts are not uploaded more often than this."""
_LONGEST_WAIT_S = 960.0


class LiveRun:
    """What the writer of a run does for its bucket. A server that is away never ends a run."""

    def __init__(self, mirror: Mirror, folder: Path) -> None:
        self._mirror, self._folder = mirror, folder
        self._wait_s = EVERY_S
        self._next_s = time.monotonic() + EVERY_S
        self._has_warned = False

    def share(self) -> str | None:
        """Uploads what is new if it is time, in a few seconds at most; call it only while nothing is timed.

        Returns a sentence the first time that it fails. After a failure it waits longer.
        """
        if time.monotonic() < self._next_s:
            return None
        sentence = None
        try:
            self._mirror.share_run(self._folder)
            self._wait_s = EVERY_S
        except (StoreError, OSError) as error:
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
            if not self._has_warned:
                sentence = f"{_words(error)}: the run goes on, and is uploaded when it ends"
            self._has_warned = True
        self._next_s = time.monotonic() + self._wait_s
        return sentence

    def end(self) -> None:
        """Uploads the run. Warns (StoreWarning) when it can't: the next command with this store does it then."""
        try:
            self._mirror.upload_run(self._folder)
        except (StoreError, OSError) as error:
            sentence = (
                f"{_words(error)}: run {self._folder.name} is kept in {self._mirror.path}, and the next command with "
                f"--store {self._mirror.address} uploads it"
            )
            warnings.warn(StoreWarning(sentence), stacklevel=3)

    def discard(self) -> None:
        """Removes what was uploaded of a run that is not kept. Warns (StoreWarning) when it can't."""
        try:
            self._mirror.remove_run(self._folder.name)
        except StoreError as error:
            warnings.warn(StoreWarning(f"run {self._folder.name} is not removed: {error}"), stacklevel=3)


def _words(error: Exception) -> str:
    if isinstance(error, AwayError):
        return f"the object storage can't be reached ({error.why})"
    return str(error).rstrip(".")
