"""Baselines: what is needed to run an old version again beside a new one, and what it was when it was saved.

<store>/baselines/<name>/capsule.json       what it holds, each file with its sha256
<store>/baselines/<name>/capsule.json.signature  that this user made it here (signature.py)
<store>/baselines/<name>/files.json         size and SHA-256 of every file of it (files.py)
<store>/baselines/<name>/engines/<sha256>   engine binaries, and all files of engines that the suite declared
<store>/baselines/<name>/files/<sha256>/<file>   files of declared engines that keep their names on a device
<store>/baselines/<name>/models/<sha256>.tflite
"""

import contextlib
import hashlib
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import filelock
import msgspec

from bnnbench.results.errors import StoreError, StoreWarning, store_error
from bnnbench.results.store.atomic import sync_folder, write_atomically
from bnnbench.results.store.baseline import (
    SCHEMA,
    Baseline,
    BaselineDeclared,
    BaselineEngine,
    BaselineFigure,
    BaselineModel,
)
from bnnbench.results.store.files import write_files
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.signature import sign

__all__ = [
    "SCHEMA",
    "Baseline",
    "BaselineDeclared",
    "BaselineEngine",
    "BaselineFigure",
    "BaselineModel",
    "Baselines",
    "checked",
]

_Files = Mapping[str, Path]

OLD = ".old-"
"""Begins the name of a baseline that is being replaced."""
_SAVING = ".saving-"
_LOCK_S = 60.0
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"(?!\.{1,2}\Z)[^/\0]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


_decoder: msgspec.json.Decoder[Baseline] = msgspec.json.Decoder(Baseline)


