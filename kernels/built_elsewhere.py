"""What another machine has built, kept in this one's cache as if it had been built here: see `artifacts`.

Builds are reproducible, so the same key has the same content everywhere. A file whose SHA-256 is not the one that was
announced, or another one than that of a build with this key here, is refused.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .artifacts import artifact
from .cache import cache_folder, is_noted, note_digest, private_folder, verified
from .errors import BuildError
from .prebuilt import prebuilt

NAMES: Final[Mapping[str, str]] = {"engines": "engine", "plugins": "plugin.so"}
"""What is built, by the folder of the cache, and the name of its file."""
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """`kind` is one of `NAMES`, `key` that of the build, `sha256` that of its file."""

    kind: str
    key: str
    sha256: str


def artifact_at(path: Path) -> Artifact | None:
    """What a file in the cache is; None for one that is elsewhere. Raises BuildError when it was changed."""
    kind, key = path.parent.parent.name, path.parent.name
    if kind not in NAMES or path != cache_folder() / kind / key / NAMES[kind]:
        return None
    return Artifact(kind, key, verified(path))


def path_of(kind: str, key: str) -> Path:
    """Where the file is, if it is here. Raises BuildError for what is no kind or key."""
    if kind not in NAMES or not _KEY.fullmatch(key):
        raise BuildError(f"{kind[:40]!r}, {key[:80]!r}: there are no builds of this name.")
    return cache_folder() / kind / key / NAMES[kind]


def kept(kind: str, key: str) -> Artifact | None:
    """The build with this key, if the cache or the installed wheel has it. Raises BuildError when it was changed."""
    path = path_of(kind, key)
    if is_noted(path):
        return Artifact(kind, key, verified(path))
    if prebuilt(key) is None:
        return None
    return Artifact(kind, key, artifact(kind, key, NAMES[kind], path.name, _not_called)[1])


def adopt(found: Artifact, file: Path) -> None:
    """Keeps a copy of `file` as the build `found`. Raises BuildError for another content, or where a build with this
    key is here and differs."""
    from filelock import FileLock

    path, content = path_of(found.kind, found.key), file.read_bytes()
    if hashlib.sha256(content).hexdigest() != found.sha256:
        raise BuildError(f"the {path.name} {found.key[:12]} is not the file that was announced; run it again.")
    try:
        folder = private_folder(found.kind)
        with FileLock(folder / ".lock"):
            if not is_noted(path):
                with tempfile.TemporaryDirectory(dir=folder, prefix=".sent-") as scratch:
                    made = Path(scratch) / "out" / path.name
                    made.parent.mkdir(mode=0o700)
                    made.write_bytes(content)
                    made.chmod(0o700)
                    note_digest(made)
                    shutil.rmtree(path.parent, ignore_errors=True)
                    made.parent.rename(path.parent)
    except OSError as error:
        raise BuildError(f"{path} cannot be written ({error.strerror or error}); free space there.") from error
    require_same(found)


def require_same(announced: Artifact) -> bool:
    """Whether a build with this key is here. Raises BuildError when it differs from the one that was announced."""
    here = kept(announced.kind, announced.key)
    if here is not None and here.sha256 != announced.sha256:
        raise BuildError(
            f"the {NAMES[announced.kind]} {announced.key[:12]} was built differently on two machines; remove "
            f"{path_of(announced.kind, announced.key).parent} on both, and find out which of them compiles wrongly."
        )
    return here is not None


def _not_called(scratch: Path) -> None:
    raise AssertionError("it comes with the wheel")
