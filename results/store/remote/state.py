"""What a mirror and its bucket last agreed on: small files in `<mirror>/.sync/`, one per run, device or baseline.

They are outside the folders of runs, so a run that is copied to another store does not take them along.
"""

from pathlib import Path

import msgspec

from bnnbench.results.errors import store_error
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular

FOLDER = ".sync"


class Synced(msgspec.Struct, frozen=True):
    """A file that is alike on both sides: the object's ETag, and the file's size in bytes and time of change in ns."""

    etag: str
    size: int
    mtime_ns: int

    def is_still(self, path: Path) -> bool:
        """Whether the file is as it was then."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


def synced(path: Path, etag: str) -> Synced:
    """The file as it is now. Raises OSError."""
    status = path.stat()
    return Synced(etag, status.st_size, status.st_mtime_ns)


class State(msgspec.Struct):
    """`files` by name; `journal_bytes` of a run's journal are in the bucket, in `parts` where it has not ended."""

    files: dict[str, Synced] = {}
    journal_bytes: int = 0
    parts: list[str] = []


_decoder = msgspec.json.Decoder(State)


class States:
    """The states of one mirror; `kind` is runs, devices, baselines or alerts."""

    def __init__(self, mirror: Path) -> None:
        self._path = mirror / FOLDER

    def all(self, kind: str) -> dict[str, State]:
        """Every state by the name of its folder."""
        try:
            names = [path.name.removesuffix(".json") for path in (self._path / kind).glob("*.json")]
        except OSError:
            return {}
        return {name: self.get(kind, name) for name in names if not name.startswith(".")}

    def get(self, kind: str, name: str) -> State:
        """The state of a folder; a missing or damaged one is that of a folder that was never exchanged."""
        try:
            return decoded(read_regular(self._file(kind, name)), _decoder)
        except (OSError, UnreadableError):
            return State()

    def put(self, kind: str, name: str, state: State) -> None:
        """Writes the state of a folder. Raises StoreError."""
        path = self._file(kind, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise store_error(error, path.parent) from error
        write_atomically(path, msgspec.json.encode(state))

    def drop(self, kind: str, name: str) -> None:
        """Forgets a folder. Raises StoreError."""
        path = self._file(kind, name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise store_error(error, path) from error

    def _file(self, kind: str, name: str) -> Path:
        return self._path / kind / f"{name}.json"
