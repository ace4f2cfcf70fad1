"""What a site keeps between two builds: `.bnnbench-site.json` in its folder."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from bnnbench.results.errors import StoreError
from bnnbench.results.site.cases import CaseSummary
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular

STATE = ".bnnbench-site.json"
_OWN_PATH = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,160}(/(?!\.)[A-Za-z0-9._-]{1,160}){0,3}")


class Written(msgspec.Struct, frozen=True, array_like=True):
    """A file of the site: a digest of what it was made of, and size and SHA-256 of its content."""

    made_of: str
    sha256: str
    size: int


class State(msgspec.Struct, kw_only=True):
    """`version` is a digest of the code and templates, `asked` one of the options that pages depend on; `runs` are the
    known runs with the state of their files, `cases` what is known of each case; `files` are those that were written,
    by path. `kept` is what kinds of pages keep for themselves, by the name of the kind."""

    version: str = ""
    asked: str = ""
    runs: dict[str, str] = {}
    cases: list[CaseSummary] = []
    files: dict[str, Written] = {}
    kept: dict[str, msgspec.Raw] = {}


_decoder = msgspec.json.Decoder(State)


def read_state(out: Path) -> State | None:
    """The state of a site's folder; None where there is none, or it is damaged: then all pages are made again. Raises
    StoreError where the folder can't be read."""
    try:
        data = read_regular(out / STATE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"{out / STATE} can't be read ({error.strerror}): check its permissions") from error
    try:
        state = decoded(data, _decoder)
    except UnreadableError:
        return None
    return state if all(map(_OWN_PATH.fullmatch, state.files)) else None


def write_state(out: Path, state: State) -> None:
    """Writes it. Raises StoreError."""
    write_atomically(out / STATE, msgspec.json.encode(state))
