"""Ops that compute with values: pooling, elementwise, softmax, means, and changes of number format."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import Literal

import numpy as np

from ..graph import DType, Tensor
from ..int8_tables import hard_swish_factors
from ..operations import (
    BinaryKind,
    BitDequantize,
    BitQuantize,
    Clamp,
    Dequantize,
    Elementwise,
    Mean,
    Pool2d,
    PRelu,
    Quantize,
    Reduce,
    Reshape,
    Softmax,
    Unary,
    UnaryKind,
)
from ..quantization import UNIT_SCALE, UNIT_ZERO_POINT
from ..sparse_constants import dense
from .quantized import real_numbers
from .scope import MAX_RANK, Scope

MAX_SOFTMAX_I8 = 4095
"""Values whose int8 softmax has a sum in fixed point."""

_MAX_SLOPE = 1e6


def pool_2d(kind: Literal["max", "average"]) -> Callable[[Scope], None]:
    """MAX_POOL_2D, AVERAGE_POOL_2D."""

    def convert(scope: Scope) -> None:
        x = scope.value(0, "input", "f32", "i8")
        kernel = (scope.option("filter_height", 1, 2**20), scope.option("filter_width", 1, 2**20))
        window, (h, w) = scope.window(x, kernel, ("stride_h", "stride_w"))
        out = scope.output((x.shape[0], h, w, x.shape[3]), x.dtype)
        _same_scale(scope, x, out)
        scope.node(Pool2d(kind, window, scope.act()), [x], out)

    return convert


def elementwise(kind: BinaryKind, *dtypes: DType) -> Callable[[Scope], None]:
    """ADD, SUB, MUL and their relatives, of operands that broadcast."""

    def convert(scope: Scope) -> None:
        a, b = scope.value(0, "first operand", *dtypes), scope.value(1, "second operand", *dtypes)
        if a.dtype != b.dtype:
            scope.fail(f"its operands are {a.dtype} and {b.dtype}.")
        a, b = _per_image(scope, a, b), _per_image(scope, b, a)
        try:
            shape = np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            scope.fail(f"its operands have shapes {list(a.shape)} and {list(b.shape)}, which do not go together.")
        out = scope.output(shape, a.dtype)
        if kind in ("minimum", "maximum"):  # TensorFlow Lite compares what is stored, whatever it stands for
            _same_scale(scope, a, out)
            _same_scale(scope, b, out)
        scope.node(Elementwise(kind, scope.act()), [a, b], out)

    return convert


def unary(kind: UnaryKind, *dtypes: DType) -> Callable[[Scope], None]:
    """ABS, LOGISTIC and their relatives."""

    def convert(scope: Scope) -> None:
        x = scope.value(0, "input", *dtypes)
        out = scope.output(x.shape, x.dtype)
        if kind == "logistic":
            _from_0_to_1(scope, out)
        scope.node(Unary(kind), [x], out)

    return convert


def square(scope: Scope) -> None:
    """SQUARE: x times x."""
    x = scope.value(0, "input", "f32")
    scope.node(Elementwise("mul"), [x, x], scope.output(x.shape, x.dtype))


def clamp(low: float, high: float) -> Callable[[Scope], None]:
    """RELU and its relatives."""

    def convert(scope: Scope) -> None:
        x = scope.value(0, "input", "f32", "i8")
        scope.node(Unary("clamp", Clamp(low, high)), [x], scope.output(x.shape, x.dtype))

    return convert


relu, relu6, relu_n1_to_1, relu_0_to_1 = clamp(0.0, inf), clamp(0.0, 6.0), clamp(-1.0, 1.0), clamp(0.0, 1.0)


def hard_swish(scope: Scope) -> None:
    """HARD_SWISH."""
    x = scope.value(0, "input", "f32", "i8")
    out = scope.output(x.shape, x.dtype)
    if x.dtype == "i8" and hard_swish_factors(x, out)[0][1] > 0:
        scope.fail("its output has steps finer than a 128th of its input's, which TensorFlow Lite refuses too.")
    scope.node(Unary("hard_swish"), [x], out)


def leaky_relu(scope: Scope) -> None:
    """LEAKY_RELU; of floats it is PRELU with one slope."""
    x, alpha = scope.value(0, "input", "f32", "i8"), scope.op.options.get("alpha", 0.0)
    if not isinstance(alpha, (int, float)) or not abs(alpha) < _MAX_SLOPE:  # NaN is not
        scope.fail(f"its alpha is {alpha!r}, not a number below {_MAX_SLOPE:g}.")
    out = scope.output(x.shape, x.dtype)
    if x.dtype == "i8":
        return scope.node(Unary("leaky_relu", alpha=float(alpha)), [x], out)
    slope = Tensor("alpha", (1,), "f32", data=np.array([alpha], np.float32))
    return scope.node(PRelu(), [x, slope], out)


def prelu(scope: Scope) -> None:
    """PRELU with constant slopes."""
    x = scope.value(0, "input", "f32", "i8")
    alpha = scope.value(1, "slopes", x.dtype)
    if alpha.data is None:
        scope.fail("its slopes are computed by the model; only constant ones are supported.")
    try:
        fits = np.broadcast_shapes(x.shape, alpha.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        scope.fail(f"its slopes have shape {list(alpha.shape)} for an input of shape {list(x.shape)}.")
    scope.node(PRelu(), [x, alpha], scope.output(x.shape, x.dtype))


def softmax(scope: Scope) -> None:
    """SOFTMAX over the last axis."""
    x = scope.value(0, "input", "f32", "i8")
    beta = scope.op.options.get("beta", 1.0)
    if not isinstance(beta, (int, float)) or not isfinite(beta) or not 0 < beta < 1e6:
        scope.fail(f"its beta is {beta!r}.")
    if len(x.shape) == 1 and scope.batch > 1:
        scope.fail("it works across the batch; import the model with its own batch.")
    if x.dtype == "i8" and x.shape[-1] > MAX_SOFTMAX_I8:
        scope.fail(f"it is over {x.shape[-1]} int8 values; up to {MAX_SOFTMAX_I8} are supported.")
    out = scope.output(x.shape, x.dtype)
    _from_0_to_1(scope, out)
    scope.node(Softmax(float(beta)), [x], out)


def mean(scope: Scope) -> None:
    """MEAN over constant axes."""
    x, axes, keeps, shape = _reduction(scope, "f32", "i8")
    scope.node(Mean(axes, keeps), [x], scope.output(shape, x.dtype))


def reduction(kind: Literal["sum", "max", "min"], *dtypes: DType) -> Callable[[Scope], None]:
    """SUM, REDUCE_MAX, REDUCE_MIN over constant axes."""

    def convert(scope: Scope) -> None:
        x, axes, keeps, shape = _reduction(scope, *dtypes)
        out = scope.output(shape, x.dtype)
        _same_scale(scope, x, out)
        scope.node(Reduce(kind, axes, keeps), [x], out)

    return convert


def _reduction(scope: Scope, *dtypes: DType) -> tuple[Tensor, tuple[int, ...], bool, list[int]]:
    x = scope.value(0, "input", *dtypes)
    axes = scope.axes(scope.integers(1, "axes"), len(x.shape))
    if 0 in axes and scope.batch > 1:
        scope.fail("it reduces the batch; import the model with its own batch.")
    keeps = bool(scope.op.options.get("keep_dims"))
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape) if keeps or axis not in axes]
    return x, axes, keeps, shape or [1]


def quantize(scope: Scope) -> None:
    """QUANTIZE: f32, i8 or u8 to i8 or u8."""
    x = scope.value(0, "input", "f32", "i8", "u8")
    ref = scope.op.output(0)
    dtype: DType = "u8" if ref is not None and ref.dtype == "uint8" else "i8"
    scope.node(Quantize(), [x], scope.output(x.shape, dtype))


def dequantize_op(scope: Scope) -> None:
    """DEQUANTIZE: i8 or u8 to f32; of constant weights (float16 or 8 bits) it is folded."""
    ref, out = scope.ref(0, "input"), scope.op.output(0)
    if ref.data is not None and ref.index not in scope.values.known and out is not None:
        data = scope.constant(0, "input", "float16", "int8", "uint8")
        if out.shape != ref.shape or out.dtype != "float32" or out.index in scope.values.known or out.data is not None:
            scope.fail("its output is not a new float32 tensor of its input's shape.")
        scope.values.constants.charge(data.nbytes)
        data = data.astype(np.float32) if data.dtype == np.float16 else real_numbers(ref, data, scope.values.constants)
        scope.values.known[out.index] = Tensor(out.name, ref.shape or (1,), "f32", data=data.reshape(ref.shape or (1,)))
        return
    x = scope.value(0, "input", "i8", "u8", *(("f32",) if ref.dtype == "float16" else ()))
    if x.dtype == "f32" and x.data is not None:  # of float16, densified to f32
        whole = scope.result(0)
        if (whole.shape, whole.dtype) != (x.shape, "float32"):
            scope.fail("its output is not a float32 tensor of its input's shape.")
        scope.values.known[whole.index] = x
        return
    scope.node(Dequantize(), [x], scope.output(x.shape, "f32"))


def densify(scope: Scope) -> None:
    """DENSIFY of constants that are sparse by rows; float16 becomes f32 at once."""
    ref, out = scope.ref(0, "input"), scope.result(0)
    if ref.sparse is None or ref.data is None or ref.dtype not in ("float32", "float16"):
        scope.fail("its input is not a sparse constant of floats, compressed by rows of the last dimension alone.")
    if (out.shape, out.dtype) != (ref.shape, ref.dtype) or min(ref.shape) < 1 or len(ref.shape) > MAX_RANK:
        scope.fail(f"it makes {out.dtype}{list(out.shape)} of {ref.dtype}{list(ref.shape)}.")
    if ref.data.size % np.dtype(ref.dtype).itemsize:
        scope.fail("its input has a part of a number.")
    scope.values.constants.charge(4 * ref.elements + ref.data.nbytes)
    values = ref.data.view(np.dtype(ref.dtype).newbyteorder("<")).astype(np.float32)
    if not np.isfinite(values).all():
        scope.fail("its input holds infinite numbers or NaN.")
    scope.values.known[out.index] = Tensor(out.name, ref.shape, "f32", data=dense(ref.sparse, values, ref.shape))


def lce_quantize(scope: Scope) -> None:
    """LceQuantize: signs of the last axis, packed."""
    x = scope.value(0, "input", "f32", "i8")
    scope.node(BitQuantize(), [x], scope.output(x.shape, "bits"))


def lce_dequantize(scope: Scope) -> None:
    """LceDequantize: bits to +1 and -1."""
    x = scope.value(0, "input", "bits")
    ref = scope.op.output(0)
    dtype: Literal["f32", "i8"] = "i8" if ref is not None and ref.dtype == "int8" else "f32"
    scope.node(BitDequantize(), [x], scope.output(x.shape, dtype))


def _per_image(scope: Scope, a: Tensor, b: Tensor) -> Tensor:
    """With a batch, (n, c) computed for each image broadcasts to (n, 1, 1, c), as it does with one image."""
    missing = len(b.shape) - len(a.shape)
    computed = a.data is None and b.data is None
    if scope.batch == 1 or not computed or missing <= 0:
        return a
    if a.shape[0] != scope.batch:
        scope.fail("its operands broadcast across the batch; import the model with its own batch.")
    shape = (a.shape[0], *[1] * missing, *a.shape[1:])
    tensor = Tensor(scope.values.name(f"{a.name} per image"), shape, a.dtype, a.scale, a.zero_point)
    scope.node(Reshape(), [a], tensor)
    return tensor


def _from_0_to_1(scope: Scope, out: Tensor) -> None:
    """TensorFlow Lite itself takes no other int8 output of LOGISTIC and SOFTMAX."""
    if out.dtype == "i8" and (out.scale, out.zero_point) != (UNIT_SCALE, UNIT_ZERO_POINT):
        scope.fail(f"its int8 output has scale {out.scale:g} and zero point {out.zero_point}, not 1/256 and -128.")


def _same_scale(scope: Scope, x: Tensor, out: Tensor) -> None:
    if (x.scale, x.zero_point) != (out.scale, out.zero_point):
        scope.fail("its input and output have different scales or zero points.")
