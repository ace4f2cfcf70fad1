"""The local mirror of a store in object storage: a store folder in the user's cache, which every command works on.

    <cache>/bnnbench/s3/<bucket>-<digest>/mirror.json   the address that it mirrors; never a credential
    <cache>/bnnbench/s3/<bucket>-<digest>/.sync/        what both sides last agreed on (state.py)
    <cache>/bnnbench/s3/<bucket>-<digest>/runs, baselines, devices

Opening a store lists the bucket once, fetches what the mirror lacks, and uploads what the bucket lacks. A run that was
exchanged before and is not listed any more was removed by somebody, so it is removed from the mirror; a run that never
was exchanged waits for its upload.
"""

import hashlib
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec

from bnnbench.results.errors import StoreError, StoreWarning, store_error
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.parts import note_removed
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.remote import alert_sync, baseline_sync, calibration_sync, run_sync
from bnnbench.results.store.remote.address import Address
from bnnbench.results.store.remote.alert_sync import AlertSync
from bnnbench.results.store.remote.baseline_sync import BaselineSync
from bnnbench.results.store.remote.bucket import AwayError, Bucket
from bnnbench.results.store.remote.calibration_sync import CalibrationSync
from bnnbench.results.store.remote.layout import Listing, RunObjects, sort
from bnnbench.results.store.remote.progress import counting
from bnnbench.results.store.remote.run_sync import RunSync
from bnnbench.results.store.remote.state import State, States
from bnnbench.results.store.run_lock import lock_run
from bnnbench.results.store.stored_run import RECORD

_AT_ONCE = 8
_MARKER = "mirror.json"
_Known = dict[str, State]


class _Marker(msgspec.Struct, frozen=True):
    url: str
    endpoint: str


