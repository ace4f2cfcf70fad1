"""Whole networks of the literature as ONNX, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.more_networks import binary_densenet28, real_to_binary, shufflenet_v2, vgg_small


def bireal18(net: Network) -> str:
    """Bi-Real Net with 18 layers (Liu et al. 2018): a shortcut around each binary convolution."""
    x = net.norm(net.conv("x", net.floats(64, 3, 7, 7), pad=3, stride=2), 64)
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    depth = 64
    for channels, stride in (
        [(64, 1)] * 4 + [(128, 2)] + [(128, 1)] * 3 + [(256, 2)] + [(256, 1)] * 3 + [(512, 2)] + [(512, 1)] * 3
    ):
        y = net.conv(net.op("Sign", x), net.binary(channels, depth, 3, 3), pad=1, stride=stride)
        if stride > 1:
            x = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            x = net.norm(net.conv(x, net.floats(channels, depth, 1, 1)), channels)
        x, depth = net.op("Add", net.norm(y, channels), x), channels
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.op("Gemm", x, net.floats(100, depth), net.rng.normal(0, 1, 100), transB=1)


def reactnet_a(net: Network) -> str:
    """ReActNet-A (Liu et al. 2020): RSign and RPReLU around binary 3x3 and 1x1 convolutions."""

    def moved(x: str, channels: int) -> str:
        return net.op("Add", x, net.rng.normal(0, 0.1, (1, channels, 1, 1)))

    def rprelu(x: str, channels: int) -> str:
        slopes = net.rng.uniform(0.1, 0.4, (channels, 1, 1))
        return moved(net.op("PRelu", moved(x, channels), slopes), channels)

    x, depth = net.norm(net.conv("x", net.floats(32, 3, 3, 3), pad=1, stride=2), 32), 32
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for channels, stride in plan:
        y = net.norm(
            net.conv(net.op("Sign", moved(x, depth)), net.binary(depth, depth, 3, 3), pad=1, stride=stride), depth
        )
        short = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]) if stride > 1 else x
        y = rprelu(net.op("Add", y, short), depth)
        signs = net.op("Sign", moved(y, depth))
        parts = [net.norm(net.conv(signs, net.binary(depth, depth, 1, 1)), depth) for _ in range(channels // depth)]
        x = (
            net.op("Concat", *[net.op("Add", part, y) for part in parts], axis=1)
            if len(parts) > 1
            else net.op("Add", parts[0], y)
        )
        x, depth = rprelu(x, channels), channels
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.op("Gemm", x, net.floats(100, depth), net.rng.normal(0, 1, 100), transB=1)


def xnor_alexnet(net: Network) -> str:
    """AlexNet in the manner of XNOR-Net (Rastegari et al. 2016): batch normalization, sign, convolution, pooling."""
    x = net.op("Relu", net.norm(net.conv("x", net.floats(96, 3, 11, 11), pad=2, stride=4), 96))
    depth = 96
    for channels, kernel, pad, pools in [(256, 5, 2, True), (384, 3, 1, False), (384, 3, 1, False), (256, 3, 1, True)]:
        if depth == 96:
            x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        signs = net.op("Sign", net.norm(x, depth))
        x, depth = net.conv(signs, net.binary(channels, depth, kernel, kernel), pad=pad), channels
        if pools:
            x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    side = -(-((int(net.shape[-1]) - 7) // 4 - 1) // 8)
    for units in (512, 512):
        x = net.norm(x, depth)
        x = net.op("Flatten", net.op("Sign", x)) if depth == 256 else net.op("Sign", x)
        rows = depth * side**2 if depth == 256 else depth
        x, depth = net.op("Gemm", x, net.binary(units, rows), transB=1), units
    return net.op("Gemm", net.norm(x, depth), net.floats(100, depth), net.rng.normal(0, 1, 100), transB=1)


def resnet18(net: Network) -> str:
    """ResNet-18, all in floats."""
    x = net.op("Relu", net.norm(net.conv("x", net.floats(64, 3, 7, 7), pad=3, stride=2), 64))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    depth = 64
    for channels, stride in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]:
        y = net.op("Relu", net.norm(net.conv(x, net.floats(channels, depth, 3, 3), pad=1, stride=stride), channels))
        y = net.norm(net.conv(y, net.floats(channels, channels, 3, 3), pad=1), channels)
        if stride > 1:
            x = net.norm(net.conv(x, net.floats(channels, depth, 1, 1), stride=stride), channels)
        x, depth = net.op("Relu", net.op("Add", y, x)), channels
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.op("Gemm", x, net.floats(100, depth), net.rng.normal(0, 1, 100), transB=1)


def mobilenet_v2(net: Network) -> str:
    """MobileNetV2, all in floats."""

    def relu6(x: str) -> str:
        return net.op("Clip", x, np.array(0, np.float32), np.array(6, np.float32))

    x, depth = relu6(net.norm(net.conv("x", net.floats(32, 3, 3, 3), pad=1, stride=2), 32)), 32
    plan = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for wider, channels, times, first in plan:
        for place in range(times):
            stride, wide = (first if place == 0 else 1), depth * wider
            y = x if wider == 1 else relu6(net.norm(net.conv(x, net.floats(wide, depth, 1, 1)), wide))
            y = relu6(net.norm(net.conv(y, net.floats(wide, 1, 3, 3), pad=1, stride=stride, group=wide), wide))
            y = net.norm(net.conv(y, net.floats(channels, wide, 1, 1)), channels)
            x = net.op("Add", x, y) if stride == 1 and depth == channels else y
            depth = channels
    x = relu6(net.norm(net.conv(x, net.floats(1280, depth, 1, 1)), 1280))
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.op("Gemm", x, net.floats(100, 1280), net.rng.normal(0, 1, 100), transB=1)


NETWORKS: Mapping[str, tuple[Callable[[Network], str], int]] = {
    "bireal18": (bireal18, 64),
    "reactnet_a": (reactnet_a, 64),
    "xnor_alexnet": (xnor_alexnet, 95),
    "resnet18": (resnet18, 64),
    "mobilenet_v2": (mobilenet_v2, 64),
    "binary_densenet28": (binary_densenet28, 64),
    "vgg_small": (vgg_small, 32),
    "real_to_binary": (real_to_binary, 64),
    "shufflenet_v2": (shufflenet_v2, 64),
}
"""Each with the height and width of its images here: small ones, as NumPy computes them."""
FULL_SIZES: Mapping[str, int] = {"xnor_alexnet": 227, "vgg_small": 32}
"""Where it isn't 224."""


def network(name: str, size: int | None = None) -> bytes:
    """A network as the bytes of a file."""
    build, own = NETWORKS[name]
    net = Network((1, 3, size or own, size or own), seed=3)
    return net.model(build(net)).SerializeToString()
