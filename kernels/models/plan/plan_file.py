"""Plans as files: docs/plans.md."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..graph import Tensor
from .steps import DIRECT, STAGES, STREAMS, Stage, Step, image_shape

VERSION = 3
MAGIC = b"BNNPLAN\0"
HEADER_BYTES = 64
_ALIGN = 64
_DTYPES = {"f32": 0, "i8": 1, "bits": 2, "i32": 3, "u8": 4}


def encode(
    steps: Sequence[Step],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    offsets: Mapping[Tensor, int],
    arena_bytes: int,
) -> bytes:
    """The whole file."""
    data = _Data()
    order = dict.fromkeys([*inputs, *outputs, *(t for step in steps for t in (*step.reads, *step.writes))])
    numbers = {tensor: number for number, tensor in enumerate(order)}
    program: list[int] = []
    for tensor in numbers:
        program += _tensor(tensor, offsets[tensor], data)
    program += [numbers[tensor] for tensor in (*inputs, *outputs)]
    for step in steps:
        program += _step(step, numbers, data)
    head = struct.pack(
        "<QQIIIII", arena_bytes, data.bytes, len(numbers), len(inputs), len(outputs), len(steps), len(program)
    )
    text = struct.pack(f"<{len(program)}I", *(word % 2**32 for word in program))
    body = _padded(head) + _padded(text) + b"".join(data.parts)
    header = struct.pack("<8sIIQ", MAGIC, VERSION, 0, len(body)) + hashlib.sha256(body).digest()
    return header.ljust(HEADER_BYTES, b"\0") + body


class _Data:
    """The data section: aligned constants and names, each content once."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.bytes = 0
        self._places: dict[bytes, int] = {}

    def constant(self, array: NDArray[Any]) -> int:
        """Its place in units of 64 bytes."""
        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        return self._place(little.tobytes()) // _ALIGN

    def name(self, text: str) -> list[int]:
        """Place and length in bytes."""
        raw = text.encode(errors="replace")[:1000]
        return [self._place(raw), len(raw)]

    def _place(self, raw: bytes) -> int:
        digest = hashlib.sha256(raw).digest()
        if digest not in self._places:
            self._places[digest] = self.bytes
            padded = _padded(raw)
            self.parts.append(padded)
            self.bytes += len(padded)
        return self._places[digest]


def _tensor(tensor: Tensor, offset: int, data: _Data) -> list[int]:
    quantized = tensor.dtype in ("i8", "u8")
    return [
        _DTYPES[tensor.dtype],
        len(tensor.shape),
        *image_shape(tensor),
        offset % 2**32,
        offset >> 32,
        _bits(tensor.scale or 0.0) if quantized else 0,
        tensor.zero_point if quantized else 0,
        *data.name(tensor.name),
    ]


def _step(step: Step, numbers: Mapping[Tensor, int], data: _Data) -> list[int]:
    arguments = [_word(argument, numbers, data) for argument in step.arguments]
    stages: list[int] = []
    for stage in step.stages:
        stages += _stage(stage, numbers, data)
    rest = [*data.name(step.name), len(arguments), *arguments, len(step.stages), *stages]
    return [{**STREAMS, **DIRECT}[step.kind], len(rest), *rest]


def _stage(stage: Stage, numbers: Mapping[Tensor, int], data: _Data) -> list[int]:
    arguments = [_word(argument, numbers, data) for argument in stage.arguments]
    return [STAGES[stage.kind], len(arguments), *arguments]


def _word(argument: object, numbers: Mapping[Tensor, int], data: _Data) -> int:
    match argument:
        case Tensor():
            return numbers[argument]
        case float():
            return _bits(argument)
        case int() | np.integer():
            return int(argument)
        case np.ndarray():
            return data.constant(argument)
    raise AssertionError(argument)


def _bits(value: float) -> int:
    (word,) = struct.unpack("<I", struct.pack("<f", value))
    return int(word)


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % _ALIGN)
