"""Options of an op as a plain dictionary, whatever its type."""

from __future__ import annotations

import inspect
import re
import struct
from functools import cache
from importlib import import_module
from typing import Any

import tflite
from flatbuffers import flexbuffers, number_types

from ..errors import ModelError

MAX_VECTOR = 64
"""Longest vector, map or string of options that is read: real ones are shorter than ten."""

MAX_CUSTOM_BYTES = 65_536
_NOT_FIELDS = re.compile(r"^(Init|GetRootAs.*|.*(AsNumpy|Length|IsNone|BufferHasIdentifier))$")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def names_of(enumeration: type) -> dict[int, str]:
    """Number -> name of a schema enumeration."""
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


_BUILTIN_CODE = 10
"""Place of `builtin_code` in an operator code's table."""


def builtin_code(code: Any) -> int:
    """The number of an op: the larger of its two fields.

    Files of before 2020 have the old field alone, some tools write the new one alone. The schema's own accessor goes by
    the old one for every number that fits into it.
    """
    table = code._tab
    place = table.Offset(_BUILTIN_CODE)
    new = table.Get(number_types.Int32Flags, place + table.Pos) if place else 0
    return max(int(code.DeprecatedBuiltinCode()), int(new))


def options_kind(op: Any) -> str:
    """The table that an op's options are from (Conv2DOptions), "" when it has none."""
    return _option_types().get(op.BuiltinOptionsType(), "") if op.BuiltinOptions() is not None else ""


def builtin_options(op: Any) -> dict[str, Any]:
    """Fields of a built-in op's options table in snake_case; vectors as lists."""
    table = op.BuiltinOptions()
    kind = _option_types().get(op.BuiltinOptionsType())
    if table is None or kind is None:
        return {}
    options = _class(kind)()
    options.Init(table.Bytes, table.Pos)
    return {_WORD_START.sub("_", field).lower(): _value(options, field) for field in _fields(kind)}


def custom_options(raw: bytes) -> dict[str, Any]:
    """A flexbuffer map of scalars, as LCE writes; {} when the bytes are something else entirely.

    ModelError when there are more bytes or entries than any known op has.
    """
    if not raw:
        return {}
    if len(raw) > MAX_CUSTOM_BYTES:
        raise ModelError(f"custom options of {len(raw)} bytes")
    root = flexbuffers.GetRoot(bytearray(raw))
    if not root.IsMap:
        return {}
    entries = root.AsMap
    if len(entries) > MAX_VECTOR:
        raise ModelError(f"custom options with {len(entries)} entries")
    return {key.AsKey: _scalar(value) for key, value in zip(entries.Keys, entries.Values, strict=True)}


_STRUCTS = {"Convolution2DTransposeBias": ("padding", "stride_w", "stride_h")}
"""Custom ops whose options are 32-bit numbers one after another: MediaPipe's, as TensorFlow Lite has them in memory."""


def struct_options(op: str, raw: bytes) -> dict[str, Any]:
    """Such options; {} for any other op. Padding is 0 for SAME and 1 for VALID, as in the schema."""
    names = _STRUCTS.get(op, ())
    if not names or len(raw) != 4 * len(names):
        return {}
    options = dict(zip(names, struct.unpack(f"<{len(names)}i", raw), strict=True))
    return options | {"padding": options["padding"] - 1}


def _scalar(value: Any) -> Any:
    if value.IsBool:
        return value.AsBool
    if value.IsInt:
        return value.AsInt
    if value.IsFloat:
        return value.AsFloat
    return None


def _value(options: Any, field: str) -> Any:
    if not hasattr(options, f"{field}Length"):
        value = getattr(options, field)()
        return value.decode(errors="replace") if isinstance(value, bytes) else _plain(value)
    length = getattr(options, f"{field}Length")()
    if length > MAX_VECTOR:
        raise ModelError(f"option {field} with {length} entries")
    return [_plain(getattr(options, field)(position)) for position in range(length)]


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else None


@cache
def _option_types() -> dict[int, str]:
    names = names_of(tflite.BuiltinOptions)
    return {number: name for number, name in names.items() if name != "NONE"}


@cache
def _fields(kind: str) -> tuple[str, ...]:
    methods = inspect.getmembers(_class(kind), inspect.isfunction)
    return tuple(name for name, _ in methods if not name.startswith("_") and not _NOT_FIELDS.match(name))


@cache
def _class(kind: str) -> Any:
    return getattr(import_module(f"tflite.{kind}"), kind)
