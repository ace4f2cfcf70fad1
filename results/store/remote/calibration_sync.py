"""Calibrations of devices: small files that are written once."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bnnbench.results.errors import StoreError, store_error
from bnnbench.results.store.remote.bucket import Bucket, ExistsError, GoneError
from bnnbench.results.store.remote.layout import CALIBRATION, LARGEST, Object
from bnnbench.results.store.remote.state import State, States, synced

KIND = "devices"


class CalibrationSync:
    """The calibrations of a mirror, by device."""

    def __init__(self, bucket: Bucket, states: States, mirror: Path) -> None:
        self._bucket, self._states, self._path = bucket, states, mirror / KIND

    def names(self) -> list[str]:
        """The folders of devices in the mirror."""
        try:
            return [path.name for path in self._path.iterdir() if path.is_dir()]
        except OSError:
            return []

    def exchange(self, name: str, listed: Mapping[str, Object], before: State) -> None:
        """Brings the calibrations of one device to the same state on both sides; `before` is what was known before they
        were listed. Raises AwayError, StoreError."""
        folder, state = self._path / name, self._states.get(KIND, name)
        here = {path.name for path in folder.glob("calibration-*.json") if CALIBRATION.fullmatch(path.name)}
        removed = (before.files.keys() & here) - listed.keys()
        new = here - listed.keys() - before.files.keys()
        missing = listed.keys() - here
        if not removed and not new and not missing:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file in removed:
                (folder / file).unlink(missing_ok=True)
                state.files.pop(file, None)
            for file in sorted(new):
                self._upload(name, file, state)
            for file in sorted(missing):
                with suppress(GoneError):
                    self._bucket.fetch(listed[file], folder / file)
                    state.files[file] = synced(folder / file, listed[file].etag)
        except OSError as error:
            raise store_error(error, folder) from error
        finally:
            self._states.put(KIND, name, state)

    def _upload(self, name: str, file: str, state: State) -> None:
        path = self._path / name / file
        if path.stat().st_size > LARGEST["calibration"]:
            raise StoreError(f"{path} is not uploaded: it is too large for a calibration; remove it")
        with suppress(ExistsError):  # of the same second, from another host: that one stays
            state.files[file] = synced(path, self._bucket.create(f"{KIND}/{name}/{file}", path))
