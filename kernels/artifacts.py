"""What is built once and kept in the cache by the key of its build: engines, and plugins of qemu.

A file of the installed wheel with that key is copied instead of being built.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .cache import cache_folder, is_noted, note_digest, private_folder, verified
from .compilers import installed
from .errors import BuildError
from .prebuilt import prebuilt

Progress = Callable[[str], None]
"""Receives one line before work that takes long."""


def artifact(kind: str, key: str, name: str, what: str, make: Callable[[Path], None]) -> tuple[Path, str]:
    """The file `name` in the cache's folder `kind/key`, and its SHA-256.

    Where it is missing, `make` writes it into the folder that it is called with. `what` it is, for messages. Raises
    BuildError.
    """
    path = cache_folder() / kind / key / name
    if not is_noted(path):
        try:
            _keep_once(path, prebuilt(key), what, make)
        except OSError as error:
            raise BuildError(
                f"{what} cannot be kept in {cache_folder()}: {error.strerror or error}; free space there or set "
                "BNNBENCH_CACHE to another folder."
            ) from error
    return path, verified(path)


def _keep_once(path: Path, content: bytes | None, what: str, make: Callable[[Path], None]) -> None:
    from filelock import FileLock

    kind = private_folder(path.parent.parent.name)
    # One build at a time: zig itself uses every core, and a second process may want the same key.
    with FileLock(kind / ".lock"):
        if is_noted(path):
            return
        with tempfile.TemporaryDirectory(dir=kind, prefix=".build-") as scratch:
            made = Path(scratch) / path.name
            if content is not None:
                made.write_bytes(content)
                made.chmod(0o700)
            elif installed() is None:
                raise BuildError(
                    f"{what} does not come with this installation, and building it needs zig: "
                    "pip install 'bnnbench[build]'."
                )
            else:
                make(Path(scratch))
            target = Path(scratch) / "out"
            target.mkdir()
            made.rename(target / path.name)
            note_digest(target / path.name)
            shutil.rmtree(path.parent, ignore_errors=True)  # of a version that noted no digest
            target.rename(path.parent)
