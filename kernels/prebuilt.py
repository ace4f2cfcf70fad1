"""Engines and plugins that come with an installed wheel, so that nothing needs to be compiled.

`prebuilt/manifest.json` names each file by the key of its build (see `toolchain`) with its SHA-256, and the compilers
that made them. A key that is not there (another version of a source, of a flag or of a compiler) is built here.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from .compilers import Compilers
from .errors import BuildError

FOLDER = Path(__file__).parent / "prebuilt"
MANIFEST = "manifest.json"
_AGAIN = "install bnnbench again"


class PrebuiltFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the folder. `what` says for people what it is."""

    file: str
    sha256: str
    what: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`files` by the key of their build."""

    compilers: Compilers
    files: dict[str, PrebuiltFile]


@cache
def manifest() -> Manifest | None:
    """None in a checkout, where engines are built. Raises BuildError when it is damaged."""
    path = FOLDER / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise BuildError(f"{path} cannot be read ({error}); {_AGAIN}.") from None


def prebuilt(key: str) -> bytes | None:
    """The file of this key; None when the wheel has none. Raises BuildError when it is not what the wheel was made
    with."""
    found = manifest()
    entry = found.files.get(key) if found else None
    if entry is None:
        return None
    path = FOLDER / entry.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BuildError(f"{path} cannot be read ({error.strerror or error}); {_AGAIN}.") from None
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise BuildError(f"{path} is not the file of the wheel: its SHA-256 is another one; {_AGAIN}.")
    return content
