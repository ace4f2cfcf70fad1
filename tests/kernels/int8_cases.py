"""Small int8 models of one op, and what the interpreter of Larq Compute Engine 0.16 computes for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .model_builder import Builder

Array = NDArray[Any]
IMAGE = (1, 4, 4, 16)
WINDOW = {"padding": 0, "stride_h": 2, "stride_w": 2, "fused_activation_function": 0}
AXES = np.array([1, 2], np.int32)


def int8(*shape: int, seed: int = 7, low: int = -128) -> Array:
    """Random steps."""
    return np.random.default_rng(seed).integers(low, 128, shape).astype(np.int8)


def _made(op: str, out: Builder | int, b: Builder, inputs: list[int], kind: str | None, **options: Any) -> Builder:
    assert isinstance(out, int)
    b.outputs = [b.op(op, inputs, out, kind, **options)]
    return b


def _two(op: str, kind: str, act: int) -> Builder:
    b = Builder()
    a, c = b.input(IMAGE, "int8", 0.0371, 3), b.constant(int8(*IMAGE, seed=8), 0.0512, -7)
    out = b.tensor(IMAGE, "int8", 0.11 if op == "MUL" else 0.0613, 5)
    return _made(op, out, b, [a, c], kind, fused_activation_function=act)


def _one(
    op: str, shape: tuple[int, ...], scale: float, zero: int, kind: str | None = None, *more: Array, **options: Any
) -> Builder:
    b = Builder()
    x = b.input(IMAGE, "int8", 0.0371, 3)
    out = b.tensor(shape, "int8", scale, zero)
    return _made(op, out, b, [x, *(b.constant(array) for array in more)], kind, **options)


def _weighted(op: str, kind: str, filters: Array, axis: int, out: tuple[int, ...], **options: Any) -> Builder:
    b = Builder()
    channels = out[-1]
    x = b.input((1, 256) if op == "FULLY_CONNECTED" else IMAGE, "int8", 0.0371, 3)
    rng = np.random.default_rng(9)
    scales = [0.004] if op == "FULLY_CONNECTED" else [float(scale) for scale in rng.uniform(0.001, 0.01, channels)]
    products = [0.0371 * float(np.float32(scale)) for scale in scales]
    bias = b.constant(rng.integers(-3000, 3000, channels).astype(np.int32), products)
    result = b.tensor(out, "int8", 0.0913, 5)
    return _made(op, result, b, [x, b.constant(filters, scales, axis=axis), bias], kind, **options)


CASES: dict[str, Callable[[], Builder]] = {
    "add": lambda: _two("ADD", "AddOptions", 0),
    "add relu": lambda: _two("ADD", "AddOptions", 1),
    "sub": lambda: _two("SUB", "SubOptions", 0),
    "mul": lambda: _two("MUL", "MulOptions", 0),
    "mean": lambda: _one("MEAN", (1, 16), 0.0113, 5, "ReducerOptions", AXES),
    "mean that keeps": lambda: _one("MEAN", (1, 1, 1, 16), 0.0113, 5, "ReducerOptions", AXES, keep_dims=True),
    "coarser": lambda: _one("QUANTIZE", IMAGE, 0.2013, 5),
    "finer": lambda: _one("QUANTIZE", IMAGE, 0.0213, 5),
    "average": lambda: _one(
        "AVERAGE_POOL_2D", (1, 2, 2, 16), 0.0371, 3, "Pool2DOptions", **WINDOW, filter_height=3, filter_width=3
    ),
    "max": lambda: _one(
        "MAX_POOL_2D", (1, 2, 2, 16), 0.0371, 3, "Pool2DOptions", **WINDOW, filter_height=3, filter_width=3
    ),
    "conv": lambda: _weighted(
        "CONV_2D", "Conv2DOptions", int8(8, 3, 3, 16, low=-127) // 8, 0, (1, 2, 2, 8), **WINDOW, **DILATION
    ),
    "depthwise": lambda: _weighted(
        *("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", int8(1, 3, 3, 32, low=-127), 3, (1, 2, 2, 32)),
        **WINDOW,
        **DILATION,
        depth_multiplier=2,
    ),
    "dense": lambda: _weighted("FULLY_CONNECTED", "FullyConnectedOptions", int8(6, 256, low=-127) // 4, 0, (1, 6)),
    "softmax": lambda: _one("SOFTMAX", IMAGE, 1 / 256, -128, "SoftmaxOptions", beta=1.0),
    "relu6": lambda: _one("RELU6", IMAGE, 0.0371, 3),
    "logistic": lambda: _one("LOGISTIC", IMAGE, 1 / 256, -128),
}
DILATION = {"dilation_h_factor": 1, "dilation_w_factor": 1}


def case_input(builder: Builder) -> Array:
    """What the one input is given."""
    return int8(*builder.tensors[builder.inputs[0]]["shape"], seed=11)
