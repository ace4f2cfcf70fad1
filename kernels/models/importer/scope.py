"""What a converter of one op sees: its operands, options and results, each checked as it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, prod
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...window import Pad, out_size, pad_before
from ..graph import Clamp, DType, Node, Operation, Tensor, Window
from ..model import Op, TensorRef

MAX_RANK = 4
MAX_TENSOR_BYTES = 2**31
_DTYPES: dict[str, DType] = {"float32": "f32", "int8": "i8", "int32": "i32"}
_CLAMPS = {0: Clamp(), 1: Clamp(0.0, inf), 2: Clamp(-1.0, 1.0), 3: Clamp(0.0, 6.0)}  # ActivationFunctionType


@dataclass(slots=True)
class Values:
    """The graph while it grows. `known` holds computed and folded tensors by their index in the file."""

    batch: int
    known: dict[int, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scope:
    """One op. Every method raises ModelError, in words that follow "op 3 (CONV_2D) cannot be imported: "."""

    op: Op
    values: Values

    @property
    def batch(self) -> int:
        return self.values.batch

    def fail(self, text: str) -> NoReturn:
        """`text` says what is wrong, as a sentence."""
        raise ModelError(text)

    def ref(self, position: int, role: str) -> TensorRef:
        """An operand as the file has it."""
        found = self.op.input(position)
        if found is None:
            self.fail(f"its {role} is missing.")
        return found

    def value(self, position: int, role: str, *dtypes: DType) -> Tensor:
        """An operand that was computed before, or is constant, of one of `dtypes`."""
        ref = self.ref(position, role)
        tensor = self.values.known.get(ref.index)
        if tensor is None:
            if ref.data is None:
                self.fail(f"its {role} '{ref.name}' is used before anything computes it.")
            tensor = self._constant_tensor(ref, role)
        if tensor.dtype not in dtypes:
            self.fail(f"its {role} is {tensor.dtype}, not {' or '.join(dtypes)}.")
        return tensor

    def constant(self, position: int, role: str, *dtypes: str, rank: int | None = None) -> NDArray[Any]:
        """An operand's constant value, of one of NumPy's `dtypes` and of a rank."""
        ref = self.ref(position, role)
        folded = self.values.known.get(ref.index)
        data = folded.data if folded is not None else ref.data
        if data is None:
            self.fail(f"its {role} is computed by the model; only constant ones are supported.")
        if data.dtype.name not in dtypes:
            self.fail(f"its {role} is {data.dtype.name}, not {' or '.join(dtypes)}.")
        if data.shape != (ref.shape if folded is None else folded.shape):
            self.fail(f"its {role} is sparse or of a type that is not supported.")
        if rank is not None and data.ndim != rank:
            self.fail(f"its {role} has {data.ndim} dimensions, not {rank}.")
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            self.fail(f"its {role} holds infinite numbers or NaN.")
        return np.array(data)  # the file's bytes may be unaligned, and keep the whole file in memory

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
        pad: Pad = "same" if self.option("padding", 0, 1) == 0 else "valid"
        steps = [self.option(key, 1, 2**20) for key in stride]
        sizes, before = [], []
        for size, k, s, d in zip(x.shape[1:3], kernel, steps, dilation, strict=True):
            if k < 1 or (k - 1) * d >= 2**24 or (pad == "valid" and (k - 1) * d + 1 > size):
                self.fail(f"its window of {k} (dilation {d}) does not fit an image of {size}.")
            sizes.append(out_size(size, k, s, d, pad))
            before.append(pad_before(size, k, s, d, pad))
        return Window(*kernel, *steps, *dilation, *before), (sizes[0], sizes[1])

    def output(self, shape: Sequence[int], dtype: DType, position: int = 0) -> Tensor:
        """The result: the shape that follows from the operands must be the stored one."""
        ref = self.op.output(position)
        if ref is None:
            self.fail("its output is missing.")
        if ref.data is not None or ref.index in self.values.known:
            self.fail(f"its output '{ref.name}' has a value already.")
        tensor = Tensor(ref.name or f"tensor{ref.index}", tuple(shape), dtype)
        stored = tensor.storage_shape
        if not 1 <= len(shape) <= MAX_RANK:
            self.fail(f"its output has {len(shape)} dimensions; 1 to {MAX_RANK} are supported.")
        if min(shape) < 1 or tensor.bytes >= MAX_TENSOR_BYTES:
            self.fail(f"its output of shape {list(shape)} is empty or takes more than 2 GiB.")
        if self.scaled(ref.shape) != stored:
            self.fail(f"its output has shape {list(ref.shape)} where {[shape[0] // self.batch, *stored[1:]]} follows.")
        wanted = "int32" if dtype == "bits" else {name: file for file, name in _DTYPES.items()}[dtype]
        if ref.dtype != wanted:
            self.fail(f"its output is {ref.dtype} where {wanted} follows.")
        scale, zero_point = self.quantization(ref, "output") if dtype == "i8" else (None, 0)
        tensor = Tensor(tensor.name, tensor.shape, dtype, scale, zero_point)
        self.values.known[ref.index] = tensor
        return tensor

    def stored_output(self, position: int = 0) -> tuple[int, ...]:
        """The output's shape as the file says, for the batch: for ops whose options repeat it."""
        ref = self.op.output(position)
        if ref is None:
            self.fail("its output is missing.")
        return self.scaled(ref.shape)

    def scaled(self, shape: Sequence[int]) -> tuple[int, ...]:
        """A stored shape of a computed tensor, for the batch."""
        return (shape[0] * self.batch, *shape[1:]) if shape else ()

    def node(self, operation: Operation, inputs: Sequence[Tensor], output: Tensor) -> None:
        """Adds the op to the graph."""
        if all(tensor.data is not None for tensor in inputs):
            self.fail("all of its inputs are constant; fold it when converting.")
        self.values.nodes.append(Node(self.op.index, self.op.name, operation, tuple(inputs), output))

    def quantization(self, ref: TensorRef, role: str) -> tuple[float, int]:
        """Scale and zero point of an int8 activation."""
        found = ref.quantization
        if found is None or len(found.scales) != 1 or len(found.zero_points) != 1:
            self.fail(f"its {role} is int8 without one scale and one zero point.")
        scale, zero_point = float(found.scales[0]), int(found.zero_points[0])
        if not (isfinite(scale) and 1e-30 < scale < 1e30) or not -128 <= zero_point <= 127:
            self.fail(f"its {role} has scale {scale:g} and zero point {zero_point}.")
        return scale, zero_point

    def weight_scales(self, position: int, count: int, axis: int) -> NDArray[np.float32]:
        """Scales of int8 weights, one for each output channel; they must be symmetric."""
        found = self.ref(position, "weights").quantization
        if found is None or len(found.scales) not in (1, count):
            self.fail("its int8 weights have no scale for each output channel.")
        if len(found.scales) > 1 and found.axis != axis:
            self.fail(f"its int8 weights have scales along axis {found.axis}, not {axis}.")
        if not np.isfinite(found.scales).all() or (found.scales <= 0).any() or found.zero_points.any():
            self.fail("its int8 weights have scales that are not positive, or zero points other than 0.")
        return np.broadcast_to(found.scales.astype(np.float32), (count,)).copy()

    def axes(self, given: Collection[int], rank: int) -> tuple[int, ...]:
        """Axes, not negative, sorted."""
        if any(not -rank <= axis < rank for axis in given) or not given:
            self.fail(f"its axes are {sorted(given)} for {rank} dimensions.")
        return tuple(sorted({axis % rank for axis in given}))

    def _constant_tensor(self, ref: TensorRef, role: str) -> Tensor:
        data = ref.data
        if data is None or data.dtype.name not in _DTYPES or data.shape != ref.shape:
            self.fail(f"its {role} is {ref.dtype}, which is not supported.")
        if len(ref.shape) > MAX_RANK or prod(ref.shape) < 1:
            self.fail(f"its {role} has shape {list(ref.shape)}.")
        dtype = _DTYPES[data.dtype.name]
        if dtype == "f32" and not np.isfinite(data).all():
            self.fail(f"its {role} holds infinite numbers or NaN.")
        scale, zero_point = self.quantization(ref, role) if dtype == "i8" else (None, 0)
        return Tensor(ref.name, ref.shape, dtype, scale, zero_point, np.array(data))
