"""Files that are either wholly there or not at all."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bnnbench.results.errors import store_error


def sync_folder(folder: Path) -> None:
    """Makes new names in `folder` survive a power cut."""
    if sys.platform == "win32":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes `path` through a temporary file beside it, fsync and rename; without fsync where it need not be `durable`.

    Raises StoreError when it can't; what was at `path` before is then still there.
    """
    with replacing(path, durable=durable) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, mode: int = 0o644, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends without an error: temporary file, fsync and rename.

    Raises StoreError for an OSError, also one in the block; what was at `path` before is then still there.
    """
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            Path(temporary).chmod(mode)  # mkstemp's 0600 would keep colleagues from reading a shared store
            if durable:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = None
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise store_error(error, path) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
