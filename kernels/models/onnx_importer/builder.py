"""The graph while it grows, and the ways in which a value can be had as a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ..graph import DType, Node, Tensor
from ..operations import BitDequantize, BitQuantize, Elementwise, Operation, Pad, Reshape, Transpose
from .values import NO_PADDING, Stored, TwoValued, Value, channels_last

MAX_RANK = 4
MAX_NODES = 4000
"""Of a graph; planning takes seconds for so many in the worst order, and networks have hundreds."""
MAX_TENSOR_BYTES = 2**31
_TIMES_MADE = 16
_SPARE_BYTES = 1 << 22


@dataclass(slots=True)
class Builder:
    """`file_bytes` bounds the constants that are made; `keeps_zeros`: a Sign of 0 is 0. `index` and `op` are those of
    the ONNX node at work.
    """

    batch: int
    file_bytes: int
    keeps_zeros: bool = False
    nodes: list[Node] = field(default_factory=list)
    index: int = 0
    op: str = ""
    _names: set[str] = field(default_factory=set)
    _made: int = 0
    _bits: dict[tuple[Value, bool], Stored] = field(default_factory=dict)
    _floats: dict[Value, Stored] = field(default_factory=dict)

    def fail(self, text: str) -> NoReturn:
        """`text` says what is wrong, as a sentence that follows the op's name."""
        raise ModelError(text)

    def of_file(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of a computed value in the file: the batch repeats it along the first axis."""
        return (shape[0] // self.batch, *shape[1:]) if shape else ()

    def of_batch(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape that a value with this one in the file has here."""
        return (shape[0] * self.batch, *shape[1:]) if shape else ()

    def charge(self, size: int) -> None:
        """Counts bytes of constants before they are made."""
        self._made += size
        if self._made > _TIMES_MADE * self.file_bytes + _SPARE_BYTES:
            self.fail("the ops up to here compute more constants than the file can hold.")

    def tensor(
        self, name: str, shape: Sequence[int], dtype: DType = "f32", steps: tuple[float, int] | None = None
    ) -> Tensor:
        """A new tensor, with a name that no other has. `steps` are scale and zero point of int8."""
        if len(self.nodes) >= MAX_NODES:
            self.fail(f"the model has more than {MAX_NODES:,} ops that are not computed from constants.")
        if not 1 <= len(shape) <= MAX_RANK:
            self.fail(f"its output has {len(shape)} dimensions; 1 to {MAX_RANK} are supported.")
        scale, zero_point = steps or (None, 0)
        made = Tensor(self._name(name), tuple(shape), dtype, scale, zero_point, in_floats=steps is not None)
        if min(shape) < 1 or made.bytes >= MAX_TENSOR_BYTES:
            self.fail(f"its output of shape {list(shape)} is empty or takes more than 2 GiB.")
        return made

    def add(
        self,
        operation: Operation,
        inputs: Sequence[Tensor],
        shape: Sequence[int],
        name: str,
        dtype: DType = "f32",
        steps: tuple[float, int] | None = None,
    ) -> Tensor:
        """A node of the graph; its output."""
        out = self.tensor(name, shape, dtype, steps)
        self.nodes.append(Node(self.index, self.op, operation, tuple(inputs), out))
        return out

    def constant(self, data: NDArray[Any]) -> Tensor:
        """A constant of the graph, f32."""
        array = np.ascontiguousarray(data, np.float32)
        if not np.isfinite(array).all():
            self.fail("a constant of it holds infinite numbers or NaN.")
        self.charge(array.nbytes)
        return Tensor("", array.shape or (1,), "f32", data=array.reshape(array.shape or (1,)))

    def value(self, tensor: Tensor, like: Stored, shape: Sequence[int]) -> Value:
        """A tensor that lies as another one does."""
        return Value(tuple(shape), stored=replace(like, tensor=tensor, whole=None))

    def floats(self, value: Value) -> Stored:
        """A value as f32."""
        if value.stored is not None:
            return value.stored
        if value in self._floats:
            return self._floats[value]
        if value.two is None:
            what = "a constant" if value.is_constant else f"a value of shape {list(value.shape)}"
            what = what if value.integers is None else "whole numbers, without DequantizeLinear before it"
            self.fail(f"it works on {what}, which is not supported.")
        found = self._two_as_floats(value, value.two)
        self._floats[value] = found
        return found

    def ordered(self, value: Value, order: tuple[int, ...]) -> Tensor:
        """A value as f32, its axes stored in this order."""
        return self.in_order(self.floats(value), order)

    def in_order(self, stored: Stored, order: tuple[int, ...]) -> Tensor:
        """Axes stored in this order, and a flattened image as ONNX has it."""
        if stored.gather is not None and stored.whole is not None:
            rank = len(stored.whole.shape)
            plain = self.ordered(stored.whole, tuple(range(rank)))
            return self.add(Reshape(), [plain], stored.tensor.shape, f"{stored.tensor.name} in order")
        if stored.gather is not None:
            self.fail(
                "it needs the numbers of a flattened image in another order; flatten before the last layers only."
            )
        x = stored.tensor
        if stored.order == order:
            return x
        perm = tuple(stored.order.index(axis) for axis in order)
        shape = tuple(x.shape[place] for place in perm)
        if [size for size in x.shape if size > 1] == [size for size in shape if size > 1] and _keeps(x.shape, perm):
            return self.add(Reshape(), [x], shape, f"{x.name} seen")
        return self.add(Transpose(perm), [x], shape, f"{x.name} transposed")

    def bits(self, value: Value) -> Stored:
        """The bits of a value of two numbers, images as NHWC, without its padding."""
        two = value.two
        assert two is not None
        if two.bits is not None:
            return two.bits
        assert two.source is not None
        # A Sign has bits of its own: of 0 it is another than a comparison, and that is told by the node's op.
        key = (two.source, two.made_by[1] == "Sign")
        if key not in self._bits:
            source = self.floats(two.source)
            order = channels_last(len(source.order)) if source.gather is None else source.order
            x = source.tensor if source.gather is not None else self.in_order(source, order)
            out = self.tensor(f"{x.name} signs", x.shape, "bits")
            self.nodes.append(Node(*two.made_by, BitQuantize(), (x,), out))
            self._bits[key] = replace(source, tensor=out, order=order, whole=None)
        return self._bits[key]

    def aligned(self, data: NDArray[Any], stored: Stored, rank: int) -> NDArray[Any]:
        """A constant that broadcasts with an ONNX value of so many axes, as it broadcasts with the stored one."""
        whole = data.reshape((1,) * (rank - data.ndim) + data.shape)
        if stored.gather is not None and whole.shape[-1] > 1:
            self.charge(whole.nbytes)
            whole = whole[..., stored.gather]
        return whole.transpose(stored.order)

    def _two_as_floats(self, value: Value, two: TwoValued) -> Stored:
        bits = self.bits(value)
        x = self.add(BitDequantize(), [bits.tensor], bits.tensor.shape, f"{bits.tensor.name} as floats")
        if two.padding != NO_PADDING:
            above, below, left, right = two.padding
            n, h, w, c = x.shape
            shape = (n, h + above + below, w + left + right, c)
            x = self.add(Pad((0, above, left, 0), 1.0), [x], shape, f"{x.name} padded")
        gain, offset = (two.high - two.low) / 2, (two.high + two.low) / 2
        for kind, number, nothing in (("mul", gain, 1.0), ("add", offset, 0.0)):
            if number != nothing:
                operand = self.constant(np.array([number]))
                x = self.add(Elementwise(kind), [x, operand], x.shape, f"{x.name} {kind}")  # type: ignore[arg-type]
        return replace(bits, tensor=x)

    def _name(self, wanted: str) -> str:
        wanted = "".join(character if character.isprintable() else "?" for character in wanted)[:200] or "value"
        name = wanted
        while name in self._names:
            name = f"{wanted} ({len(self._names)})"
            wanted = f"{wanted}'" if name in self._names else wanted
        self._names.add(name)
        return name


def elements(shape: Sequence[int]) -> int:
    """How many numbers."""
    return prod(shape)


def _keeps(shape: Sequence[int], perm: Sequence[int]) -> bool:
    """Whether axes of more than one keep their order."""
    places = [place for place in perm if shape[place] > 1]
    return places == sorted(places)