class Baselines:
    """The baselines of a store."""

    def __init__(self, store: Path) -> None:
        self.path = store / "baselines"

    def names(self) -> list[str]:
        """Oldest first."""
        return [baseline.name for baseline in self.all()]

    def all(self) -> list[Baseline]:
        """Every baseline, oldest first. Warns (StoreWarning) of a damaged one, which is left out."""
        found = []
        for name in self._names():
            try:
                found.append(self.get(name))
            except StoreError as error:
                warnings.warn(StoreWarning(f"baseline '{name}' is left out: {error}"), stacklevel=2)
        return sorted(found, key=lambda baseline: (baseline.created, baseline.name))

    def get(self, name: str) -> Baseline:
        """Raises StoreError when there is none of this name, or it is damaged."""
        path = self.document(name)
        if not path.is_file():
            there = ", ".join(self._names())
            raise StoreError(
                f"there is no baseline '{name}' in {self.path}"
                + (f"; there is {there}" if there else ": save one with bnnbench baseline save NAME")
            )
        try:
            baseline = decoded(read_regular(path), _decoder)
        except (OSError, UnreadableError) as error:
            raise StoreError(f"{path} is not a baseline ({error}): restore it, or save the baseline again") from error
        if baseline.schema > SCHEMA:
            raise StoreError(
                f"{path} has schema {baseline.schema}, this bnnbench reads up to {SCHEMA}: update bnnbench"
            )
        return baseline

    def runs_needed(self) -> dict[str, list[str]]:
        """The ids of runs that baselines were saved from, with the names of these. Raises StoreError for a damaged one:
        which run it needs is not known."""
        found: dict[str, list[str]] = {}
        for name in self._names():
            found.setdefault(self.get(name).run_id, []).append(name)
        return found

    def document(self, name: str) -> Path:
        """Where a baseline's `capsule.json` is."""
        return self._folder(checked(name)) / "capsule.json"

    def binaries(self, name: str, engine: str) -> dict[str, str]:
        """Path of the engine's binary by triple, each checked against its digest. Raises StoreError."""
        baseline = self.get(name)
        files = {
            item.triple: self._file(name, f"engines/{item.sha256}", item.sha256)
            for item in baseline.engines
            if item.engine == engine
        }
        return {triple: str(path) for triple, path in files.items()}

    def declared(self, name: str, engine: str) -> BaselineDeclared | None:
        """An engine that the suite declared, with the paths of its files, each checked. Raises StoreError."""
        found = next((item for item in self.get(name).declared if item.engine == engine), None)
        if found is None:
            return None
        if found.names and (len(found.names) != len(found.files) or not all(map(_FILE.fullmatch, found.names))):
            raise _foreign(name)
        path = {sha: str(self._file(name, f"engines/{sha}", sha)) for sha in found.binary.values()}
        binary = {architecture: path[sha] for architecture, sha in found.binary.items()}
        files = [str(self._file(name, place, sha)) for place, sha in zip(found.places, found.files, strict=True)]
        return msgspec.structs.replace(found, binary=binary, files=files)

    def models(self, name: str) -> dict[str, str]:
        """Path of the model by the name of its workload, each checked. Raises StoreError."""
        return {
            model.workload: str(self._file(name, f"models/{model.sha256}.tflite", model.sha256))
            for model in self.get(name).models
        }

    def save(self, baseline: Baseline, engines: _Files, models: _Files, named: _Files = MappingProxyType({})) -> Path:
        """Writes a baseline, replacing an older one of this name. `engines` and `models` map digests to files,
        `named` digests with names (`SHA/NAME`). Raises StoreError; the older one is then still there, also when this
        process is killed in the middle."""
        kinds = {"engines": engines, "files": named, "models": models}

        def fill(folder: Path) -> None:
            for kind, files in kinds.items():
                suffix, mode = (".tflite", 0o644) if kind == "models" else ("", 0o755)
                for name, path in files.items():
                    place = folder / kind / f"{name}{suffix}"
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, place)
                    place.chmod(mode)
            document = msgspec.json.format(msgspec.json.encode(baseline), indent=1) + b"\n"
            write_atomically(folder / "capsule.json", document)
            sign(folder / "capsule.json")

        return self.put(baseline.name, fill)

    def put(self, name: str, fill: Callable[[Path], None]) -> Path:
        """Makes a baseline of the files that `fill` writes into a folder, replacing an older one of this name.

        Raises StoreError, and what `fill` raises; the older one is then still there.
        """
        folder = self.path / checked(name)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise store_error(error, folder) from error
        with self._alone(folder):
            self._mend(name)
            return self._swap(name, fill)

    def remove(self, name: str) -> None:
        """Removes a baseline, if it is there. Raises StoreError."""
        folder = self._folder(checked(name))
        with self._alone(folder), contextlib.suppress(FileNotFoundError):
            (folder / "capsule.json").unlink()  # first: without it the folder is no baseline
            shutil.rmtree(folder, ignore_errors=True)

    def _swap(self, name: str, fill: Callable[[Path], None]) -> Path:
        folder, old = self.path / name, self._old(name)
        temporary: Path | None = None
        try:
            temporary = Path(tempfile.mkdtemp(prefix=_SAVING, dir=self.path))
            fill(temporary)
            write_files(temporary)
            temporary.chmod(0o755)
            sync_folder(temporary)
            if folder.exists():
                folder.rename(old)  # until it is gone, it is the baseline when there is no other of this name
            temporary.rename(folder)
            sync_folder(self.path)
            shutil.rmtree(old, ignore_errors=True)
        except (OSError, StoreError) as error:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            self._mend(name)
            if isinstance(error, StoreError):
                raise
            raise store_error(error, folder) from error
        return folder

    def _names(self) -> list[str]:
        """Of every baseline; other files and folders are none."""
        try:
            children = list(self.path.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(f"{self.path} can't be read ({error.strerror}): check its permissions") from error
        kept = {child.name.removeprefix(OLD) for child in children if (child / "capsule.json").is_file()}
        return sorted(name for name in kept if _NAME.fullmatch(name))

    def _folder(self, name: str) -> Path:
        """Where a baseline is: in the place of its name, or still beside it when a process was killed between the two
        renames of a save."""
        folder, old = self.path / name, self._old(name)
        return old if not folder.exists() and old.exists() else folder

    def _old(self, name: str) -> Path:
        return self.path / f"{OLD}{name}"

    def _mend(self, name: str) -> None:
        """Puts back, or takes away, what a save that was killed left. Only while no other process saves."""
        folder, old = self.path / name, self._old(name)
        with contextlib.suppress(OSError):
            if old.exists() and not folder.exists():
                old.rename(folder)
            for left in (old, *self.path.glob(f"{_SAVING}*")):
                shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _alone(self, folder: Path) -> Iterator[None]:
        lock = filelock.FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=_LOCK_S)
        except filelock.Timeout:
            raise StoreError(
                f"{folder} can't be saved: another process saves a baseline; wait for it, then try again"
            ) from None
        except OSError as error:
            raise store_error(error, folder) from error
        try:
            yield
        finally:
            lock.release()

    def _file(self, name: str, relative: str, sha: str) -> Path:
        path = self._folder(checked(name)) / relative
        if not _SHA256.fullmatch(sha):
            raise _foreign(name)
        try:
            content = read_regular(path)
        except OSError as error:
            raise StoreError(f"{path} of baseline '{name}' can't be read ({error.strerror}): save it again") from error
        if hashlib.sha256(content).hexdigest() != sha:
            raise StoreError(f"{path} of baseline '{name}' is not what was saved: restore it, or save it again")
        return path


def _foreign(name: str) -> StoreError:
    return StoreError(f"baseline '{name}' names a file outside its folder: restore it, or save it again")


def checked(name: str) -> str:
    """The name, if it is one that can be a folder's. Raises StoreError."""
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name!r} is not a name for a baseline: use letters, digits and . _ -, up to 64")
    return name
