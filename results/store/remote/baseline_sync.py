"""Baselines: their files under names made of their content, and one small object that lists them, replaced at once.

A reader who has the list finds every file of it: files are uploaded before the list and never removed.
"""

import contextlib
import hashlib
import io
import re
from pathlib import Path

import msgspec

from bnnbench.results.errors import StoreError
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.remote.bucket import Bucket, ExistsError, GoneError
from bnnbench.results.store.remote.layout import LARGEST, SHA256, Object
from bnnbench.results.store.remote.state import State, States, synced

KIND = "baselines"
_DOCUMENT = "capsule.json"
_PLACE = re.compile(
    r"capsule\.json(?:\.signature)?|engines/[0-9a-f]{64}|models/[0-9a-f]{64}\.tflite|"
    r"files/[0-9a-f]{64}/(?!\.{1,2}\Z)[^/\\:\x00-\x1f\x7f]{1,200}"
)
_MOST_FILES = 10_000


class _File(msgspec.Struct, frozen=True):
    sha256: str
    size: int


class _Pointer(msgspec.Struct, frozen=True):
    """The files of a baseline by their paths in its folder; `created` is when it was saved."""

    name: str
    created: str
    files: dict[str, _File]


class _Created(msgspec.Struct):
    created: str


_decoder = msgspec.json.Decoder(_Pointer)
_created_decoder = msgspec.json.Decoder(_Created)


class BaselineSync:
    """The baselines of a mirror."""

    def __init__(self, bucket: Bucket, states: States, mirror: Path) -> None:
        self._bucket, self._states = bucket, states
        self._baselines = Baselines(mirror)

    def names(self) -> list[str]:
        """Those that are in the mirror."""
        with contextlib.suppress(OSError):
            return [path.parent.name for path in self._baselines.path.glob(f"[!.]*/{_DOCUMENT}")]
        return []

    def exchange(self, name: str, pointer: Object | None, before: State) -> None:
        """Brings one baseline to the same state on both sides; of two, the one that was saved last stays. `pointer` is
        None where the bucket has none, `before` what was known before it was listed. Raises AwayError, StoreError."""
        path = self._baselines.document(name)
        known = before.files.get(_DOCUMENT)
        is_changed = path.is_file() and (known is None or not known.is_still(path))
        if pointer is None:
            if is_changed:
                self._upload(name, path.parent)
            elif path.is_file():  # removed from the bucket
                self._baselines.remove(name)
                self._states.drop(KIND, name)
            return
        if known is not None and known.etag == pointer.etag and path.is_file() and not is_changed:
            return
        with contextlib.suppress(GoneError):  # replaced meanwhile: the next time
            there = self._read(name, pointer)
            is_other = is_changed and _sha256(path) != there.files[_DOCUMENT].sha256
            if is_other and _created(path) >= there.created:
                self._upload(name, path.parent)
            else:
                self._fetch(name, pointer, there)

    def _upload(self, name: str, folder: Path) -> None:
        files = {}
        document = synced(folder / _DOCUMENT, "")
        for path in sorted(folder.rglob("*")):
            place = path.relative_to(folder).as_posix()
            if path.is_file() and not path.is_symlink() and _PLACE.fullmatch(place):
                content = read_regular(path)
                sha256 = hashlib.sha256(content).hexdigest()
                files[place] = _File(sha256, len(content))
                found = self._bucket.head(f"blobs/{sha256}")
                if found is None or found.size != len(content):
                    with contextlib.suppress(ExistsError):  # another host was first
                        self._bucket.create(f"blobs/{sha256}", content)
        pointer = _Pointer(name, _created(folder / _DOCUMENT), files)
        etag = self._bucket.replace(f"{KIND}/{name}.json", msgspec.json.encode(pointer))
        self._states.put(KIND, name, State({_DOCUMENT: msgspec.structs.replace(document, etag=etag)}))

    def _read(self, name: str, item: Object) -> _Pointer:
        buffer = io.BytesIO()
        self._bucket.read(item, buffer)
        try:
            pointer = decoded(buffer.getvalue(), _decoder)
        except UnreadableError as error:
            raise self._damaged(name, str(error)) from error
        if pointer.name != name or _DOCUMENT not in pointer.files or len(pointer.files) > _MOST_FILES:
            raise self._damaged(name, "its list of files is not one of this baseline")
        for place, file in pointer.files.items():
            if not _PLACE.fullmatch(place) or not SHA256.fullmatch(file.sha256):
                raise self._damaged(name, "it names a file outside its folder")
            if not 0 <= file.size <= LARGEST["blob"]:
                raise self._damaged(name, "one of its files is too large")
        return pointer

    def _fetch(self, name: str, item: Object, pointer: _Pointer) -> None:
        old = self._baselines.document(name).parent

        def fill(folder: Path) -> None:
            for place, file in pointer.files.items():
                path = folder / place
                path.parent.mkdir(parents=True, exist_ok=True)
                mode = 0o755 if place.startswith(("engines/", "files/")) else 0o644
                if _sha256(old / place) == file.sha256:
                    path.write_bytes((old / place).read_bytes())
                    path.chmod(mode)
                    continue
                self._bucket.fetch(Object(f"blobs/{file.sha256}", "", file.size), path, mode)
                if _sha256(path) != file.sha256:
                    raise self._damaged(name, f"{place} is not what was saved")

        folder = self._baselines.put(name, fill)
        self._states.put(KIND, name, State({_DOCUMENT: synced(folder / _DOCUMENT, item.etag)}))

    def _damaged(self, name: str, why: str) -> StoreError:
        return StoreError(f"baseline '{name}' of {self._bucket.address} is left out ({why}): save it again")


def _created(document: Path) -> str:
    try:
        return decoded(read_regular(document), _created_decoder).created
    except (OSError, UnreadableError):
        return ""


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(read_regular(path)).hexdigest()
    except OSError:
        return None
