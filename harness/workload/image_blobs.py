"""Labelled images as devices get them: some in each file, and not all of them in memory at once."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.cache import cache_folder
from bnnbench.kernels.errors import DatasetError
from bnnbench.kernels.models.datasets.image_folder import MOST_IN_MEMORY

MOST_AT_ONCE = 1000
"""How many images an engine is given with one request, at most."""
MOST_BYTES_AT_ONCE = 64 << 20
"""And how many bytes of them, since it holds them in its memory."""
_PREFIX = "images-"
_LEFT_BEHIND_S = 24 * 3600


@dataclass(frozen=True)
class ImageBlobs:
    """`sources` are bytes, or files of `folder`, which goes with this object."""

    sources: tuple[bytes | Path, ...]
    folder: tempfile.TemporaryDirectory[str] | None = None


def at_once(images: NDArray[Any]) -> int:
    """How many of these an engine is given with one request."""
    return max(1, min(MOST_AT_ONCE, MOST_BYTES_AT_ONCE // max(1, images[:1].nbytes)))


def image_blobs(images: NDArray[Any]) -> ImageBlobs:
    """Raises DatasetError when there is no room for files."""
    if images.nbytes <= MOST_IN_MEMORY:
        return ImageBlobs(tuple(_parts(images)))
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _clear(cache)
        folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=cache)
        paths = []
        for number, part in enumerate(_parts(images)):
            paths.append(Path(folder.name) / str(number))
            paths[-1].write_bytes(part)
        return ImageBlobs(tuple(paths), folder)
    except OSError as error:
        raise DatasetError(
            f"the images take {images.nbytes / 1e9:.1f} GB in {cache} while they are used ({error.strerror}); choose "
            "fewer, or set BNNBENCH_CACHE to a folder with room."
        ) from None


def _parts(images: NDArray[Any]) -> Iterator[bytes]:
    count = at_once(images)
    return (np.ascontiguousarray(images[at : at + count]).tobytes() for at in range(0, len(images), count))


def _clear(cache: Path) -> None:
    """Removes what processes that were killed left there."""
    for folder in cache.glob(f"{_PREFIX}*"):
        if time.time() - folder.lstat().st_mtime > _LEFT_BEHIND_S:
            shutil.rmtree(folder, ignore_errors=True)


def path_of(blob: bytes | Path) -> str:
    """Where a file lies on a device: by its content."""
    content = blob if isinstance(blob, bytes) else blob.read_bytes()
    return f"blobs/{hashlib.sha256(content).hexdigest()}"
