"""Rules about the bytes of a file."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Op
from .finding import Place
from .storage import METADATA_OF_CONVERTER
from .subject import Subject
from .weights import is_binary

_LARGE, _SMALL = 0.10, 0.01
"""Shares of the file: of all float weights, and of one layer's, below which nothing is said."""
_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_LEAST_BYTES = 256
"""Smaller constants are not worth a word."""


def float_weights(subject: Subject) -> Iterator[Place]:
    """float32 weights of layers that would do with int8, where they are at least a tenth of the file."""
    found: dict[int, tuple[Op, int]] = {}
    for op in subject.model.ops:
        weights = op.input(1)
        if op.name not in _LAYERS or weights is None or weights.data is None or weights.dtype != "float32":
            continue
        if not is_binary(weights.data):
            found.setdefault(weights.buffer, (op, weights.data.nbytes))
    size = subject.model.size_bytes
    if sum(stored for _, stored in found.values()) < _LARGE * size:
        return
    for op, stored in found.values():
        if stored >= _SMALL * size:
            yield Place(op.index, op.name, f"{stored // 4:,} weights of float32", file_bytes=stored * 3 // 4)


def duplicate_data(subject: Subject) -> Iterator[Place]:
    """Buffers with the bytes of another one."""
    first: dict[str, str] = {}
    for buffer in subject.storage.buffers:
        if buffer.size < _LEAST_BYTES or not buffer.user:
            continue
        if buffer.digest in first:
            yield Place(None, buffer.user, f"the bytes of '{first[buffer.digest]}' again", file_bytes=buffer.size)
        first.setdefault(buffer.digest, buffer.user)


def unused_data(subject: Subject) -> Iterator[Place]:
    """Buffers of no tensor, and those of tensors that no op has."""
    storage = subject.storage
    used = {tensor.buffer for op in subject.model.ops for tensor in (*op.inputs, *op.outputs) if tensor is not None}
    used |= {tensor.buffer for tensor in (*subject.model.inputs, *subject.model.outputs)}
    for buffer in storage.buffers:
        if buffer.index in used or buffer.size < _LEAST_BYTES or buffer.user in storage.metadata:
            continue
        what = f"tensor '{buffer.user}' is in no op" if buffer.user else "no tensor has it"
        yield Place(None, f"buffer {buffer.index}", what, file_bytes=buffer.size)


def old_converter(subject: Subject) -> Iterator[Place]:
    """Files without the marks of TensorFlow's converters since 2.0."""
    storage = subject.storage
    if not storage.is_known:
        return
    text = subject.model.description
    if text.startswith("TOCO"):
        yield Place(None, "description", f"'{text}': the converter of TensorFlow 1")
    elif not any(name in storage.metadata for name in METADATA_OF_CONVERTER):
        yield Place(None, "metadata", "it has no min_runtime_version, which converters write since TensorFlow 2.0")
