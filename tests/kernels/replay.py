"""A tiny interpreter for the golden models, to hold the layers' meaning against LCE's own output.

Binary ops go through `binary_layers` and the oracle; the few float ops around them are written out in NumPy;
int8 tensors are held as the real numbers they stand for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.binary_layers import BinaryLayer, arrays_for, binary_layers
from bnnbench.kernels.models.model import ModelFile, Op, TensorRef
from bnnbench.kernels.ops import BMaxPool2d
from bnnbench.kernels.packing import pack, unpack
from bnnbench.kernels.reference import oracle

Array = NDArray[Any]


def replay(model: ModelFile, x: Array) -> Array:
    """The model's first output for its first input. KeyError for an op that is not here."""
    layers = {layer.index: layer for layer in binary_layers(model)}
    values: dict[int, Array] = {model.inputs[0].index: x}
    for op in model.ops:
        inputs = [_value(tensor, values) for tensor in op.inputs]
        out = _present(op.output(0))
        value = _bconv2d(layers[op.index], inputs) if op.index in layers else _OPS[op.name](op, inputs)
        values[out.index] = _on_grid(value, out)
        assert value.shape == out.shape, op.name
    return values[model.outputs[0].index]


def _value(tensor: TensorRef | None, values: dict[int, Array]) -> Array:
    if tensor is None:
        return np.empty(0)
    if tensor.data is None:
        return values[tensor.index]
    if tensor.quantization is None or tensor.data.dtype == np.float32:
        return tensor.data
    scales, zeros = (_along(tensor, part) for part in (tensor.quantization.scales, tensor.quantization.zero_points))
    return ((tensor.data.astype(np.float64) - zeros) * scales).astype(np.float32)


def _along(tensor: TensorRef, values: Array) -> Array:
    assert tensor.quantization is not None
    shape = [1] * len(tensor.shape)
    shape[tensor.quantization.axis] = values.size
    return values.reshape(shape)


def _on_grid(value: Array, tensor: TensorRef) -> Array:
    """An int8 tensor's value as the real number it stands for."""
    if tensor.dtype != "int8":
        return value
    assert tensor.quantization is not None
    scale, zero = tensor.quantization.scales[0], tensor.quantization.zero_points[0]
    stored = np.clip(np.rint(value / scale) + zero, -128, 127)
    return ((stored - zero) * scale).astype(np.float32)


def _present(tensor: TensorRef | None) -> TensorRef:
    assert tensor is not None
    return tensor


def _bconv2d(layer: BinaryLayer, inputs: list[Array]) -> Array:
    arrays = arrays_for(layer, 0)
    assert arrays["x"].shape == inputs[0].shape
    return oracle.run(layer.spec, arrays | {"x": inputs[0]})


def _bmaxpool(op: Op, inputs: list[Array]) -> Array:
    n, h, w, packed = inputs[0].shape
    options = op.options
    spec = BMaxPool2d(
        n=n,
        h=h,
        w=w,
        c=32 * packed,
        kh=options["filter_height"],
        kw=options["filter_width"],
        sh=options["stride_height"],
        sw=options["stride_width"],
        pad="same" if options["padding"] == 0 else "valid",
    )
    return oracle.run(spec, {"x": inputs[0]})


def _conv2d(op: Op, inputs: list[Array]) -> Array:
    x, filters, bias = inputs
    assert (op.options["padding"], op.options["stride_h"], filters.shape[1:3]) == (0, 1, (3, 3))
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return _activated(op, np.einsum("nhwcyx,oyxc->nhwo", windows, filters) + bias)


def _max_pool(op: Op, inputs: list[Array]) -> Array:
    assert (op.options["stride_h"], op.options["filter_height"], op.options["padding"]) == (2, 2, 1)
    n, h, w, c = inputs[0].shape
    return inputs[0].reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))


def _activated(op: Op, x: Array) -> Array:
    act = op.options["fused_activation_function"]
    assert act in (0, 1)
    return np.maximum(x, 0) if act == 1 else x


_OPS: dict[str, Any] = {
    "LceQuantize": lambda op, inputs: pack(inputs[0]),
    "LceDequantize": lambda op, inputs: unpack(inputs[0], op.outputs[0].shape[-1]).astype(np.float32),
    "QUANTIZE": lambda op, inputs: inputs[0],
    "DEQUANTIZE": lambda op, inputs: inputs[0],
    "LceBMaxPool2d": _bmaxpool,
    "MEAN": lambda op, inputs: inputs[0].mean(axis=tuple(inputs[1])),
    "FULLY_CONNECTED": lambda op, inputs: inputs[0] @ inputs[1].T + inputs[2],
    "CONV_2D": _conv2d,
    "MAX_POOL_2D": _max_pool,
    "MUL": lambda op, inputs: _activated(op, inputs[0] * inputs[1]),
    "ADD": lambda op, inputs: _activated(op, inputs[0] + inputs[1]),
}
