"""Models of floats with narrower weights: int8, as converters write them for a dynamic range, or f16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.model import ModelFile, TensorRef

from .model_builder import Builder

Array = NDArray[Any]

_AXES = {"CONV_2D": 0, "FULLY_CONNECTED": 0, "DEPTHWISE_CONV_2D": 3}


def rounded(weights: NDArray[Any], axis: int) -> tuple[NDArray[np.int8], list[float]]:
    """Symmetric int8 weights and their scale for each slice along an axis."""
    others = tuple(place for place in range(weights.ndim) if place != axis)
    scales = np.maximum(np.abs(weights).max(axis=others), 1e-6).astype(np.float32) / np.float32(127)
    shape = [-1 if place == axis else 1 for place in range(weights.ndim)]
    steps = np.rint(weights / scales.reshape(shape)).clip(-127, 127)
    return steps.astype(np.int8), [float(scale) for scale in scales]


def with_dynamic_range(model: ModelFile) -> Builder:
    """The same model with int8 weights, one scale for each output channel."""

    def narrow(b: Builder, op: str, weights: Array) -> int:
        steps, scales = rounded(weights, _AXES[op])
        return b.constant(steps, scales, axis=_AXES[op])

    return _with_weights(model, narrow, asymmetric_quantize_inputs=True)


def with_f16_weights(model: ModelFile) -> Builder:
    """The same model with weights rounded to f16, each behind a DEQUANTIZE."""

    def narrow(b: Builder, op: str, weights: Array) -> int:
        halves = b.constant(weights.astype(np.float16))
        return b.op("DEQUANTIZE", [halves], b.tensor(weights.shape), "DequantizeOptions")

    return _with_weights(model, narrow)


def _with_weights(model: ModelFile, narrow: Callable[[Builder, str, Array], int], **of_dense: bool) -> Builder:
    """`narrow` adds the weights of an op of that name and returns their tensor; `of_dense`: options of dense layers."""
    b, places = Builder(), dict[int, int]()
    for op in model.ops:
        for position, ref in enumerate([*op.inputs, *op.outputs]):
            if ref is None or ref.index in places:
                continue
            if position == 1 and op.name in _AXES and ref.data is not None:
                places[ref.index] = narrow(b, op.name, ref.data)
            else:
                places[ref.index] = _copied(b, ref)
        options = dict(op.options)
        if op.name == "FULLY_CONNECTED":
            options |= of_dense
        inputs = [-1 if ref is None else places[ref.index] for ref in op.inputs]
        outputs = [places[ref.index] for ref in op.outputs if ref is not None]
        b.op(op.name, inputs, outputs, op.options_kind or None, **options)
    b.inputs = [places[ref.index] for ref in model.inputs]
    b.outputs = [places[ref.index] for ref in model.outputs]
    return b


def _copied(b: Builder, ref: TensorRef) -> int:
    found = ref.quantization
    scale = None if found is None else [float(one) for one in found.scales]
    zero = 0 if found is None else int(found.zero_points[0])
    return b.tensor(ref.shape, ref.dtype, scale, zero, 0 if found is None else found.axis, ref.data, ref.name)
