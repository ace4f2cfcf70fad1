"""Ops between QuantizeLinear and DequantizeLinear, with numbers that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.kernels.onnx_models.builder import Network

Array = NDArray[Any]
SHAPE = (1, 8, 6, 7)
Pair = tuple[Any, Any]


class Int8(Network):
    """Nodes with QuantizeLinear and DequantizeLinear around them; numbers are drawn."""

    def __init__(self, choose: Callable[[Sequence[Any]], Any]) -> None:
        super().__init__(SHAPE, seed=choose(range(1000)))
        self._choose = choose
        self.steps: tuple[float, float] = (1.0, 0.0)

    def numbers(self) -> Pair:
        """A scale, often a power of two so that halves occur, and a zero point, often at an end."""
        scale, is_signed = self._choose([1.0, 0.5, 0.25, 0.0371, 0.0123, 0.2, 1 / 255]), self._choose([False, True])
        zero = self._choose([-128, 0, 127, 3, -77])
        return np.float32(scale), np.int8(zero) if is_signed else np.uint8(zero + 128)

    def quantized(self, x: str, numbers: Pair | None = None) -> str:
        scale, zero = numbers or self.numbers()
        return self.op("DequantizeLinear", self.op("QuantizeLinear", x, scale, zero), scale, zero)

    def input(self) -> str:
        scale, zero = self.numbers()
        self.steps = (float(scale), float(zero) - (128 if zero.dtype == np.uint8 else 0))
        return self.quantized("x", (scale, zero))

    def weights(self, *shape: int) -> str:
        """int8 with its extremes, by channel or not."""
        by_channel = self._choose([False, True])
        whole = self.rng.choice(np.array([-128, -127, -1, 0, 1, 55, 127], np.int8), shape)
        scales = (2.0 ** -self.rng.integers(5, 9, shape[0])).astype(np.float32) if by_channel else np.float32(0.0078125)
        return self.op("DequantizeLinear", whole, scales, np.zeros(scales.shape, np.int8), axis=0)

    def inputs(self) -> Array:
        """Every step and the halves between, and values that are far too large."""
        scale, zero = self.steps
        halves = self.rng.integers(2 * (-128 - zero) - 4, 2 * (127 - zero) + 5, SHAPE) / 2
        x = (halves * scale).astype(np.float32)
        x.reshape(-1)[:2] = 1e30, -1e30
        return x


def pooled(op: str, **attributes: Any) -> Callable[[Int8, str], str]:
    window: dict[str, Any] = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1], **attributes}
    return lambda net, x: net.op(op, x, **window)


def biased(net: Int8, channels: int) -> str:
    """An int32 bias as the quantizer writes it."""
    whole = net.rng.integers(-3000, 3000, channels).astype(np.int32)
    return net.op("DequantizeLinear", whole, np.float32(net.steps[0] * 0.0078125))


OPS: Mapping[str, Callable[[Int8, str], str]] = {
    "conv": lambda net, x: net.op("Conv", x, net.weights(5, 8, 3, 3), biased(net, 5), pads=[1, 0, 2, 1]),
    "strided": lambda net, x: net.op("Relu", net.op("Conv", x, net.weights(5, 8, 1, 1), strides=[2, 2])),
    "depthwise": lambda net, x: net.op("Conv", x, net.weights(16, 1, 3, 3), group=8, pads=[1] * 4, dilations=[2, 2]),
    "groups": lambda net, x: net.op("Conv", x, net.weights(6, 4, 3, 3), biased(net, 6), group=2),
    "clipped": lambda net, x: net.op(
        "Clip", net.op("Conv", x, net.weights(5, 8, 3, 3)), np.array(-0.3, np.float32), np.array(2.5, np.float32)
    ),
    "dense": lambda net, x: net.op("Gemm", net.op("Flatten", x), net.weights(9, 336), biased(net, 9), transB=1),
    "matmul": lambda net, x: net.op(
        "MatMul", net.op("Flatten", x), net.op("Transpose", net.weights(9, 336), perm=[1, 0])
    ),
    "add": lambda net, x: net.op("Add", x, net.quantized("x")),
    "added twice": lambda net, x: net.op("Relu", net.op("Add", x, x)),
    "mul": lambda net, x: net.op("Mul", x, net.quantized("x")),
    "by channel": lambda net, x: net.op("Mul", x, net.floats(1, 8, 1, 1)),
    "max pool": pooled("MaxPool"),
    "average pool": pooled("AveragePool"),
    "average with padding": pooled("AveragePool", count_include_pad=1),
    "global average": lambda net, x: net.op("GlobalAveragePool", x),
    "mean": lambda net, x: net.op("ReduceMean", x, axes=[1], keepdims=0),
    "relu": lambda net, x: net.op("Relu", x),
    "sigmoid": lambda net, x: net.op("Sigmoid", x),
    "hard swish": lambda net, x: net.op("HardSwish", x),
    "leaky": lambda net, x: net.op("LeakyRelu", x, alpha=0.1),
    "softmax": lambda net, x: net.op("Softmax", x, axis=-1),
    "concat": lambda net, x: net.op("Concat", x, net.quantized(net.op("Relu", x)), axis=1),
    "transpose": lambda net, x: net.op("Transpose", x, perm=[0, 2, 3, 1]),
    "reshape": lambda net, x: net.op("Reshape", x, np.array([1, 12, 4, 7])),
    "slice": lambda net, x: net.op("Slice", x, np.array([2]), np.array([5]), np.array([1])),
    "pad": lambda net, x: net.op("Pad", x, np.array([0, 0, 1, 0, 0, 0, 0, 2])),
    "nothing": lambda net, x: x,
}


def built(name: str, seed: int) -> bytes:
    """A file of one op, by its name in `OPS`."""
    rng = np.random.default_rng(seed)
    net = Int8(lambda options: options[rng.integers(len(options))])
    return net.model(net.quantized(OPS[name](net, net.input()))).SerializeToString()
