"""What a converter of one op sees: its operands, options and results, each checked as it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NoReturn

from numpy.typing import NDArray

from ...errors import ModelError
from ...window import Pad as PadRule
from ...window import out_size, pad_before
from ..graph import DType, Node, Tensor
from ..model import Op, TensorRef
from ..operations import (
    BitDequantize,
    BitQuantize,
    Clamp,
    Concat,
    Dequantize,
    Elementwise,
    Mean,
    Operation,
    Pad,
    PRelu,
    Quantize,
    Reduce,
    Reshape,
    Slice,
    Transpose,
    Unary,
    Window,
)
from ..places import Gather
from .quantized import UNKNOWN, quantization_of
from .values import Consequence, Values, printable

MAX_RANK = 4
_LONGEST_SHOWN = 80
MAX_TENSOR_BYTES = 2**31
_DTYPES: dict[str, DType] = {"float32": "f32", "int8": "i8", "uint8": "u8", "int32": "i32"}
_FOLDABLE = (
    BitQuantize,
    BitDequantize,
    Elementwise,
    Unary,
    Mean,
    Reduce,
    PRelu,
    Reshape,
    Transpose,
    Concat,
    Pad,
    Slice,
    Gather,
    Quantize,
    Dequantize,
)
_CLAMPS = {0: Clamp(), 1: Clamp(0.0, inf), 2: Clamp(-1.0, 1.0), 3: Clamp(0.0, 6.0)}  # ActivationFunctionType


@dataclass(frozen=True, slots=True)
class Scope:
    """One op. Every method raises ModelError, in words that follow "op 3 (CONV_2D) cannot be imported: "."""

    op: Op
    values: Values

    @property
    def batch(self) -> int:
        """How many times the images that the file says; what is constant does not depend on it."""
        return 1 if self.is_constant() else self.values.batch

    def is_constant(self) -> bool:
        """Whether all operands are, so that the op can be done once and for all."""
        refs = [ref for ref in self.op.inputs if ref is not None]
        known = self.values.known
        return bool(refs) and all(known.get(ref.index, ref).data is not None for ref in refs)

    def fail(self, text: str) -> NoReturn:
        """`text` says what is wrong, as a sentence."""
        raise ModelError(text)

    def ref(self, position: int, role: str) -> TensorRef:
        """An operand as the file has it."""
        found = self.op.input(position)
        if found is None:
            self.fail(f"its {role} is missing.")
        return found

    def result(self, position: int) -> TensorRef:
        """A result as the file has it, which has no value yet."""
        found = self.op.output(position)
        if found is None or found.data is not None or found.index in self.values.known:
            self.fail("its output is missing or has a value already.")
        return found

    def value(self, position: int, role: str, *dtypes: DType) -> Tensor:
        """An operand that was computed before, or is constant, of one of `dtypes`."""
        ref = self.ref(position, role)
        tensor = self.values.known.get(ref.index)
        if tensor is None:
            self._require_imported(ref)
            if ref.data is None:
                self.fail(f"its {role} '{shown(ref.name)}' is used before anything computes it.")
            tensor = self._constant_tensor(ref, role)
        if tensor.dtype not in dtypes:
            self.fail(UNKNOWN.get(ref.dtype) or f"its {role} is {tensor.dtype}, not {' or '.join(dtypes)}.")
        return tensor

    def constant(self, position: int, role: str, *dtypes: str, rank: int | None = None) -> NDArray[Any]:
        """An operand's constant value, of one of NumPy's `dtypes` and of a rank."""
        ref = self.ref(position, role)
        self._require_imported(ref)
        folded = self.values.known.get(ref.index)
        if folded is not None and folded.data is None:
            self.fail(f"its {role} is computed by the model; only constant ones are supported.")
        name = ref.dtype if folded is None or folded.data is None else folded.data.dtype.name
        if name not in dtypes:
            self.fail(UNKNOWN.get(name) or f"its {role} is {name}, not {' or '.join(dtypes)}.")
        data = self.values.constants.array(ref, role) if folded is None or folded.data is None else folded.data
        if rank is not None and data.ndim != rank:
            self.fail(f"its {role} has {data.ndim} dimensions, not {rank}.")
        return data

    def _require_imported(self, ref: TensorRef) -> None:
        """Raises Consequence where nothing is known of what an op that could not be imported would have made."""
        if ref.index in self.values.standing_in:
            raise Consequence("it follows an op that cannot be imported.")

    def has(self, position: int) -> bool:
        """Whether an optional operand is there."""
        return self.op.input(position) is not None

    def integers(self, position: int, role: str) -> list[int]:
        """A short constant list of integers."""
        data = self.constant(position, role, "int32", "int64")
        if data.size > 2 * MAX_RANK:
            self.fail(f"its {role} has {data.size} numbers.")
        return [int(value) for value in data.reshape(-1)]

    def option(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """An integer option within bounds."""
        value = self.op.options.get(key, default)
        if not isinstance(value, int) or not low <= value <= high:
            self.fail(f"its option {key} is {value!r}, not a number from {low} to {high}.")
        return int(value)

    def act(self, key: str = "fused_activation_function") -> Clamp:
        """The fused activation."""
        number = self.op.options.get(key, 0)
        if number not in _CLAMPS:
            self.fail(f"its fused activation {number!r} is not supported; relu, relu6 and relu_n1_to_1 are.")
        return _CLAMPS[number]

    def window(
        self, x: Tensor, kernel: tuple[int, int], stride: tuple[str, str], dilation: tuple[int, int] = (1, 1)
    ) -> tuple[Window, tuple[int, int]]:
        """A sliding window over an NHWC tensor, and the size of its output; `stride` names the two options."""
        if len(x.shape) != 4:
            self.fail(f"its input has {len(x.shape)} dimensions, not 4.")
        pad: PadRule = "same" if self.option("padding", 0, 1) == 0 else "valid"
        steps = [self.option(key, 1, 2**20) for key in stride]
        sizes, before = [], []
        for size, k, s, d in zip(x.shape[1:3], kernel, steps, dilation, strict=True):
            if k < 1 or (k - 1) * d >= 2**24 or (pad == "valid" and (k - 1) * d + 1 > size):
                self.fail(f"its window of {k} (dilation {d}) does not fit an image of {size}.")
            sizes.append(out_size(size, k, s, d, pad))
            before.append(pad_before(size, k, s, d, pad))
        window = Window(kernel[0], kernel[1], steps[0], steps[1], dilation[0], dilation[1], before[0], before[1])
        return window, (sizes[0], sizes[1])

    def output(self, shape: Sequence[int], dtype: DType, position: int = 0) -> Tensor:
        """The result: the shape that follows from the operands must be the stored one."""
        ref = self.op.output(position)
        if ref is None:
            self.fail("its output is missing.")
        if ref.data is not None or ref.index in self.values.known:
            self.fail(f"its output '{shown(ref.name)}' has a value already.")
        tensor = Tensor(ref.name or f"tensor{ref.index}", tuple(shape), dtype)
        stored = tensor.storage_shape
        if not 1 <= len(shape) <= MAX_RANK:
            self.fail(f"its output has {len(shape)} dimensions; 1 to {MAX_RANK} are supported.")
        if min(shape) < 1 or tensor.bytes >= MAX_TENSOR_BYTES:
            self.fail(f"its output of shape {list(shape)} is empty or takes more than 2 GiB.")
        # A number alone is stored as one of one.
        if self.values.is_resized:
            as_filed = len(ref.shape or (1,)) == len(stored)
        else:
            as_filed = (self.scaled(ref.shape) or (1,)) == stored
        if not as_filed:
            self.fail(f"its output has shape {list(ref.shape)} where {[shape[0] // self.batch, *stored[1:]]} follows.")
        wanted = "int32" if dtype == "bits" else {name: file for file, name in _DTYPES.items()}[dtype]
        if ref.dtype != wanted:
            self.fail(UNKNOWN.get(ref.dtype) or f"its output is {ref.dtype} where {wanted} follows.")
        scale, zero_point = quantization_of(ref, "output") if dtype in ("i8", "u8") else (None, 0)
        tensor = Tensor(self.values.name(tensor.name), tensor.shape, dtype, scale, zero_point)
        self.values.known[ref.index] = tensor
        return tensor

    def inner(self, like: Tensor, shape: Sequence[int], role: str) -> Tensor:
        """A tensor between the nodes of one op, with a name of its own and stored as `like` is."""
        name = self.values.name(f"{like.name} {role}")
        return Tensor(name, tuple(shape), like.dtype, like.scale, like.zero_point)

    def stored_output(self, position: int = 0) -> tuple[int, ...]:
        """The output's shape as the file says, for the batch: for ops whose options repeat it. Raises where the user
        gave other sizes."""
        ref = self.op.output(position)
        if ref is None:
            self.fail("its output is missing.")
        return self.scaled(ref.shape)

    def scaled(self, shape: Sequence[int]) -> tuple[int, ...]:
        """A stored shape of a computed tensor, for the batch."""
        return (shape[0] * self.batch, *shape[1:]) if shape else ()

    def node(self, operation: Operation, inputs: Sequence[Tensor], output: Tensor) -> None:
        """Adds the op to the graph."""
        node = Node(self.op.index, self.op.name, operation, tuple(inputs), output)
        if all(tensor.data is not None for tensor in inputs):
            self._fold(node)
        else:
            self.values.nodes.append(node)

    def fold(self, data: NDArray[Any], position: int = 0) -> None:
        """The result is this constant."""
        ref = self.result(position)
        self.values.constants.charge(data.nbytes)
        dtype = _DTYPES[data.dtype.name]
        self.values.known[ref.index] = Tensor(ref.name, data.shape, dtype, data=data)

    def _fold(self, node: Node) -> None:
        """Computes an op whose operands are all constant, when that is cheap."""
        from ..interpreter.operations import run_node

        if not isinstance(node.operation, _FOLDABLE):
            self.fail("all of its inputs are constant; let the converter fold it.")
        self.values.constants.charge(node.output.bytes)
        operands = [tensor.data for tensor in node.inputs if tensor.data is not None]
        out, ref = node.output, self.op.output(0)
        assert ref is not None
        folded = Tensor(out.name, out.shape, out.dtype, out.scale, out.zero_point, run_node(node, operands))
        self.values.known[ref.index] = folded

    def axes(self, given: Collection[int], rank: int) -> tuple[int, ...]:
        """Axes, not negative, sorted."""
        if any(not -rank <= axis < rank for axis in given) or not given:
            self.fail(f"its axes are {sorted(given)} for {rank} dimensions.")
        return tuple(sorted({axis % rank for axis in given}))

    def _constant_tensor(self, ref: TensorRef, role: str) -> Tensor:
        if ref.dtype not in _DTYPES:
            self.fail(UNKNOWN.get(ref.dtype) or f"its {role} is {ref.dtype}, which is not supported.")
        data = self.values.constants.array(ref, role)
        if len(ref.shape) > MAX_RANK or not data.size:
            self.fail(f"its {role} has shape {list(ref.shape)}.")
        dtype = _DTYPES[ref.dtype]
        scale, zero_point = quantization_of(ref, role) if dtype in ("i8", "u8") else (None, 0)
        shape = ref.shape or (1,)
        return Tensor(ref.name, shape, dtype, scale, zero_point, data.reshape(shape))


def shown(name: str) -> str:
    """A name for a message: not longer than one can read."""
    return printable(name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}...")
