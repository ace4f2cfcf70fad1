"""What every op specification has: its arrays, what it moves, its protocol keys, and how it is checked."""

from __future__ import annotations

from dataclasses import fields
from math import prod
from typing import ClassVar, NamedTuple

from .errors import KernelError

MAX_ARRAY_BYTES = 2**31
"""No array of an op may be larger: 32-bit devices address no more, and a slip should not fill a board."""

ITEM_BYTES = {"u32": 4, "i32": 4, "f32": 4, "i8": 1}
NUMPY_DTYPE = {"u32": "<u4", "i32": "<i4", "f32": "<f4", "i8": "|i1"}
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


class ArraySpec(NamedTuple):
    """An array of a case: `dtype` is the protocol's word (u32, i32, f32, i8)."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class OutputSpec(NamedTuple):
    """What an op writes: `dtype` is the protocol's word."""

    dtype: str
    shape: tuple[int, ...]


def words(channels: int) -> int:
    """32-bit words that hold `channels` bits."""
    return (channels + 31) // 32


class OpSpec:
    """What the four specs share; use them through `KernelSpec`."""

    __slots__ = ()
    op: ClassVar[str]

    @property
    def name(self) -> str:
        """Short stable name for people: shape first, then whatever is not the default."""
        raise NotImplementedError

    @property
    def output(self) -> OutputSpec:
        """What the op writes."""
        raise NotImplementedError

    def inputs(self) -> list[ArraySpec]:
        """The arrays of `data=`, in order."""
        raise NotImplementedError

    @property
    def macs_1bit(self) -> int:
        """Binary multiply-accumulates of one iteration."""
        return 0

    @property
    def macs_32bit(self) -> int:
        """32-bit multiply-accumulates of one iteration; the epilogue's scale and bias are not counted."""
        return 0

    @property
    def bytes_moved(self) -> int:
        """Bytes of every input, weight and output, each counted once."""
        arrays = [(array.dtype, array.shape) for array in self.inputs()]
        return sum(ITEM_BYTES[dtype] * prod(shape) for dtype, shape in [*arrays, self.output])

    def protocol_items(self) -> dict[str, str]:
        """Keys and values of the `load` request, `op` first, `data` left to the caller."""
        items = {field.name: str(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        if not items["kernel"]:
            del items["kernel"]  # the engine's choice
        return {"op": self.op, **items}

    def _require_positive(self, *keys: str) -> None:
        for key in keys:
            value = getattr(self, key)
            if type(value) is not int or not 1 <= value <= INT32_MAX:
                raise KernelError(f"{self.op}: {key}={value!r} is not an integer from 1 to {INT32_MAX}.")

    def _require_choice(self, key: str, *choices: str | int) -> None:
        value = getattr(self, key)
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            wanted = ", ".join(map(str, choices))
            raise KernelError(f"{self.op}: {key}={value!r} is not one of {wanted}.")

    def _require_bounded(self, dot_length: int = 0) -> None:
        if dot_length > INT32_MAX:
            raise KernelError(f"{self.op}: a dot product of {dot_length} bits does not fit int32.")
        for array in [*self.inputs(), ArraySpec("out", *self.output)]:
            if ITEM_BYTES[array.dtype] * prod(array.shape) > MAX_ARRAY_BYTES:
                raise KernelError(f"{self.op}: array {array.name} takes more than 2 GiB; make the op smaller.")
