"""MobileNetV1 and V2 (1.0, 224 x 224, 1,000 classes) with random weights: the shapes of the real ones, in f32 or int8.

Batch norms are folded, so every convolution has a bias. Weights keep the size of activations: clamps at 6 matter, and
int8 tensors use their whole range.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .model_builder import Builder

Kind = Literal["f32", "int8"]

V1_BLOCKS = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
]
"""Output channels and stride of each depthwise-separable block."""

V2_BLOCKS = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]
"""Expansion, output channels, repeats and first stride of each group of inverted residuals."""

_RELU6 = 3
_SAME = 0
_VALID = 1
_CLAMPED = (6 / 255, -128)
_LINEAR = (16 / 255, 0)
_CLASSES = (64 / 255, 0)
"""Scale and zero point of int8 activations behind a ReLU6, of those without, and of the last layer's."""


class Network:
    """Grows a model; `x` is the tensor that the next op reads, NHWC."""

    def __init__(self, kind: Kind, size: int) -> None:
        self.builder, self.kind, self.rng = Builder(), kind, np.random.default_rng(11)
        self.shape: tuple[int, ...] = (1, size, size, 3)
        self.scale, zero = 1 / 64, 0
        self.x = self.builder.input(self.shape, *(("int8", self.scale, zero) if self._is_int8 else ()))

    @property
    def _is_int8(self) -> bool:
        return self.kind == "int8"

    def convolution(self, channels: int, kernel: int, stride: int = 1, activation: int = _RELU6) -> None:
        inputs = self.shape[3]
        weights = self.rng.normal(0, np.sqrt(2 / (kernel * kernel * inputs)), (channels, kernel, kernel, inputs))
        options = {"padding": _SAME, "stride_w": stride, "stride_h": stride}
        self._weighted("CONV_2D", "Conv2DOptions", weights, 0, channels, activation, options)

    def depthwise(self, stride: int) -> None:
        channels = self.shape[3]
        weights = self.rng.normal(0, np.sqrt(2 / 9), (1, 3, 3, channels))
        options = {"padding": _SAME, "stride_w": stride, "stride_h": stride, "depth_multiplier": 1}
        self._weighted("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", weights, 3, channels, _RELU6, options)

    def add(self, other: int) -> None:
        self._op("ADD", [other, self.x], self.shape, _LINEAR, "AddOptions")

    def classes(self, count: int, gain: float) -> None:
        """Average of the image, fully connected layer, softmax; `gain` of the weights spreads the classes."""
        batch, height, width, channels = self.shape
        pool = {"padding": _VALID, "filter_width": width, "filter_height": height, "stride_w": 1, "stride_h": 1}
        self._op("AVERAGE_POOL_2D", [self.x], (batch, 1, 1, channels), (self.scale, -128), "Pool2DOptions", **pool)
        self._op("RESHAPE", [self.x], (batch, channels), (self.scale, -128), "ReshapeOptions", new_shape=[-1, channels])
        weights = self.rng.normal(0, gain * np.sqrt(1 / channels), (count, channels))
        self._weighted("FULLY_CONNECTED", "FullyConnectedOptions", weights, 0, count, 0, {})
        self._op("SOFTMAX", [self.x], self.shape, (1 / 256, -128), "SoftmaxOptions", beta=1.0)

    def _weighted(
        self,
        name: str,
        table: str,
        weights: NDArray[np.float64],
        axis: int,
        channels: int,
        activation: int,
        options: dict[str, Any],
    ) -> None:
        bias = self.rng.normal(0, 0.2, channels)
        if self._is_int8:
            across = tuple(i for i in range(weights.ndim) if i != axis)
            # One scale of a fully connected layer's weights: not every interpreter takes more.
            most = np.abs(weights).max(axis=across) if weights.ndim == 4 else np.abs(weights).max(keepdims=True).ravel()
            scales = (most / 127).astype(np.float32)
            spread = scales.reshape([-1 if i == axis and scales.size > 1 else 1 for i in range(weights.ndim)])
            steps = np.rint(weights / spread).clip(-127, 127).astype(np.int8)
            filters = self.builder.constant(steps, scales.tolist(), axis=axis)
            bias_scales = scales * np.float32(self.scale)
            offsets = self.builder.constant(np.rint(bias / bias_scales).astype(np.int32), bias_scales.tolist())
        else:
            filters = self.builder.constant(weights.astype(np.float32))
            offsets = self.builder.constant(bias.astype(np.float32))
        stride = options.get("stride_h", 1)
        size = tuple(-(-side // stride) for side in self.shape[1:-1])
        shape = (self.shape[0], *size, channels)
        quantized = _CLASSES if weights.ndim == 2 else _CLAMPED if activation == _RELU6 else _LINEAR
        self._op(
            name,
            [self.x, filters, offsets],
            shape,
            quantized,
            table,
            fused_activation_function=activation,
            **options,
        )

    def _op(
        self,
        name: str,
        inputs: list[int],
        shape: tuple[int, ...],
        quantized: tuple[float, int],
        table: str,
        **options: Any,
    ) -> None:
        scale, zero = quantized
        out = self.builder.tensor(shape, *(("int8", scale, zero) if self._is_int8 else ()))
        self.x, self.shape, self.scale = self.builder.op(name, inputs, out, table, **options), shape, scale


def one_block(kind: Kind) -> bytes:
    """A `.tflite` file of a stem, a residual block and classes, which is small."""
    network = Network(kind, 18)
    network.convolution(16, 3, 2)
    start = network.x
    network.depthwise(1)
    network.convolution(16, 1, activation=0)
    network.add(start)
    network.depthwise(2)
    network.classes(10, gain=1)
    return network.builder.content(network.x)


def mobilenet_v1(kind: Kind, size: int = 224) -> bytes:
    """A `.tflite` file; `size` is the input's height and width, a multiple of 32."""
    network = Network(kind, size)
    network.convolution(32, 3, 2)
    for channels, stride in V1_BLOCKS:
        network.depthwise(stride)
        network.convolution(channels, 1)
    network.classes(1000, gain=8)
    return network.builder.content(network.x)


def mobilenet_v2(kind: Kind, size: int = 224) -> bytes:
    """A `.tflite` file; `size` is the input's height and width, a multiple of 32."""
    network = Network(kind, size)
    network.convolution(32, 3, 2)
    for expansion, channels, repeats, first_stride in V2_BLOCKS:
        for repeat in range(repeats):
            start, inputs = network.x, network.shape[3]
            stride = 1 if repeat else first_stride
            if expansion > 1:
                network.convolution(expansion * inputs, 1)
            network.depthwise(stride)
            network.convolution(channels, 1, activation=0)
            if stride == 1 and channels == inputs:
                network.add(start)
    network.convolution(1280, 1)
    network.classes(1000, gain=1)
    return network.builder.content(network.x)


MODELS = {"mobilenet_v1": mobilenet_v1, "mobilenet_v2": mobilenet_v2}
