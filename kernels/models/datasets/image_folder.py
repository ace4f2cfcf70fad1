"""Folders of JPEG and PNG files as datasets: each is read once, in threads, and only what is drawn is decoded."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...cache import cache_folder
from ...errors import DatasetError
from .dataset import Dataset
from .decoding import UndecodableError, bombs_refused, decode
from .listing import Listing
from .preparation import Preparation
from .resize import RESIZES, pixels

Progress = Callable[[int, int], None]
"""Called with how many images are done, of how many."""

MOST_IN_MEMORY = 512 << 20
"""Beyond so many bytes, decoded images lie in a file of the cache that is gone with the process."""
_LARGEST_BYTES = 16 << 30
_LARGEST_FILE = 256 << 20
_AT_ONCE = 128
_MOST_BROKEN = 0.01
_THREADS = 4
_UNBLOCKED: int = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class _Read:
    """A file's digest, and its pixels as they are stored, or why there are none; neither where it was not drawn."""

    sha256: str
    values: NDArray[Any] | None = None
    broken: str | None = None


@dataclass(frozen=True)
class _Task:
    """`shape` is H, W, C."""

    listing: Listing
    shape: tuple[int, int, int]
    prepared: Preparation
    model: str

    @cached_property
    def preprocessing(self) -> Any:
        return self.prepared.of_bytes()

    @property
    def dtype(self) -> type[Any]:
        return np.float32 if self.preprocessing is None else np.uint8

    def read(self, place: int, is_drawn: bool) -> _Read:
        """One image. Raises DatasetError where the model's size is not that of it, and nothing is said of that."""
        name = self.listing.files[place]
        try:
            content = _content(self.listing.path / name)
        except UndecodableError as error:
            return _Read("", broken=f"{name}: {error}")
        digest = hashlib.sha256(content).hexdigest()
        if not is_drawn:
            return _Read(digest)
        try:
            return _Read(digest, values=self._values(content, name))
        except UndecodableError as error:
            return _Read(digest, broken=f"{name}: {error}")

    def _values(self, content: bytes, name: str) -> NDArray[Any]:
        height, width, channels = self.shape
        resize = None if self.prepared.resize is None else RESIZES[self.prepared.resize]
        found = decode(content, channels, uprights=resize is None or resize.uprights)
        if resize is not None:
            try:
                values: NDArray[Any] = resize.apply(found, (height, width))
            except DatasetError as error:
                raise DatasetError(f"{self.listing.path / name}: {error}") from None
        elif found.size == (width, height):
            values = pixels(found)
        else:
            raise DatasetError(
                f"{self.listing.path / name} is {found.size[1]}x{found.size[0]} (height x width), and {self.model} "
                f"takes {height}x{width}; say how images are resized (resize in a suite, --resize): "
                f"{', '.join(RESIZES)}."
            )
        if self.preprocessing is not None:
            return values
        scale, offset = self.prepared.for_channels(channels)
        return values.astype(np.float32) * scale + offset


def decoded(
    listing: Listing,
    shape: tuple[int, int, int],
    prepared: Preparation,
    model: str,
    *,
    count: int | None = None,
    seed: int = 0,
    progress: Progress = lambda done, of: None,
) -> Dataset:
    """Images of a folder, all or `count` of them drawn with a seed, for a model that takes `shape` (H, W, C).

    One in a hundred may be broken, and is left out and named. Raises DatasetError.
    """
    task = _Task(listing, shape, prepared, model)
    _ = task.prepared.for_channels(shape[2])
    total = len(listing)
    if count is not None and not 0 < count <= total:
        raise DatasetError(f"the dataset {listing.path.name} has {total} images, not {count}.")
    is_part = count is not None and count < total
    drawn = np.sort(np.random.default_rng(seed).permutation(total)[:count]) if is_part else np.arange(total)
    images = _room(task, len(drawn))
    whole = hashlib.sha256(f"images {prepared.resize} {prepared.mean} {prepared.std} {shape}".encode())
    kept: list[int] = []
    broken: list[str] = []
    undrawn: list[str] = []
    chosen_places = set(drawn.tolist())
    for place, read in enumerate(_in_order(task, chosen_places, progress)):
        whole.update(f"{read.sha256} {listing.labels[place]}\n".encode())
        if read.values is not None:
            images[len(kept)] = read.values
            kept.append(place)
        elif read.broken is not None:
            here, of = (broken, len(drawn)) if place in chosen_places else (undrawn, total)
            here.append(read.broken)
            _require_few(listing, here, of)
    if not kept:
        raise DatasetError(f"no image of {listing.path} can be read ({broken[0]}).")
    chosen = np.array(kept, np.intp)
    name = f"{listing.path.name} ({prepared.words})"
    return Dataset(
        name=name,
        images=images[: len(kept)],
        labels=listing.labels[chosen],
        preprocessing=task.preprocessing,
        classes=listing.classes,
        whole=Dataset(name, images[:0], listing.labels, task.preprocessing, digest=whole.hexdigest()),
        chosen=chosen,
        seed=seed if is_part else None,
        resize=prepared.resize,
        normalize=prepared.normalize,
        excluded=(*broken, *undrawn, *listing.left_out),
        broken=len(broken),
    )


def _in_order(task: _Task, drawn: set[int], progress: Progress) -> Iterator[_Read]:
    """Every file, a few ahead of what is asked for."""
    total = len(task.listing)
    with bombs_refused(), ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for start in range(0, total, _AT_ONCE):
            progress(start, total)
            places = range(start, min(start + _AT_ONCE, total))
            yield from pool.map(lambda place: task.read(place, place in drawn), places)


def _content(path: Path) -> bytes:
    """Raises UndecodableError. What became a pipe since it was listed is not waited for."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _UNBLOCKED), "rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise UndecodableError(error.strerror or "cannot be read") from None
    if len(content) > _LARGEST_FILE:
        raise UndecodableError(f"larger than {_LARGEST_FILE >> 20} MiB")
    return content


def _room(task: _Task, count: int) -> NDArray[Any]:
    """For so many images: in memory, or in a file without a name. Raises DatasetError."""
    shape = (count, *task.shape)
    size = count * int(np.prod(task.shape)) * np.dtype(task.dtype).itemsize
    if size > _LARGEST_BYTES:
        raise DatasetError(
            f"{count:,} images of {task.listing.path} take {size / 1e9:.0f} GB, and up to 17 GB are taken; choose "
            "fewer (images in a suite, --images)."
        )
    if size <= MOST_IN_MEMORY:
        return np.empty(shape, task.dtype)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            _allocate(file, size)
            return np.memmap(file, task.dtype, "r+", shape=shape)
    except OSError as error:
        raise DatasetError(
            f"{count:,} images of {task.listing.path} take {size / 1e9:.1f} GB in {folder} while they are used "
            f"({error.strerror}); choose fewer, or set BNNBENCH_CACHE to a folder with room."
        ) from None


def _allocate(file: IO[bytes], size: int) -> None:
    """Takes the room at once where the system can, so that a full disk is an error here. Raises OSError."""
    if sys.platform == "linux":
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def _require_few(listing: Listing, broken: list[str], drawn: int) -> None:
    if len(broken) > max(1, int(drawn * _MOST_BROKEN)):
        raise DatasetError(
            f"{len(broken)} images of {listing.path} cannot be read, more than one in a hundred of {drawn:,} "
            f"({'; '.join(broken[:3])}); fix or remove them."
        )
