"""What people decided about alerts: a small sealed file for each, `<store>/alerts/<id>.json`. Who decided is not kept.

A file also says what its alert is about, so that it is found again when a history with more runs places the same change
some runs earlier or later (`results/alerts/matching.py`).
"""

import re
import warnings
from pathlib import Path
from typing import Literal

import msgspec

from bnnbench.results.errors import StoreError, StoreWarning, store_error
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.seal import is_sealed, is_whole, seal_document

FOLDER = "alerts"
FILE = re.compile(r"([0-9a-f]{12})\.json")
MOST_NOTE = 2000
"""Characters of a note."""
MOST_BYTES = 1 << 16
SCHEMA = 1

State = Literal["new", "acknowledged", "fixed", "wontfix"]
Kind = Literal["regression", "improvement"]
Source = Literal["verdicts", "history"]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert is about, without the run where it began. `against` is the base of a comparison."""

    kind: Kind
    source: Source
    device: str
    workload: str
    engine: str
    variant: str | None
    threads: int
    metric: str
    against: str | None = None


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    """A decision about an alert. `first_run` is the run where it began, `first_created` when that run began, `until`
    when the newest run began that was known then; `changed` is when it was decided. Times are ISO 8601 in UTC."""

    id: str
    state: State
    subject: Subject
    first_run: str
    first_created: str
    until: str
    changed: str
    note: str = ""
    schema: int = SCHEMA


_decoder = msgspec.json.Decoder(AlertState)


def states_folder(store: Path) -> Path:
    """Where the decisions are."""
    return store / FOLDER


def read_states(store: Path) -> list[AlertState]:
    """Every decision, by id. Warns (StoreWarning) of a file that can't be read, which is left out: its alert is then
    new."""
    try:
        paths = sorted(states_folder(store).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{states_folder(store)} can't be read ({error.strerror}): check its permissions") from error
    found = []
    for path in paths:
        if FILE.fullmatch(path.name):
            try:
                found.append(read_state(path))
            except StoreError as error:
                warnings.warn(StoreWarning(f"the state of alert {path.stem} is left out: {error}"), stacklevel=2)
    return found


def read_state(path: Path) -> AlertState:
    """What a file says. Raises StoreError."""
    try:
        data = read_regular(path)
    except OSError as error:
        raise StoreError(f"{path} can't be read ({error.strerror or error}): check its permissions") from error
    return parse_state(data, path)


def parse_state(data: bytes, path: Path) -> AlertState:
    """What the content of a file at `path` says. Raises StoreError."""
    try:
        if len(data) > MOST_BYTES or not is_sealed(data) or not is_whole(data):
            raise UnreadableError("its checksum is wrong")
        found = decoded(data, _decoder)
        if found.id != path.stem:
            raise UnreadableError("it is about another alert")
        if found.schema > SCHEMA:
            raise UnreadableError(f"it has schema {found.schema}, this bnnbench reads up to {SCHEMA}")
    except UnreadableError as error:
        raise StoreError(f"{path} is not the state of an alert ({error}): remove it, and decide again") from error
    return found


def write_state(store: Path, state: AlertState) -> Path:
    """Writes a decision, in the place of an earlier one. Raises StoreError."""
    folder = states_folder(store)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise store_error(error, folder) from error
    path = folder / f"{state.id}.json"
    write_atomically(path, seal_document(msgspec.json.format(msgspec.json.encode(state), indent=1)))
    return path
