"""Files that a run names, sent to hosts by their content: once each, whatever they are called.

In what a host is sent, a path is `lab:SHA256/NAME`; on a host it is FOLDER/SHA256/NAME.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ..errors import CallError, CannotMeasure
from ..plan.config import RunConfig

CHUNK_BYTES: Final = 8 << 20
_PREFIX = "lab:"
_SENT = re.compile(r"lab:([0-9a-f]{64})/([^/\0]+)")


@dataclass(frozen=True, slots=True)
class Sent:
    """A config whose files are named by content, and where they are here."""

    config: RunConfig
    files: Mapping[str, Path]


def named_by_content(config: RunConfig) -> Sent:
    """Raises CallError for a folder: a file has one content."""
    found: dict[str, Path] = {}
    names: dict[str, str] = {}
    config = msgspec.structs.replace(config, inventory=None, inventory_given=False, sources=[])
    datasets = [table.dataset for table in config.suite.model if table.dataset and os.sep in table.dataset]
    for text in dict.fromkeys([*config.files(), *datasets]):
        path = Path(text)
        if path.is_dir():
            raise CallError(f"{path} is a folder, and a lab is sent files only: pack the images into an .npz file.")
        if os.sep in text and path.is_file():
            name = f"{_digest(path)}/{path.name}"
            names[text], found[name] = _PREFIX + name, path
    return Sent(_renamed(config, lambda text: names.get(text, text)), found)


def named_by_place(config: RunConfig, folder: Path) -> RunConfig:
    """On a host whose files are in `folder`. Raises CannotMeasure when one was not sent."""

    def place(text: str) -> str:
        found = _SENT.fullmatch(text)
        if found is None:
            return text
        path = folder / found[1] / found[2]
        if not path.is_file():
            raise CannotMeasure(f"the host does not have the file {found[2]} any more; run it again.")
        return str(path)

    return _renamed(config, place)


def _renamed(config: RunConfig, change: Callable[[str], str]) -> RunConfig:
    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list | tuple) else value

    return msgspec.convert(walk(msgspec.to_builtins(config)), RunConfig)


def missing(folder: Path, names: list[str]) -> list[str]:
    """Which of the names SHA256/NAME are not there."""
    return [name for name in names if not (folder / name).is_file()]


def receive(folder: Path, name: str, sender: str, offset: int, data: bytes, *, is_last: bool) -> None:
    """A piece of a file, which has its name when it is whole. `sender` is a word of its own for each transfer.

    Raises CannotMeasure for another content.
    """
    path = place_of(folder, name)
    if not sender.isalnum():
        raise CannotMeasure(f"{sender!r} is no name of a transfer to a lab.")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".part-{sender}")
    with part.open("r+b" if part.exists() and offset else "wb") as file:
        file.seek(offset)
        file.write(data)
        file.truncate()
        if is_last:
            file.flush()
            os.fsync(file.fileno())
    if is_last:
        if _digest(part) != path.parent.name:
            part.unlink()
            raise CannotMeasure(f"the file {path.name} arrived damaged; run it again.")
        part.chmod(0o700)  # it may be a program
        part.replace(path)


def place_of(folder: Path, name: str) -> Path:
    """Where a file is, or will be. Raises CannotMeasure for what is not SHA256/NAME."""
    found = _SENT.fullmatch(_PREFIX + name)
    if found is None or found[2] in (".", ".."):
        raise CannotMeasure(f"{name!r} is no name of a file that is sent to a lab.")
    return folder / name


def keep(folder: Path, part: Path) -> str:
    """Moves a file that was made in `folder` to its place, and returns its name. Raises OSError."""
    name = f"{_digest(part)}/{part.name}"
    (folder / name).parent.mkdir(exist_ok=True, mode=0o700)
    part.replace(folder / name)
    return name


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
