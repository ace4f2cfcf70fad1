"""What a `.tflite` file stores: buffers, who uses them, and what its writer left about itself."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import numpy as np
import tflite

from ..model import ModelFile

_MOST = 250_000
_DAMAGED = (struct.error, ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, OSError)
METADATA_OF_CONVERTER = ("min_runtime_version", "CONVERSION_METADATA")
"""What TensorFlow's converters have written since 2.0, and since 2.9."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """`size` bytes of the file. `user` is the name of the first tensor or metadata that has them, or empty."""

    index: int
    size: int
    digest: str
    user: str


@dataclass(frozen=True, slots=True)
class Storage:
    """`buffers` are those with bytes. Of another format than `.tflite` there are none."""

    buffers: tuple[Buffer, ...] = ()
    metadata: tuple[str, ...] = ()
    is_known: bool = False


def read_storage(model: ModelFile) -> Storage:
    """Reads a file again that was read before; what cannot be read any more is not known."""
    if model.format != "tflite":
        return Storage()
    try:
        return _read(model.path.read_bytes(), model)
    except _DAMAGED:
        return Storage()


def _read(content: bytes, model: ModelFile) -> Storage:
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise ValueError(f"{model.path} changed")
    root = tflite.Model.GetRootAs(content, 0)
    users: dict[int, str] = {}
    for number in range(_bounded(root.SubgraphsLength())):
        graph = root.Subgraphs(number)
        for place in range(_bounded(graph.TensorsLength())):
            tensor = graph.Tensors(place)
            users.setdefault(tensor.Buffer(), _text(tensor.Name()) or f"tensor {place}")
    metadata = []
    for place in range(_bounded(root.MetadataLength())):
        entry = root.Metadata(place)
        metadata.append(_text(entry.Name()))
        users.setdefault(entry.Buffer(), metadata[-1])
    buffers = []
    for index in range(_bounded(root.BuffersLength())):
        raw = _raw(content, root.Buffers(index))
        if raw.size:
            digest = hashlib.blake2b(raw.tobytes(), digest_size=16).hexdigest()
            buffers.append(Buffer(index, raw.size, digest, users.get(index, "")))
    return Storage(tuple(buffers), tuple(metadata), is_known=True)


def _raw(content: bytes, table: object) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    start, size = table.Offset(), table.Size()  # type: ignore[attr-defined]
    if start > 1:  # large models keep constants behind the FlatBuffer
        return np.frombuffer(content, np.uint8, size, start)
    length = table.DataLength()  # type: ignore[attr-defined]
    if length > len(content):
        raise ValueError(f"a buffer of {length} bytes")
    return table.DataAsNumpy() if length else np.zeros(0, np.uint8)  # type: ignore[attr-defined]


def _bounded(count: int) -> int:
    if count > _MOST:
        raise ValueError(f"{count} items")
    return count


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw[:200].decode(errors="replace")
