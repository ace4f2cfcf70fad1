"""Plan files back into steps, by docs/plans.md and nothing else: it shares no table with what writes them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from .plan_layout import KINDS, STAGE_KINDS, StepKind

_VERSION = 3
_HEADER_BYTES, _BODY_HEADER_BYTES, _ALIGN = 64, 64, 64
_DTYPES = ("f32", "i8", "bits", "i32", "u8")
STORED: Mapping[str, np.dtype[Any]] = {
    "f32": np.dtype("<f4"),
    "i8": np.dtype("i1"),
    "bits": np.dtype("<u4"),
    "i32": np.dtype("<i4"),
    "u8": np.dtype("u1"),
}
_WEIGHTS: Mapping[str, Mapping[int, np.dtype[Any]]] = {
    "f32": {4: np.dtype("<f4"), 2: np.dtype("<f2")},
    "i8": {1: np.dtype("i1")},
}
"""Dtype of x -> bytes of a weight -> the weights' dtype."""
_STAGE_CONSTANTS = {"bias": "<i4", "multiplier": "<i4", "shift": "<i4", "factor": "<f8"}


@dataclass(frozen=True, slots=True)
class PlanTensor:
    """A tensor's record; `shape` is n h w c, `rank` what it has of that."""

    number: int
    name: str
    dtype: str
    rank: int
    shape: tuple[int, int, int, int]
    offset: int
    scale: float
    zero_point: int

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Of the stored array: bits count words."""
        return (*self.shape[:3], (self.shape[3] + 31) // 32) if self.dtype == "bits" else self.shape

    @property
    def bytes(self) -> int:
        return prod(self.stored_shape) * STORED[self.dtype].itemsize


Value = PlanTensor | int | float | NDArray[Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class PlanStage:
    """A stage with its arguments by the names of `plan_layout`."""

    kind: str
    arguments: Mapping[str, Any]

    @property
    def stores(self) -> bool:
        return self.kind.startswith("store")


@dataclass(frozen=True, slots=True, eq=False)
class PlanStep:
    """A step with its arguments by the names of `plan_layout`; `shape` is n h w c of its stream, None without."""

    kind: str
    name: str
    arguments: Mapping[str, Any]
    stages: tuple[PlanStage, ...]
    shape: tuple[int, int, int, int] | None

    @property
    def reads(self) -> list[PlanTensor]:
        """Tensors that it or its stages read."""
        own = [
            argument for name, argument in self.arguments.items() if isinstance(argument, PlanTensor) and name != "out"
        ]
        return own + [stage.arguments["tensor"] for stage in self.stages if _reads(stage)]

    @property
    def writes(self) -> list[PlanTensor]:
        """Tensors that it or its stages write."""
        own = [self.arguments["out"]] if "out" in self.arguments else []
        return own + [stage.arguments["tensor"] for stage in self.stages if stage.stores]


@dataclass(frozen=True, slots=True, eq=False)
class PlanContent:
    """A whole plan file."""

    arena_bytes: int
    tensors: tuple[PlanTensor, ...]
    inputs: tuple[PlanTensor, ...]
    outputs: tuple[PlanTensor, ...]
    steps: tuple[PlanStep, ...]


def read_plan(content: bytes) -> PlanContent:
    """Raises ModelError, one sentence, for a file that is not a plan or one that contradicts itself."""
    if len(content) < _HEADER_BYTES + _BODY_HEADER_BYTES or content[:8] != b"BNNPLAN\0":
        raise ModelError("This is not a plan file; make one with make_plan.")
    version, zero, length = struct.unpack_from("<IIQ", content, 8)
    body = content[_HEADER_BYTES:]
    if (version, zero) != (_VERSION, 0) or any(content[56:64]):
        raise ModelError(f"The plan file is of version {version}, not {_VERSION}; make it again with make_plan.")
    if length != len(body) or hashlib.sha256(body).digest() != content[24:56]:
        raise ModelError("The plan file is damaged: its length or checksum is wrong; make it again with make_plan.")
    arena_bytes, data_bytes, *counts = struct.unpack_from("<QQIIIII", body)
    tensors, inputs, outputs, steps, words = counts
    start = _BODY_HEADER_BYTES + -(-words * 4 // _ALIGN) * _ALIGN
    if any(body[36:64]) or start + data_bytes != len(body):
        raise ModelError("The plan file's program and data do not fill its body; make it again with make_plan.")
    program = body[_BODY_HEADER_BYTES : _BODY_HEADER_BYTES + words * 4]
    reader = _Reader(list(struct.unpack(f"<{words}I", program)), body[start:])
    for number in range(tensors):
        reader.tensors.append(reader.tensor(number))
    ends = [tuple(reader.tensor_at(reader.word()) for _ in range(count)) for count in (inputs, outputs)]
    listed = tuple(reader.step() for _ in range(steps))
    if reader.at != words:
        raise ModelError("The plan file's program continues after its last step; make it again with make_plan.")
    return PlanContent(arena_bytes, tuple(reader.tensors), ends[0], ends[1], listed)


class _Reader:
    """Goes through the program word by word."""

    def __init__(self, words: list[int], data: bytes) -> None:
        self.words, self.data, self.at = words, data, 0
        self.tensors: list[PlanTensor] = []

    def word(self) -> int:
        if self.at == len(self.words):
            raise ModelError("The plan file's program ends too early; make it again with make_plan.")
        self.at += 1
        return self.words[self.at - 1]

    def name(self) -> str:
        place, length = self.word(), self.word()
        if place + length > len(self.data):
            raise ModelError("A name of the plan file lies outside its data; make it again with make_plan.")
        return self.data[place : place + length].decode()

    def tensor(self, number: int) -> PlanTensor:
        dtype, rank, n, h, w, c, low, high, scale, zero_point = (self.word() for _ in range(10))
        if dtype >= len(_DTYPES) or not 1 <= rank <= 4:
            raise ModelError(f"Tensor {number} of the plan file has a type or rank that does not exist.")
        offset = low | high << 32
        shape = (n, h, w, c)
        return PlanTensor(number, self.name(), _DTYPES[dtype], rank, shape, offset, _float(scale), _signed(zero_point))

    def tensor_at(self, number: int) -> PlanTensor:
        if number >= len(self.tensors):
            raise ModelError(f"The plan file uses tensor {number}, which is not there.")
        return self.tensors[number]

    def step(self) -> PlanStep:
        number, length = self.word(), self.word()
        end = self.at + length
        name = self.name()
        if number not in KINDS:
            raise ModelError(f"Step '{name}' of the plan file is of kind {number}, which does not exist.")
        kind = KINDS[number]
        words = [self.word() for _ in range(self.word())]
        arguments = self.arguments(kind, words)
        shape = None if "out" in arguments else _stream_shape(kind.name, arguments)
        for constant, (place, dtype, size) in _constants(kind.name, arguments).items():
            arguments[constant] = self.constant(place, dtype, size)
        stages = tuple(self.stage(shape) for _ in range(self.word()))
        if self.at != end or (shape is None) != (not stages):
            raise ModelError(f"Step '{name}' of the plan file has a wrong length, or stages it cannot have.")
        return PlanStep(kind.name, name, arguments, stages, shape)

    def stage(self, shape: tuple[int, int, int, int] | None) -> PlanStage:
        number = self.word()
        if number not in STAGE_KINDS or shape is None:
            raise ModelError(f"A stage of the plan file is of kind {number}, which does not exist there.")
        kind = STAGE_KINDS[number]
        arguments = self.arguments(kind, [self.word() for _ in range(self.word())])
        for name, sort in kind.arguments.items():
            if sort == "constant":
                dtype = np.dtype(_STAGE_CONSTANTS.get(name, "<f4"))
                arguments[name] = self.constant(arguments[name], dtype, (shape[3],))
        return PlanStage(kind.name, arguments)

    def arguments(self, kind: StepKind, words: list[int]) -> dict[str, Any]:
        if len(words) != len(kind.arguments):
            raise ModelError(f"A {kind.name} of the plan file has {len(words)} arguments, not {len(kind.arguments)}.")
        found: dict[str, Any] = {}
        for (name, sort), word in zip(kind.arguments.items(), words, strict=True):
            match sort:
                case "tensor":
                    found[name] = self.tensor_at(word)
                case "float":
                    found[name] = _float(word)
                case "value":  # as the tensor x stores it
                    found[name] = _float(word) if found["x"].dtype == "f32" else _signed(word)
                case "constant":
                    found[name] = word
                case _:
                    found[name] = _signed(word)
        return found

    def constant(self, place: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        start, count = place * _ALIGN, prod(shape)
        if start + count * dtype.itemsize > len(self.data):
            raise ModelError("A constant of the plan file lies outside its data; make it again with make_plan.")
        return np.frombuffer(self.data, dtype, count, start).reshape(shape)


def _stream_shape(kind: str, arguments: Mapping[str, Any]) -> tuple[int, int, int, int]:
    if kind == "broadcast":
        return arguments["n"], arguments["h"], arguments["w"], arguments["c"]
    n, h, w, c = arguments["x"].shape
    if kind == "read":
        return n, h, w, arguments["channels"]
    if kind in ("softmax", "unpack"):
        return n, h, w, c
    return n, arguments["out_h"], arguments["out_w"], arguments.get("oc", c)


def _constants(kind: str, a: Mapping[str, Any]) -> dict[str, tuple[int, np.dtype[Any], tuple[int, ...]]]:
    """Constant -> place, dtype and shape, which follow from the step."""
    f32, i32, u32 = np.dtype("<f4"), np.dtype("<i4"), np.dtype("<u4")
    if kind == "constant":
        return {"values": (a["values"], STORED[a["out"].dtype], a["out"].stored_shape)}
    if kind == "table_i8":
        return {"values": (a["values"], STORED[a["out"].dtype], (256,))}
    if kind == "gather":
        sizes = zip("nhwc", a["out"].shape, strict=True)
        return {f"places_{axis}": (a[f"places_{axis}"], i32, (size,)) for axis, size in sizes}
    if kind == "interpolate":
        sides = (("row", a["out_h"]), ("column", a["out_w"]))
        places = {f"{side}_{end}": (size, i32) for side, size in sides for end in ("low", "high")}
        shares = {f"{side}_share": (size, f32) for side, size in sides}
        return {name: (a[name], dtype, (size,)) for name, (size, dtype) in {**places, **shares}.items()}
    if kind == "softmax_i8":
        return {"exponentials": (a["exponentials"], i32, (256,))}
    if kind not in ("conv", "depthwise", "bconv", "bconv_bits"):
        return {}
    oc = a["out"].shape[3] if kind == "bconv_bits" else a["oc"]
    taps, x = (a["kh"], a["kw"]), a["x"]
    if kind == "depthwise":
        shape: tuple[int, ...] = (*taps, oc)
    else:
        shape = (oc, *taps, x.stored_shape[3] // max(a["groups"], 1))
    if kind in ("conv", "depthwise"):
        dtypes = _WEIGHTS.get(x.dtype, {})
        if a["weight_bytes"] not in dtypes:
            raise ModelError(f"A {kind} of the plan file has weights of {a['weight_bytes']} bytes for {x.dtype} input.")
        weights = {"weights": (a["weights"], dtypes[a["weight_bytes"]], shape)}
        return weights if x.dtype == "i8" else {**weights, "bias": (a["bias"], f32, (oc,))}
    if kind == "bconv_bits":
        return {"filter": (a["filter"], u32, shape), "threshold": (a["threshold"], i32, (oc,))}
    affine = {name: (a[name], f32, (oc,)) for name in ("multiplier", "bias")}
    return {"filter": (a["filter"], u32, shape), **affine}


def _reads(stage: PlanStage) -> bool:
    return "tensor" in stage.arguments and not stage.stores


def _float(word: int) -> float:
    (value,) = struct.unpack("<f", struct.pack("<I", word))
    return float(value)


def _signed(word: int) -> int:
    return word - 2**32 if word >= 2**31 else word
