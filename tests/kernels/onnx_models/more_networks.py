"""More networks of the literature, in the ways in which exporters write them."""

from __future__ import annotations

import numpy as np

from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.cases import one


def classified(net: Network, x: str, depth: int) -> str:
    """100 classes."""
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.op("Gemm", x, net.floats(100, depth), net.rng.normal(0, 1, 100), transB=1)


def binary_densenet28(net: Network) -> str:
    """BinaryDenseNet with 28 layers (Bethge et al. 2019): concatenations, and float convolutions between the blocks."""
    x = net.op("Relu", net.norm(net.conv("x", net.floats(64, 3, 7, 7), pad=3, stride=2), 64))
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    depth = 64
    for layers, reduced in ((6, 160), (6, 192), (6, 256), (5, 0)):
        for _ in range(layers):
            signs = net.op("Sign", net.norm(x, depth))
            x, depth = net.op("Concat", x, net.conv(signs, net.binary(64, depth, 3, 3), pad=1), axis=1), depth + 64
        x = net.norm(x, depth)
        if reduced:
            x = net.op("Relu", net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
            x, depth = net.conv(x, net.floats(reduced, depth, 1, 1)), reduced
    return classified(net, net.op("Relu", x), depth)


def vgg_small(net: Network) -> str:
    """The network of BinaryNet (Courbariaux et al. 2016): padded with ones, comparisons, pools between convolutions."""

    def signs(x: str) -> str:
        return net.op("Where", net.op("GreaterOrEqual", x, one(0)), one(1), one(-1))

    x, depth = signs(net.norm(net.conv("x", net.floats(128, 3, 3, 3), pad=1), 128)), 128
    for channels, pools in ((128, True), (256, False), (256, True), (512, False), (512, True)):
        padded = net.op("Pad", x, np.array([0, 0, 1, 1, 0, 0, 1, 1]), one(1))
        x = net.conv(padded, net.binary(channels, depth, 3, 3))
        x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]) if pools else x
        x, depth = signs(net.op("Clip", net.norm(x, channels), one(-1), one(1))), channels
    x = net.op("Reshape", x, np.array([1, -1]))
    for units, inputs in ((1024, depth * 16), (1024, 1024)):
        x = signs(net.norm(net.op("Gemm", x, net.binary(units, inputs), transB=1), units))
    return net.norm(net.op("MatMul", x, net.binary(10, 1024).T), 10)


def real_to_binary(net: Network) -> str:
    """Real-to-Binary Net (Martinez et al. 2020): the sums are scaled by factors that are computed from the image."""

    def gate(x: str, depth: int, channels: int) -> str:
        means = net.op("Reshape", net.op("ReduceMean", x, axes=[2, 3], keepdims=1), np.array([0, -1]))
        hidden = net.op("Relu", net.op("Gemm", means, net.floats(depth // 8, depth), net.floats(depth // 8), transB=1))
        factors = net.op("Sigmoid", net.op("MatMul", hidden, net.floats(depth // 8, channels)))
        return net.op("Unsqueeze", net.op("Unsqueeze", factors, np.array([2])), np.array([3]))

    x = net.norm(net.conv("x", net.floats(64, 3, 7, 7), pad=3, stride=2), 64)
    x, depth = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 64
    for channels, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        for inner in (stride, 1):
            normed = net.norm(x, depth)
            y = net.conv(net.op("Sign", normed), net.binary(channels, depth, 3, 3), pad=1, stride=inner)
            y = net.op(
                "PRelu", net.op("Mul", y, gate(normed, depth, channels)), net.rng.uniform(0, 0.5, (channels, 1, 1))
            )
            if inner > 1:
                x = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            if depth != channels:
                x = net.norm(net.conv(x, net.floats(channels, depth, 1, 1)), channels)
            x, depth = net.op("Add", y, x), channels
    return classified(net, x, depth)


def shufflenet_v2(net: Network) -> str:
    """ShuffleNetV2 1x (Ma et al. 2018), all in floats: split, depthwise, and shuffled as PyTorch writes it."""

    def pointwise(x: str, depth: int, channels: int) -> str:
        return net.op("Relu", net.norm(net.conv(x, net.floats(channels, depth, 1, 1)), channels))

    def depthwise(x: str, depth: int, stride: int) -> str:
        return net.norm(net.conv(x, net.floats(depth, 1, 3, 3), pad=1, stride=stride, group=depth), depth)

    x, depth = net.op("Relu", net.norm(net.conv("x", net.floats(24, 3, 3, 3), pad=1, stride=2), 24)), 24
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for channels, units, part in ((116, 4, 8), (232, 8, 16), (464, 4, 32)):
        half, size = channels // 2, int(net.shape[-1]) // part
        for unit in range(units):
            if unit:
                left, right = net.op("Split", x, np.array([half, half]), axis=1, outputs=2).split()
                right = pointwise(depthwise(pointwise(right, half, half), half, 1), half, half)
            else:
                left = pointwise(depthwise(x, depth, 2), depth, half)
                right = pointwise(depthwise(pointwise(x, depth, half), half, 2), half, half)
            x, depth = net.op("Concat", left, right, axis=1), channels
            x = net.op("Reshape", x, np.array([1, 2, half, -1, size]))
            x = net.op("Transpose", x, perm=[0, 2, 1, 3, 4])
            x = net.op("Reshape", x, np.array([1, channels, -1, size]))
    return classified(net, pointwise(x, depth, 1024), 1024)
