"""What a store has, to check one after another: runs, baselines, calibrations, decisions about alerts, and what is none
of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bnnbench.results.errors import StoreError
from bnnbench.results.store.alert_states import FILE, FOLDER, parse_state, states_folder
from bnnbench.results.store.baselines import OLD, Baselines
from bnnbench.results.store.calibration import read_calibration
from bnnbench.results.store.files import sum_of
from bnnbench.results.store.parts import PartError, index_folder, is_part, read_part
from bnnbench.results.store.place import require_store
from bnnbench.results.store.runs import Store
from bnnbench.results.store.signature import is_signed
from bnnbench.results.store.stored_run import JOURNAL, RECORD, is_run
from bnnbench.results.verify.finding import MAKE_AGAIN, RESTORE, ItemResult, Reading
from bnnbench.results.verify.runs import verify_run

_CAPSULE = "capsule.json"


@dataclass(frozen=True, slots=True)
class Item:
    """Something to check: `check` reads all of it, and raises nothing for damage."""

    name: str
    check: Callable[[], ItemResult]


def items(store: Store, selectors: Sequence[str] = ()) -> list[Item]:
    """All of a store, or the runs named by id, unique prefix or `latest`. Raises StoreError when there is no such store
    or run."""
    require_store(store.path)
    if selectors:
        folders = list(dict.fromkeys(store.folder(selector) for selector in selectors))
        return [Item(folder.name, partial(verify_run, store.path, folder)) for folder in folders]
    return [*_runs(store), *_baselines(store), *_calibrations(store), *_alerts(store), *_index(store)]


def _runs(store: Store) -> list[Item]:
    own = ("baselines", "devices", FOLDER) if store.runs_path == store.path else ()
    found = []
    for path in _children(store.runs_path):
        if is_run(path):
            found.append(Item(path.name, partial(verify_run, store.path, path)))
        elif path.name not in own and (path.name.startswith(".") or (path / JOURNAL).exists()):
            found.append(Item(path.name, partial(_leftover, store.path, path)))
    return found


def _baselines(store: Store) -> list[Item]:
    baselines = Baselines(store.path)
    found = []
    for path in _children(baselines.path):
        # A save that was killed between its two renames leaves the baseline under its old name.
        name = path.name.removeprefix(OLD)
        is_baseline = not path.name.startswith(".") or (name != path.name and not (baselines.path / name).exists())
        if (path / _CAPSULE).is_file() and is_baseline:
            found.append(Item(f"baseline {name}", partial(_baseline, store.path, path, name, baselines)))
        elif path.name != ".lock":
            found.append(Item(path.name, partial(_leftover, store.path, path)))
    return found


def _calibrations(store: Store) -> list[Item]:
    files = [path for folder in _children(store.path / "devices") for path in _children(folder)]
    return [
        Item(path.name, partial(_calibration if _is_calibration(path) else _leftover, store.path, path))
        for path in files
    ]


def _alerts(store: Store) -> list[Item]:
    return [
        Item(path.name, partial(_alert if FILE.fullmatch(path.name) else _leftover, store.path, path))
        for path in _children(states_folder(store.path))
    ]


def _index(store: Store) -> list[Item]:
    found = []
    for path in _children(index_folder(store.path)):
        if path.name[:1].isdigit():
            found.append(Item(f"index {path.name}", partial(_index_part, store.path, path)))
        elif path.name != ".lock":
            found.append(Item(path.name, partial(_leftover, store.path, path)))
    return found


def _index_part(store: Path, folder: Path) -> ItemResult:
    """A part of the index, which is a cache: what is damaged is not used."""
    reading = Reading(store, folder)
    reading.read_all()
    part = read_part(folder)
    if part is None and not folder.exists():
        return Reading(store, folder).result("index", name=f"index {folder.name}")  # it was merged meanwhile
    if part is None:
        reading.bad(folder / "part.json", f"it can't be read: {MAKE_AGAIN}")
    else:
        try:
            for table in part.manifest.tables:
                part.paths(table)
        except PartError as error:
            if is_part(folder):
                reading.bad(folder, f"{str(error).removeprefix(f'{folder} ')}: {MAKE_AGAIN}")
    return reading.result("index", name=f"index {folder.name}")


def _is_calibration(path: Path) -> bool:
    return re.fullmatch(r"calibration-.*\.json", path.name) is not None


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{folder} can't be read ({error.strerror}): check its permissions") from error


def _baseline(store: Path, folder: Path, name: str, baselines: Baselines) -> ItemResult:
    reading = Reading(store, folder)
    reading.read_all()
    sums = reading.sums()
    if sums is not None:
        reading.compare(sums)
    try:
        blobs = baselines.get(name).blobs
    except StoreError as error:
        reading.bad(folder / _CAPSULE, str(error).removeprefix(f"{folder / _CAPSULE} "))
        blobs = {}
    for place, sha in blobs.items():
        if place not in reading.contents:
            reading.bad(folder / place, f"it is missing: {RESTORE}, or save the baseline again")
        elif sum_of(reading.contents[place]).sha256 != sha:
            reading.bad(folder / place, f"it is not what was saved: {RESTORE}, or save the baseline again")
    return reading.result("baseline", signed=is_signed(folder / _CAPSULE), name=name)


def _alert(store: Path, path: Path) -> ItemResult:
    reading = Reading(store, path.parent)
    reading.read(path.name)
    if path.name in reading.contents:
        try:
            parse_state(reading.contents[path.name], path)
        except StoreError as error:
            reading.bad(path, str(error).removeprefix(f"{path} "))
    return reading.result("alert", name=path.name)


def _calibration(store: Path, path: Path) -> ItemResult:
    reading = Reading(store, path.parent)
    reading.read(path.name)
    if path.name in reading.contents:
        try:
            read_calibration(path)
        except StoreError as error:
            reading.bad(path, str(error).removeprefix(f"{path} "))
    return reading.result("calibration", name=path.name)


def _leftover(store: Path, path: Path) -> ItemResult:
    """What is none of a store's files: a folder of a run whose `run.json` is gone, or what a killed process left."""
    reading = Reading(store, path.parent)
    if (path / JOURNAL).is_file():
        reading.bad(path / RECORD, f"it is missing: {RESTORE}, or remove the folder")
    else:
        reading.note(path, "it is no part of a store, a killed process may have left it: remove it")
    return reading.result("leftover", name=path.name)
