"""Convolutions and dense layers."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import KernelError
from ..binary_layers import binary_layer
from ..graph import Tensor
from ..operations import BinaryConv2d, BinaryMaxPool2d, Conv2d, Dense, DepthwiseConv2d
from .quantized import check_bias_scales, weight_scales
from .scope import Scope

_STRIDES = ("stride_h", "stride_w")
_LCE_STRIDES = ("stride_height", "stride_width")


def conv_2d(scope: Scope) -> None:
    """CONV_2D; groups follow from the weights' depth."""
    x = scope.value(0, "input", "f32", "i8")
    weights = _weights(scope, x, rank=4)
    oc, kh, kw, depth = weights.shape
    window, (h, w) = scope.window(x, (kh, kw), _STRIDES, _dilation(scope))
    groups = x.shape[3] // max(depth, 1)
    if depth < 1 or x.shape[3] % depth or oc % groups:
        scope.fail(f"its weights are {depth} channels deep for {oc} filters, its input has {x.shape[3]}.")
    scales = _scales(scope, weights, oc, 0)
    out = scope.output((x.shape[0], h, w, oc), x.dtype)
    bias = _bias(scope, x, out, scales)
    # A kernel of TensorFlow Lite takes equal scales for one.
    symmetric = _is_hybrid(x, weights) and scales is not None and bool((scales == scales[0]).all())
    scope.node(Conv2d(window, weights, bias, scope.act(), groups, scales, symmetric), [x], out)


def depthwise_conv_2d(scope: Scope) -> None:
    """DEPTHWISE_CONV_2D: weights [1, kh, kw, c * multiplier]."""
    x = scope.value(0, "input", "f32", "i8")
    weights = _weights(scope, x, rank=4)
    one, kh, kw, oc = weights.shape
    window, (h, w) = scope.window(x, (kh, kw), _STRIDES, _dilation(scope))
    if one != 1 or oc % x.shape[3]:
        scope.fail(f"its weights have shape {list(weights.shape)}, its input {x.shape[3]} channels.")
    scales = _scales(scope, weights, oc, 3)
    out = scope.output((x.shape[0], h, w, oc), x.dtype)
    bias, multiplier = _bias(scope, x, out, scales), oc // x.shape[3]
    scope.node(DepthwiseConv2d(window, weights[0], bias, multiplier, scope.act(), scales), [x], out)


def fully_connected(scope: Scope) -> None:
    """FULLY_CONNECTED: the input is seen as rows of the weights' depth."""
    x = scope.value(0, "input", "f32", "i8")
    weights = _weights(scope, x, rank=2)
    oc, depth = weights.shape
    if scope.op.options.get("weights_format", 0) != 0:
        scope.fail("its weights are shuffled, which is not supported; convert the model again without that.")
    if depth < 1 or prod(x.shape) % depth:
        scope.fail(f"its weights are {depth} deep, which does not divide an input of shape {list(x.shape)}.")
    rows = prod(x.shape) // depth
    shape = (*x.shape[:-1], oc) if scope.op.options.get("keep_num_dims") else (rows, oc)
    if prod(shape) != rows * oc:
        scope.fail(f"its input of shape {list(x.shape)} does not end in {depth} values.")
    scales = _scales(scope, weights, oc, 0)
    out = scope.output(shape, x.dtype)
    symmetric = _is_hybrid(x, weights) and not scope.op.options.get("asymmetric_quantize_inputs")
    scope.node(Dense(weights, _bias(scope, x, out, scales), scope.act(), scales, symmetric), [x], out)


def lce_bconv_2d(scope: Scope) -> None:
    """LceBconv2d with float, int8 or bit-packed output."""
    x = scope.value(0, "input", "bits")
    for ref in scope.op.inputs[1:]:
        if ref is not None and ref.data is not None:
            scope.values.constants.charge(ref.data.nbytes)
    try:
        layer = binary_layer(scope.op)
        spec = replace(layer.spec, n=layer.spec.n * scope.batch)
    except KernelError as error:
        scope.fail(str(error))
    if (spec.n, spec.h, spec.w, spec.c) != x.shape:
        scope.fail(f"it has {spec.c} input channels where its input has shape {list(x.shape)}.")
    for role, array in (("multiplier", layer.multiplier), ("bias", layer.bias)):
        if array is not None and not np.isfinite(array).all():
            scope.fail(f"its {role} holds infinite numbers or NaN.")
    ref = scope.op.output(0)
    dtype = "bits" if spec.out == "bits" else "i8" if ref is not None and ref.dtype == "int8" else "f32"
    out = scope.output((spec.n, spec.out_h, spec.out_w, spec.oc), dtype)  # type: ignore[arg-type]
    operation = BinaryConv2d(spec, layer.filter, layer.multiplier, layer.bias, layer.threshold)
    scope.node(operation, [x], out)


def lce_bmaxpool_2d(scope: Scope) -> None:
    """LceBMaxPool2d on bits."""
    x = scope.value(0, "input", "bits")
    kernel = (scope.option("filter_height", 1, 2**20), scope.option("filter_width", 1, 2**20))
    window, (h, w) = scope.window(x, kernel, _LCE_STRIDES)
    out = scope.output((x.shape[0], h, w, x.shape[3]), "bits")
    scope.node(BinaryMaxPool2d(window), [x], out)


def _weights(scope: Scope, x: Tensor, rank: int) -> NDArray[Any]:
    dtypes = ("float32", "int8") if x.dtype == "f32" else ("int8",)
    weights = scope.constant(1, "weights", *dtypes, rank=rank)
    if not weights.size:
        scope.fail(f"its weights have shape {list(weights.shape)}.")
    return weights


def _bias(scope: Scope, x: Tensor, out: Tensor, scales: NDArray[np.float32] | None) -> NDArray[Any] | None:
    if not scope.has(2):
        return None
    bias = scope.constant(2, "bias", "float32" if x.dtype == "f32" else "int32", rank=1)
    if bias.shape != out.shape[-1:]:
        scope.fail(f"its bias has {bias.size} numbers for {out.shape[-1]} output channels.")
    if scales is not None and x.scale is not None and out.scale is not None:
        check_bias_scales(scope.ref(2, "bias"), x.scale * scales.astype(np.float64), out.scale)
    return bias


def _is_hybrid(x: Tensor, weights: NDArray[Any]) -> bool:
    return x.dtype == "f32" and weights.dtype == np.int8


def _scales(scope: Scope, weights: NDArray[Any], count: int, axis: int) -> NDArray[np.float32] | None:
    if weights.dtype != np.int8:
        return None
    return weight_scales(scope.ref(1, "weights"), count, axis, scope.values.constants)


def _dilation(scope: Scope) -> tuple[int, int]:
    return scope.option("dilation_h_factor", 1, 2**20, 1), scope.option("dilation_w_factor", 1, 2**20, 1)
