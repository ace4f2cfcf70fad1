"""A folder to start from: a suite and an inventory with comments, and nothing that was there overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ..errors import CannotMeasure

FILES = ("suite.toml", "devices.toml")
"""Their names, in the templates as in the folder."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file to start from; `is_new` says whether it was written now, or was there before."""

    path: Path
    is_new: bool


def init_folder(folder: Path) -> list[Written]:
    """Writes what the folder lacks of `FILES`, and makes the folder where there is none.

    Raises CannotMeasure when it cannot be written; a file or a link in the place of one is left as it is.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [Written(folder / name, _write(folder / name, template(name))) for name in FILES]
    except FileExistsError:
        raise CannotMeasure(f"{folder} is a file; name a folder to write {' and '.join(FILES)} to.") from None
    except OSError as error:
        raise CannotMeasure(f"{error.filename or folder} cannot be written: {error.strerror or error}.") from None


def template(name: str) -> str:
    """The text of one of `FILES`."""
    return files("bnnbench.harness.suite").joinpath("templates", name).read_text("utf-8")


def _write(path: Path, text: str) -> bool:
    """Whether it was written; not where there is anything of this name, be it a link to nowhere."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True
