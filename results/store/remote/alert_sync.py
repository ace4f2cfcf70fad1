"""Decisions about alerts: one small object for each; of two, the one that was decided last stays."""

import contextlib
import io
from pathlib import Path

from bnnbench.results.errors import store_error
from bnnbench.results.store.alert_states import FILE, FOLDER, AlertState, parse_state, read_state
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.reading import read_regular
from bnnbench.results.store.remote.bucket import Bucket, ExistsError, GoneError
from bnnbench.results.store.remote.layout import Object
from bnnbench.results.store.remote.state import State, States, synced

KIND = FOLDER
_STATE = "state"


class AlertSync:
    """The decisions of a mirror, by the ids of their alerts."""

    def __init__(self, bucket: Bucket, states: States, mirror: Path) -> None:
        self._bucket, self._states, self._path = bucket, states, mirror / KIND

    def names(self) -> list[str]:
        """The ids of those in the mirror."""
        try:
            return [found[1] for path in self._path.iterdir() if (found := FILE.fullmatch(path.name)) is not None]
        except OSError:
            return []

    def exchange(self, name: str, listed: Object | None, before: State) -> None:
        """Brings one decision to the same state on both sides. `listed` is None where the bucket has none, `before`
        what was known before it was listed. Raises AwayError, StoreError."""
        path, known = self._path / f"{name}.json", before.files.get(_STATE)
        is_changed = path.is_file() and (known is None or not known.is_still(path))
        if listed is None:
            if is_changed:
                self._upload(name, path, None)
            elif path.is_file():  # removed from the bucket
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                self._states.drop(KIND, name)
            return
        if known is not None and known.etag == listed.etag and path.is_file() and not is_changed:
            return
        with contextlib.suppress(GoneError):  # replaced meanwhile: the next time
            content = io.BytesIO()
            self._bucket.read(listed, content)
            theirs = parse_state(content.getvalue(), path)
            if is_changed and _rank(read_state(path)) > _rank(theirs):
                self._upload(name, path, listed.etag)
            else:
                self._keep(name, path, content.getvalue(), listed.etag)

    def _keep(self, name: str, path: Path, content: bytes, etag: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
            self._states.put(KIND, name, State({_STATE: synced(path, etag)}))
        except OSError as error:
            raise store_error(error, path) from error

    def _upload(self, name: str, path: Path, etag: str | None) -> None:
        content = read_regular(path)
        parse_state(content, path)  # what is damaged stays here
        key = f"{KIND}/{name}.json"
        with contextlib.suppress(ExistsError):  # another host decided at the same time: the next time
            new = self._bucket.create(key, content) if etag is None else self._bucket.replace(key, content, etag)
            self._states.put(KIND, name, State({_STATE: synced(path, new)}))


def _rank(state: AlertState) -> tuple[str, str, str]:
    """Of two decisions the one with the higher rank stays, on every host."""
    return state.changed, state.state, state.note
