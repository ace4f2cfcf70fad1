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


def _made(op: str, out: int, b: Builder, inputs: list[int], kind: str | None, **options: Any) -> Builder:
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


EXPECTED: dict[str, tuple[list[int], str]] = {
    "add": (
        [-1, -87, -2, 112, -46, -15, 72, -3, 36, 32, -104, 52, 31, -71, -9, -76, -50, -6, 91, 23, 127, -68, 28, -42],
        "9d7c16a316665565",
    ),
    "add relu": (
        [5, 5, 5, 112, 5, 5, 72, 5, 36, 32, 5, 52, 31, 5, 5, 5, 5, 5, 91, 23, 127, 5, 28, 5],
        "4f48094f60cc012f",
    ),
    "sub": (
        [
            -106,
            -23,
            100,
            -107,
            81,
            52,
            0,
            -128,
            -34,
            -128,
            78,
            87,
            -10,
            -56,
            28,
            -33,
            127,
            127,
            63,
            21,
            -43,
            33,
            -128,
            51,
        ],
        "1d9df7caed9028cf",
    ),
    "mul": (
        [-101, 70, -72, -4, -21, -10, 43, -128, 0, -128, 60, -33, 9, 23, 2, 49, -114, -128, 40, 5, 127, 43, -128, 6],
        "1e67298fa159bffe",
    ),
    "mean": ([-70, -128, 112, 3, 27, -81, 8, -34, 46, 38, -26, -93, 7, 4, 65, -128], "0ed6dc1425c7c32e"),
    "mean that keeps": ([-70, -128, 112, 3, 27, -81, 8, -34, 46, 38, -26, -93, 7, 5, 65, -128], "1604dd49bbe46d93"),
    "coarser": (
        [-13, -13, 19, 4, 9, 9, 15, -18, 4, -12, 0, 25, 7, -16, 6, -13, 17, 26, 27, 10, 22, -2, -12, 5],
        "28a4beeb65ee4762",
    ),
    "finer": (
        [
            -128,
            -128,
            127,
            -2,
            40,
            43,
            94,
            -128,
            -7,
            -128,
            -46,
            127,
            21,
            -128,
            17,
            -128,
            113,
            127,
            127,
            54,
            127,
            -59,
            -128,
            3,
        ],
        "aff50049112b98ad",
    ),
    "average": (
        [-18, -40, 27, 12, 11, -6, 16, -13, 54, 21, 0, -28, 30, 3, 23, -50, -37, -51, 11, 34, 17, -10, 29, 17],
        "a16e97a6ff5cd4b1",
    ),
    "max": (
        [
            65,
            114,
            124,
            127,
            112,
            112,
            112,
            58,
            123,
            123,
            126,
            109,
            127,
            102,
            126,
            73,
            123,
            43,
            110,
            127,
            122,
            112,
            86,
            88,
        ],
        "2b24d5fe7a86bd22",
    ),
    "conv": (
        [9, 3, -21, -52, 2, 6, 9, 44, -9, 0, -1, 52, -23, -16, 15, -61, -52, -11, 18, 24, 5, 17, -3, -9],
        "86c526be64daed59",
    ),
    "depthwise": (
        [-82, 19, 6, -82, 127, -74, -62, 18, 6, -14, -24, 2, 3, 11, 46, 5, 8, 41, 36, 66, 33, -50, -51, -128],
        "5f9f469d6252bbd2",
    ),
    "dense": ([39, -77, -17, -26, -22, 37], "b0c5c23e00c620f4"),
    "softmax": (
        [
            -128,
            -128,
            -81,
            -125,
            -121,
            -121,
            -107,
            -128,
            -126,
            -128,
            -127,
            32,
            -124,
            -128,
            -124,
            -128,
            -120,
            -80,
            -63,
            -126,
            -105,
            -128,
            -128,
            -127,
        ],
        "1920e249c992e6d4",
    ),
    "relu6": (
        [3, 3, 76, 3, 23, 25, 54, 3, 3, 3, 3, 109, 12, 3, 10, 3, 65, 114, 122, 31, 94, 3, 3, 3],
        "c3a606a0f8814997",
    ),
    "logistic": (
        [
            -121,
            -122,
            112,
            -9,
            45,
            50,
            94,
            -125,
            -17,
            -120,
            -63,
            123,
            21,
            -124,
            17,
            -121,
            105,
            124,
            125,
            61,
            120,
            -76,
            -120,
            -2,
        ],
        "65f27086ba86563c",
    ),
}
"""The first steps of LCE's output, and the start of the SHA-256 of all."""

RIGHT = {"mean that keeps": "0ed6dc1425c7c32e", "coarser": "49d24a02d19e0d0b"}
"""The same start for LiteRT with TFLite's reference kernels, where that is another one."""