class Mirror:
    """A mirror and its bucket. `path` is a store folder."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._bucket = Bucket(address)
        self._brief = self._bucket.brief()
        self._marker = _Marker(str(address), self._bucket.endpoint)
        digest = hashlib.sha256(f"{self._marker.url}\n{self._marker.endpoint}".encode()).hexdigest()[:16]
        self.path = _cache() / f"{address.bucket}-{digest}"
        self._states = States(self.path)

    @property
    def exists(self) -> bool:
        """Whether this machine has a copy of the store. Raises StoreError when it is one of another store."""
        try:
            found = decoded(read_regular(self.path / _MARKER), msgspec.json.Decoder(_Marker))
        except FileNotFoundError:
            return False
        except (OSError, UnreadableError) as error:
            raise StoreError(f"{self.path / _MARKER} can't be read ({error}): move {self.path} away") from error
        if found != self._marker:
            raise StoreError(f"{self.path} is the copy of another store, {found.url}: move it away")
        return True

    def exchange(self) -> None:
        """Fetches what the mirror lacks, and uploads what the bucket lacks.

        While the server cannot be reached, the mirror is used as it is, with a warning (StoreWarning); so it is of a
        run or baseline that cannot be exchanged. Raises StoreError when there is no mirror then, and when the server
        refuses.
        """
        is_new = not self.exists
        try:
            self._exchange()
        except AwayError as error:
            if is_new and not self.exists:
                raise StoreError(
                    f"{self.address} can't be reached ({error.why}), and this machine has no copy of it: check the "
                    "network and AWS_ENDPOINT_URL"
                ) from None
            _warn(
                f"{self.address} can't be reached ({error.why}): the copy on this machine is used, and what is new in "
                "it is uploaded by the next command that reaches the server"
            )

    def share_run(self, folder: Path) -> None:
        """Uploads what is new of a run that is being measured, without waiting long. Raises AwayError, StoreError."""
        RunSync(self._brief, self._states, folder).share(self._states.get(run_sync.KIND, folder.name))

    def upload_run(self, folder: Path) -> None:
        """Uploads what is new of a run, whose lock the caller has. Raises AwayError, StoreError."""
        RunSync(self._bucket, self._states, folder).upload(self._states.get(run_sync.KIND, folder.name))

    def remove_run(self, run_id: str) -> None:
        """Removes a run from the bucket. Raises AwayError, StoreError."""
        state = self._states.get(run_sync.KIND, run_id)
        if state.files or state.parts:
            self._run(run_id).remove()
        self._states.drop(run_sync.KIND, run_id)

    def _exchange(self) -> None:
        # Before the listing: what is known by then must be in it, or was removed since.
        kinds = (run_sync.KIND, calibration_sync.KIND, baseline_sync.KIND, alert_sync.KIND)
        runs, devices, baselines, alerts = map(self._states.all, kinds)
        listing = sort(self._bucket.list())
        self._make()
        if listing.refused:
            _warn(
                f"{listing.refused[0]} of {self.address} is left out, because its name differs from another one only "
                "in letter case or accents: rename one of them"
            )
        self._remove_runs(listing, runs)
        tasks = self._run_tasks(listing, runs)
        calibrations = CalibrationSync(self._bucket, self._states, self.path)
        for name in _wanted(listing, calibration_sync.KIND, [*listing.calibrations, *calibrations.names()]):
            listed = listing.calibrations.get(name, {})
            tasks.append(partial(calibrations.exchange, name, listed, devices.get(name, State())))
        saved = BaselineSync(self._bucket, self._states, self.path)
        for name in _wanted(listing, baseline_sync.KIND, [*listing.baselines, *saved.names()]):
            tasks.append(partial(saved.exchange, name, listing.baselines.get(name), baselines.get(name, State())))
        decided = AlertSync(self._bucket, self._states, self.path)
        for name in sorted({*listing.alerts, *decided.names()}):
            tasks.append(partial(decided.exchange, name, listing.alerts.get(name), alerts.get(name, State())))
        self._do(tasks)

    def _run_tasks(self, listing: Listing, known: _Known) -> list[Callable[[], None]]:
        here = [path.parent.name for path in (self.path / "runs").glob(f"*/{RECORD}")]
        found: list[Callable[[], None]] = []
        for name in sorted(listing.runs.keys() | set(here)):
            objects, state, run = listing.runs.get(name, RunObjects()), known.get(name, State()), self._run(name)
            if run.needs_fetch(objects, state) or run.needs_upload(state):
                found.append(partial(self._exchange_run, name, objects))
        return found

    def _exchange_run(self, name: str, objects: RunObjects) -> None:
        run = self._run(name)
        folder = self.path / "runs" / name
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise store_error(error, folder) from error
        with _locked(folder) as is_ours:
            if not is_ours:
                return  # its writer uploads it
            state = self._states.get(run_sync.KIND, name)
            if run.needs_fetch(objects, state):
                run.fetch(objects, state)
            if run.needs_upload(state):
                run.upload(state)

    def _remove_runs(self, listing: Listing, known: _Known) -> None:
        """Removes the runs that others removed from the bucket; what a listing alone says is asked again."""
        uploaded = [name for name, state in known.items() if RECORD in state.files]
        gone = [
            name
            for name in _wanted(listing, run_sync.KIND, uploaded)
            if RECORD not in listing.runs.get(name, RunObjects()).files
        ]
        if gone and len(gone) == len(uploaded) > 1:
            _warn(
                f"{self.address} has none of the {len(gone)} runs that it had: the copies on this machine are kept; "
                f"delete {self.path} if they are not needed"
            )
            return
        for name in gone:
            if self._run(name).needs_upload(known[name]):
                _warn(f"run {name} was removed from {self.address}, and was resumed here: the copy here is kept")
            elif self._bucket.head(f"{run_sync.KIND}/{name}/{RECORD}") is None:
                self._remove_copy(name, listing.runs.get(name, RunObjects()))

    def _remove_copy(self, name: str, objects: RunObjects) -> None:
        folder = self.path / "runs" / name
        if folder.is_dir():
            with _locked(folder) as is_ours, suppress(OSError):
                if not is_ours:
                    return
                (folder / RECORD).unlink(missing_ok=True)
                note_removed(self.path, name)
                shutil.rmtree(folder)
        if objects.files or objects.parts:
            with suppress(StoreError):  # a removal was cut off; who may only read leaves its rest
                self._run(name).remove()
        self._states.drop(run_sync.KIND, name)

    def _do(self, tasks: list[Callable[[], None]]) -> None:
        """Some at once. Raises AwayError; what else goes wrong with one of them is warned of."""
        if not tasks:
            return
        troubles: list[str] = []
        step = counting(f"exchanging runs and baselines with {self.address}", len(tasks))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = [pool.submit(task) for task in tasks]
            try:
                for future in as_completed(futures):
                    try:
                        future.result()
                    except AwayError:
                        raise
                    except (StoreError, OSError) as error:
                        troubles.append(str(error))
                    step()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                for trouble in troubles:
                    _warn(trouble)

    def _run(self, name: str) -> RunSync:
        return RunSync(self._bucket, self._states, self.path / "runs" / name)

    def _make(self) -> None:
        if self.exists and (self.path / "runs").is_dir():
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)  # the bucket may be private
            (self.path / "runs").mkdir(exist_ok=True)
        except OSError as error:
            raise store_error(error, self.path) from error
        write_atomically(self.path / _MARKER, msgspec.json.encode(self._marker) + b"\n")


def _wanted(listing: Listing, kind: str, names: Iterable[str]) -> list[str]:
    """Of these names, each once, those that are not left out for their letter case."""
    return sorted(name for name in set(names) if f"{kind}/{name}" not in listing.refused)


def open_mirror(address: Address) -> Mirror:
    """The mirror of a store, brought up to date. Raises and warns as `Mirror.exchange`."""
    mirror = Mirror(address)
    mirror.exchange()
    return mirror


def _cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("bnnbench", appauthor=False)) / "s3"


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether no other process writes to the run, nor begins to until the end of the block."""
    try:
        lock = lock_run(folder)
    except StoreError:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _warn(sentence: str) -> None:
    warnings.warn(StoreWarning(sentence), stacklevel=2)
