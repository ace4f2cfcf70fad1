"""The typed operations of a graph: what is done with the inputs of a node, and with which constants."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..ops import BConv2d
from .places import Gather, Interpolate

BinaryKind = Literal["add", "sub", "mul", "div", "minimum", "maximum", "squared_difference"]
UnaryKind = Literal["abs", "logistic", "clamp", "hard_swish", "tanh", "exp", "neg", "sqrt", "rsqrt", "leaky_relu"]


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window; what lies beyond bottom and right follows from the output's size."""

    kh: int
    kw: int
    sh: int = 1
    sw: int = 1
    dh: int = 1
    dw: int = 1
    pad_top: int = 0
    pad_left: int = 0


@dataclass(frozen=True, slots=True)
class Clamp:
    """A fused activation as inclusive bounds on the real value: relu is (0, inf)."""

    low: float = -inf
    high: float = inf

    @property
    def does_nothing(self) -> bool:
        return self.low == -inf and self.high == inf


@dataclass(frozen=True, slots=True, eq=False)
class Conv2d:
    """CONV_2D: one input. `weights` f32 or i8 [oc, kh, kw, c / groups]; `bias` f32 or i32 [oc].

    i8: `weight_scales` f32[oc], weights symmetric; an i32 bias counts steps of input scale x weight scale, and the bias
    of an output that is computed in floats is f32. i8 weights of an f32 input stand for floats, see `hybrid.py`;
    `rounds_symmetrically` says how TensorFlow Lite rounds that input.
    """

    window: Window
    weights: NDArray[Any]
    bias: NDArray[Any] | None
    act: Clamp = Clamp()
    groups: int = 1
    weight_scales: NDArray[np.float32] | None = None
    rounds_symmetrically: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class DepthwiseConv2d:
    """DEPTHWISE_CONV_2D: `weights` [kh, kw, c * multiplier], output channel `i` reads channel `i // multiplier`."""

    window: Window
    weights: NDArray[Any]
    bias: NDArray[Any] | None
    multiplier: int = 1
    act: Clamp = Clamp()
    weight_scales: NDArray[np.float32] | None = None
    rounds_symmetrically: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """FULLY_CONNECTED: input [..] of n * k values, `weights` [o, k], output [n, o]."""

    weights: NDArray[Any]
    bias: NDArray[Any] | None
    act: Clamp = Clamp()
    weight_scales: NDArray[np.float32] | None = None
    rounds_symmetrically: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class BinaryConv2d:
    """LceBconv2d on bits. `spec.out` is f32 (an i8 output: see `stored_as`) or bits; arrays as in `BinaryLayer`.

    `spec.n` is the batch. `padding` is (above, below, left, right) where it is not that of `spec.pad`, which then says
    nothing; the output's size follows from it. A float output is `(dot - K) * multiplier + shifted_bias`, K being the
    bits of a dot product: Larq Compute Engine counts from the most that there can be, and its rounding is that of this
    order.
    """

    spec: BConv2d
    filter: NDArray[np.uint32]
    multiplier: NDArray[np.float32] | None
    bias: NDArray[np.float32] | None
    threshold: NDArray[np.int32] | None
    padding: tuple[int, int, int, int] | None = None

    @property
    def window(self) -> Window:
        """The sliding window."""
        spec = self.spec
        top, left = (spec.pad_top, spec.pad_left) if self.padding is None else self.padding[::2]
        return Window(spec.kh, spec.kw, spec.sh, spec.sw, spec.dh, spec.dw, top, left)

    @property
    def shifted_bias(self) -> NDArray[np.float32]:
        """f32[oc]: `bias + K * multiplier`, rounded once."""
        assert self.multiplier is not None
        assert self.bias is not None
        bits = self.spec.dot_length
        with np.errstate(over="ignore"):
            return (self.bias.astype(np.float64) + bits * self.multiplier.astype(np.float64)).astype(np.float32)

    def stored_as(self, scale: float, zero_point: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """f32[oc] multiplier and bias of an i8 output before its one rounding, halves away from the stored 0.

        The zero point is in the bias, as in Larq Compute Engine: -7.5 steps and a zero point of 127 are 120, not 119.
        """
        assert self.multiplier is not None
        step = np.float32(scale)
        return self.multiplier / step, self.shifted_bias / step + np.float32(zero_point)


@dataclass(frozen=True, slots=True)
class Pool2d:
    """MAX_POOL_2D or AVERAGE_POOL_2D (the average of the taps inside the image)."""

    kind: Literal["max", "average"]
    window: Window
    act: Clamp = Clamp()


@dataclass(frozen=True, slots=True)
class BinaryMaxPool2d:
    """LceBMaxPool2d on bits: +1 where any tap is +1."""

    window: Window


@dataclass(frozen=True, slots=True)
class Mean:
    """MEAN over `axes` (sorted, not negative)."""

    axes: tuple[int, ...]
    keep_dims: bool


@dataclass(frozen=True, slots=True)
class Reduce:
    """SUM, REDUCE_MAX or REDUCE_MIN over `axes` (sorted, not negative)."""

    kind: Literal["sum", "max", "min"]
    axes: tuple[int, ...]
    keep_dims: bool


@dataclass(frozen=True, slots=True)
class Elementwise:
    """ADD, MUL, ... of two tensors that broadcast as in NumPy; either may be constant; `minimum`, `maximum` of i8."""

    kind: BinaryKind
    act: Clamp = Clamp()


@dataclass(frozen=True, slots=True)
class Unary:
    """ABS, LOGISTIC, ...; RELU and its relatives as `clamp`; `leaky_relu`, of i8 alone, has the slope `alpha`."""

    kind: UnaryKind
    act: Clamp = Clamp()
    alpha: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class PRelu:
    """x where x >= 0, else alpha * x; alpha (the second input) is constant and broadcasts."""


@dataclass(frozen=True, slots=True)
class Softmax:
    """Over the last axis, of beta * x."""

    beta: float


@dataclass(frozen=True, slots=True)
class Concat:
    """CONCATENATION along `axis` (not negative)."""

    axis: int
    act: Clamp = Clamp()


@dataclass(frozen=True, slots=True)
class Slice:
    """The box of the output's shape that begins at `start`: a part of SPLIT, or SLICE."""

    start: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pad:
    """`before[i]` values before axis i, the rest up to the output's shape after it; all `value` (stored form)."""

    before: tuple[int, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Transpose:
    """Output axis i is input axis perm[i]."""

    perm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reshape:
    """Same values in the same order, another shape (RESHAPE, SQUEEZE, EXPAND_DIMS)."""


@dataclass(frozen=True, slots=True)
class BitQuantize:
    """LceQuantize: bit 1 where x < 0; of i8, where x < zero_point."""


@dataclass(frozen=True, slots=True)
class BitDequantize:
    """LceDequantize: bits to +1.0 and -1.0 (i8: to the nearest steps)."""


@dataclass(frozen=True, slots=True)
class Quantize:
    """QUANTIZE: f32, i8 or u8 to i8 or u8 of another scale."""


@dataclass(frozen=True, slots=True)
class Dequantize:
    """DEQUANTIZE: i8 or u8 to f32."""


Operation = (
    Conv2d
    | DepthwiseConv2d
    | Dense
    | BinaryConv2d
    | Pool2d
    | BinaryMaxPool2d
    | Mean
    | Reduce
    | Elementwise
    | Unary
    | PRelu
    | Softmax
    | Concat
    | Slice
    | Gather
    | Interpolate
    | Pad
    | Transpose
    | Reshape
    | BitQuantize
    | BitDequantize
    | Quantize
    | Dequantize
)
