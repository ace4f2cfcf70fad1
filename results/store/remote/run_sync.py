"""One run: its files to the bucket, and its objects to the mirror."""

import os
from pathlib import Path
from typing import BinaryIO

import msgspec

from bnnbench.results.errors import StoreError, store_error
from bnnbench.results.store.atomic import replacing
from bnnbench.results.store.remote.bucket import Bucket, ExistsError, GoneError, is_content
from bnnbench.results.store.remote.layout import (
    REPLACED,
    RUN_FILES,
    SIGNATURE,
    Object,
    RunObjects,
    part_name,
)
from bnnbench.results.store.remote.state import State, States, synced
from bnnbench.results.store.stored_run import END, JOURNAL, RECORD

KIND = "runs"
_TAIL_BYTES = 1 << 20
_MOST_SHARED = 8 << 20
"""Bytes of a journal that are uploaded at once: a part may end within a line, and the next one goes on there."""


class RunSync:
    """One run of a mirror. `folder` need not exist. Whoever changes either side holds the lock of the run."""

    def __init__(self, bucket: Bucket, states: States, folder: Path) -> None:
        self._bucket, self._states, self._folder = bucket, states, folder
        self._id = folder.name

    def needs_fetch(self, listed: RunObjects, state: State) -> bool:
        """Whether the bucket has more of the run than the mirror."""
        if RECORD not in listed.files:
            return False
        if listed.journal_bytes > _size(self._folder / JOURNAL):
            return True
        return any(self._is_newer(item, name, state) for name, item in listed.files.items() if name != JOURNAL)

    def fetch(self, listed: RunObjects, state: State) -> None:
        """Fetches what the mirror lacks, `run.json` last. An object that was replaced meanwhile is left for the next
        time. Raises StoreError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise store_error(error, self._folder) from error
        try:
            self._fetch_journal(listed, state)
            for name in RUN_FILES:
                item = listed.files.get(name)
                if item is not None and name != JOURNAL and self._is_newer(item, name, state):
                    path = self._folder / name
                    self._bucket.fetch(item, path)
                    state.files[name] = synced(path, item.etag)
        except GoneError:
            return
        finally:
            self._states.put(KIND, self._id, state)

    def needs_upload(self, state: State) -> bool:
        """Whether the mirror has something of the run that is not in the bucket yet."""
        if not (self._folder / RECORD).is_file():
            return False
        if any(self._is_new(name, state) for name in RUN_FILES if name != JOURNAL):
            return True
        journal = self._folder / JOURNAL
        if self._has_ended:
            return self._is_new(JOURNAL, state)
        return _whole_bytes(journal) > state.journal_bytes

    def share(self, state: State) -> None:
        """Uploads what is new of a run that is being measured, at most `_MOST_SHARED` bytes of its journal.

        Raises as `upload`.
        """
        self._upload_part(state)
        for name in (SIGNATURE, RECORD):
            if self._is_new(name, state):
                self._upload(name, state)

    def upload(self, state: State) -> None:
        """Uploads all that is new, `run.json` last; the journal of a run that has not ended as more parts of it.

        Raises AwayError, StoreError. What was uploaded until then is known, and not uploaded again.
        """
        while not self._has_ended and self._upload_part(state):
            pass
        for name in RUN_FILES:
            if self._is_new(name, state) and (name != JOURNAL or self._has_ended):
                self._upload(name, state)
        if self._has_ended and state.parts:
            for part in state.parts:
                self._bucket.delete(f"{KIND}/{self._id}/{part}")
            state.parts = []
            self._states.put(KIND, self._id, state)

    def remove(self) -> None:
        """Removes the objects, `run.json` first: without it, no reader sees the run. Raises AwayError, StoreError."""
        self._bucket.delete(f"{KIND}/{self._id}/{RECORD}")
        for item in list(self._bucket.list(f"{KIND}/{self._id}/")):
            self._bucket.delete(item.name)

    @property
    def _has_ended(self) -> bool:
        return (self._folder / END).is_file()

    def _is_newer(self, item: Object, name: str, state: State) -> bool:
        """Whether an object is another one than the file, which has not changed here."""
        known, path = state.files.get(name), self._folder / name
        if not path.is_file():
            return True
        return name in REPLACED and known is not None and known.etag != item.etag and known.is_still(path)

    def _is_new(self, name: str, state: State) -> bool:
        known, path = state.files.get(name), self._folder / name
        if not path.is_file():
            return False
        if known is None:
            return True
        if name == JOURNAL:  # it only grows; a shorter one was damaged
            return _size(path) > known.size
        return name in REPLACED and not known.is_still(path)

    def _fetch_journal(self, listed: RunObjects, state: State) -> None:
        path = self._folder / JOURNAL
        have = _size(path)
        if listed.journal_bytes > have:
            kept = have if have and listed.chain(have) else 0
            pieces = listed.chain(kept) or []
            with replacing(path) as file:
                _copy(path, kept, file)
                for piece in pieces:
                    self._bucket.read(piece, file)
        final = listed.files.get(JOURNAL)
        if final is not None and final.size == _size(path):
            state.files[JOURNAL] = synced(path, final.etag)
        state.journal_bytes = max(state.journal_bytes, listed.journal_bytes)

    def _upload_part(self, state: State) -> bool:
        """The next part of the journal, up to its last whole line; False where there is none."""
        journal, start = self._folder / JOURNAL, state.journal_bytes
        size = min(_whole_bytes(journal) - start, _MOST_SHARED)
        if size <= 0:
            return False
        with journal.open("rb") as file:
            file.seek(start)
            content = file.read(size)
        name = part_name(start)
        place = f"{KIND}/{self._id}/{name}"
        try:
            self._bucket.create(place, content)
        except ExistsError:
            # A shorter part, whose upload succeeded without an answer: what follows it is the next.
            found = self._bucket.head(place)
            if found is None or not 0 < found.size <= size or not is_content(found, content[: found.size]):
                raise self._conflict(name) from None
            size = found.size
        state.journal_bytes = start + size
        state.parts.append(name)
        self._states.put(KIND, self._id, state)
        return True

    def _upload(self, name: str, state: State) -> None:
        path, known = self._folder / name, state.files.get(name)
        place = f"{KIND}/{self._id}/{name}"
        now = synced(path, "")
        try:
            etag = self._bucket.create(place, path) if known is None else self._bucket.replace(place, path, known.etag)
        except (ExistsError, GoneError):
            etag = self._settled(name, place, path)
        state.files[name] = msgspec.structs.replace(now, etag=etag)
        if name == JOURNAL:
            state.journal_bytes = now.size
        self._states.put(KIND, self._id, state)

    def _settled(self, name: str, place: str, path: Path) -> str:
        """The ETag of an object that another program put there, or that is from an upload without an answer."""
        found = self._bucket.head(place)
        if found is None:
            return self._bucket.replace(place, path)
        if is_content(found, path):
            return found.etag
        if name == JOURNAL and found.size < path.stat().st_size:
            return self._bucket.replace(place, path, found.etag)  # a journal only grows
        if name in REPLACED and name != JOURNAL:
            return self._bucket.replace(place, path, found.etag)  # made from the journal, by another version perhaps
        raise self._conflict(name)

    def _conflict(self, name: str) -> StoreError:
        return StoreError(
            f"run {self._id} is not uploaded: {self._bucket.address} has another {name} of it; move the run's folder "
            f"{self._folder} away, or remove the other one"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _whole_bytes(journal: Path) -> int:
    """The length of a journal up to its last whole line."""
    try:
        with journal.open("rb") as file:
            size = end = file.seek(0, os.SEEK_END)
            while end:
                begin = max(0, end - _TAIL_BYTES)
                file.seek(begin)
                found = file.read(end - begin).rfind(b"\n")
                if found >= 0:
                    return begin + found + 1
                end = begin
            return 0 if size else size
    except OSError:
        return 0


def _copy(path: Path, size: int, file: BinaryIO) -> None:
    if size:
        with path.open("rb") as old:
            while size and (chunk := old.read(min(size, _TAIL_BYTES))):
                file.write(chunk)
                size -= len(chunk)
