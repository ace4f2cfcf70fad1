"""JPEG and PNG files for tests, some of them made by hand, and what a model sees of them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from bnnbench.kernels.models.datasets import Dataset
from bnnbench.kernels.models.datasets.image_folder import decoded
from bnnbench.kernels.models.datasets.listing import listed
from bnnbench.kernels.models.datasets.preparation import preparation

RNG = np.random.default_rng(5)


def random_image(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    """Smooth enough that it is not all noise, with sharp edges."""
    return (RNG.integers(0, 256, (height, width, channels)) // 64 * 60 + RNG.integers(0, 50)).astype(np.uint8)


def png(values: NDArray[Any], mode: str | None = None, **words: Any) -> bytes:
    file = io.BytesIO()
    image = PIL.Image.fromarray(values if values.ndim < 3 or values.shape[2] > 1 else values[:, :, 0])
    (image if mode is None else image.convert(mode)).save(file, "PNG", **words)
    return file.getvalue()


def folder(path: Path, **classes: list[bytes]) -> Path:
    """Class folders with files 0.png, 1.png ..."""
    for name, contents in classes.items():
        (path / name).mkdir(parents=True)
        for number, content in enumerate(contents):
            (path / name / f"{number}.png").write_bytes(content)
    return path


def opened(path: Path, shape: tuple[int, int, int], resize: str | None, normalize: str, **words: Any) -> Dataset:
    return decoded(listed(path), shape, preparation(resize, normalize, str(path)), "m.tflite", **words)


def only(path: Path, content: bytes, shape: tuple[int, int, int], resize: str | None = None) -> NDArray[Any]:
    """What a model sees of one image, from 0 to 255."""
    values: NDArray[Any] = opened(folder(path, a=[content]), shape, resize, "[0,255]").inputs(slice(0, 1))[0]
    return values


GREY = np.arange(0, 250, 10, dtype=np.uint8).reshape(5, 5)
COLOUR = np.stack([GREY, GREY[::-1], GREY.T], axis=2)
ALPHA = np.dstack([COLOUR, np.where(GREY > 100, 0, 255).astype(np.uint8)])


def chunks_of(header: bytes, rows: bytes) -> bytes:
    """A PNG by hand."""
    found = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        found += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return found


def of_16_bits(values: NDArray[np.uint16]) -> bytes:
    """Grey or RGB."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = 2 if values.ndim == 3 else 0
    return chunks_of(struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0), rows)


DEEP = (np.arange(25, dtype=np.uint16).reshape(5, 5) * 2600).astype(np.uint16)
