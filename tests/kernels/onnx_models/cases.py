"""Small ONNX models: each way to write an op or a sign that the importer knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.kernels.onnx_models.builder import Network

SHAPE = (1, 8, 9, 10)
FEATURES = 8 * 9 * 10


def one(value: float) -> np.ndarray[Any, Any]:
    return np.array(value, np.float32)


def signed_by(write: Callable[[Network, str], str]) -> Callable[[Network], str]:
    """A binary convolution of signs that are written in some way."""
    return lambda net: net.conv(write(net, "x"), net.binary(16, 8, 3, 3), pad=1)


def chosen(comparison: str, threshold: float, true: float = 1.0) -> Callable[[Network, str], str]:
    return lambda net, x: net.op("Where", net.op(comparison, x, one(threshold)), one(true), one(-true))


def cast(net: Network, x: str) -> str:
    truth = net.op("Cast", net.op("Greater", x, one(0.1)), to=1)
    return net.op("Sub", net.op("Mul", truth, one(2)), one(1))


def straight_through(net: Network, x: str) -> str:
    """As `sign(x).detach() - clamp(x).detach() + clamp(x)` is exported."""
    clipped = net.op("Clip", x, one(-1), one(1))
    return net.op("Add", net.op("Sub", net.op("Sign", x), clipped), clipped)


def rounded(net: Network, x: str) -> str:
    half = net.op("Add", net.op("Mul", x, one(0.5)), one(0.5))
    return net.op("Sub", net.op("Mul", net.op("Round", net.op("Clip", half, one(0), one(1))), one(2)), one(1))


def padded_with_ones(net: Network) -> str:
    signs = net.op("Pad", net.op("Sign", "x"), np.array([0, 0, 1, 2, 0, 0, 1, 0]), one(1))
    return net.conv(signs, net.binary(16, 8, 3, 3), stride=2)


def noisy_weights(net: Network) -> str:
    """`sign(w) * a - c + c`, rounded each time."""
    noise = net.rng.uniform(-1, 1, (16, 8, 3, 3)).astype(np.float32)
    weights = (net.binary(16, 8, 3, 3) - noise) + noise
    return net.conv(net.op("Sign", "x"), weights)


def weights_of_the_graph(net: Network) -> str:
    """The binarized weights are computed in the graph, with their scale."""
    real = net.constant(net.floats(16, 8, 3, 3))
    scale = net.op("ReduceMean", net.op("Abs", real), axes=[1, 2, 3], keepdims=1)
    return net.op("Conv", net.op("Sign", "x"), net.op("Mul", net.op("Sign", real), scale))


def react_block(net: Network) -> str:
    channels = (1, 8, 1, 1)
    moved = net.op("Add", "x", net.rng.normal(0, 0.2, channels))
    y = net.norm(net.conv(net.op("Sign", moved), net.binary(8, 8, 3, 3), pad=1), 8)
    y = net.op("Add", net.op("Add", y, "x"), net.rng.normal(0, 0.2, channels))
    y = net.op("PRelu", y, net.rng.uniform(0, 0.5, (8, 1, 1)))
    return net.op("Add", y, net.rng.normal(0, 0.2, channels))


def xnor_scaled(net: Network) -> str:
    means = net.op("ReduceMean", net.op("Abs", "x"), axes=[1], keepdims=1)
    scale = net.conv(means, np.full((1, 1, 3, 3), 1 / 9, np.float32))
    return net.op("Mul", net.conv(net.op("Sign", "x"), net.binary(16, 8, 3, 3)), scale)


def dense_after(flatten: Callable[[Network, str], str], is_binary: bool) -> Callable[[Network], str]:
    def build(net: Network) -> str:
        weights = net.binary(10, FEATURES) if is_binary else net.floats(10, FEATURES)
        return net.op("Gemm", flatten(net, "x"), weights, net.floats(10, 1).reshape(10), transB=1)

    return build


def shape_chain(net: Network, x: str) -> str:
    batch = net.op("Gather", net.op("Shape", x), np.array(0))
    rows = net.op("Concat", net.op("Unsqueeze", batch, np.array([0])), np.array([-1]), axis=0)
    return net.op("Reshape", x, rows)


def shuffle(net: Network) -> str:
    seen = net.op("Transpose", net.op("Reshape", "x", np.array([1, 2, 4, 9, 10])), perm=[0, 2, 1, 3, 4])
    return net.op("Reshape", seen, np.array(SHAPE))


def pooled_signs(net: Network) -> str:
    pooled = net.op("MaxPool", net.op("Sign", "x"), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    return net.conv(pooled, net.binary(16, 8, 3, 3))


def classifier(net: Network) -> str:
    rows = net.op("Reshape", net.op("GlobalAveragePool", "x"), np.array([1, -1]))
    return net.op("Softmax", net.op("MatMul", rows, net.floats(8, 5)), axis=-1)


def halves(net: Network) -> str:
    first, second = net.op("Split", "x", np.array([3, 5]), axis=1, outputs=2).split()
    return net.op("Concat", second, net.op("Sigmoid", first), "x", axis=1)


def used_twice(net: Network) -> str:
    """A convolution whose batch normalization must not be merged: its own value is needed, too."""
    y = net.conv("x", net.floats(8, 8, 3, 3), pad=1)
    return net.op("Add", net.norm(y, 8), net.op("Identity", y))


def normalized_and_signed(net: Network) -> str:
    y = net.conv("x", net.floats(8, 8, 3, 3), pad=1)
    signs = net.op("Sign", y)
    return net.op("Add", net.norm(y, 8), net.conv(signs, net.binary(8, 8, 3, 3), pad=1))


def turned(net: Network) -> str:
    """Channels last for a while, as some exporters write."""
    last = net.op("Transpose", "x", perm=[0, 2, 3, 1])
    return net.op("Transpose", net.op("Mul", last, net.floats(8, 1).reshape(8)), perm=[0, 3, 1, 2])


def flat(net: Network, x: str) -> str:
    return net.op("Flatten", x)


BINARY: Mapping[str, Callable[[Network], str]] = {
    "Sign": signed_by(lambda net, x: net.op("Sign", x)),
    "BipolarQuant": signed_by(lambda net, x: net.op("BipolarQuant", x, one(0.5))),
    "Quant": signed_by(lambda net, x: net.op("Quant", x, one(0.5), one(0), one(1))),
    "Quant of weights": lambda net: net.conv(
        net.op("Sign", "x"), net.op("Quant", net.constant(net.floats(16, 8, 3, 3)), one(0.5), one(0), one(1))
    ),
    "MultiThreshold": signed_by(
        lambda net, x: net.op(
            "MultiThreshold", x, net.rng.normal(0, 0.3, (8, 1)).astype(np.float32), out_scale=2.0, out_bias=-1.0
        )
    ),
    "Where >=": signed_by(chosen("GreaterOrEqual", 0.1)),
    "Where >": signed_by(chosen("Greater", -0.2)),
    "Where <": signed_by(chosen("Less", 0.0, -1.0)),
    "Where <=": signed_by(chosen("LessOrEqual", 0.3, -2.0)),
    "Cast": signed_by(cast),
    "straight-through": signed_by(straight_through),
    "Round": signed_by(rounded),
    **{
        f"stride {stride}, pads {pads}": lambda net, stride=stride, pads=pads: net.op(  # type: ignore[misc]
            "Conv", net.op("Sign", "x"), net.binary(16, 8, 3, 3), strides=[stride] * 2, pads=pads
        )
        for stride in (1, 2)
        for pads in ([0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 2, 2])
    },
    "padded with ones": padded_with_ones,
    "noisy weights": noisy_weights,
    "weights of the graph": weights_of_the_graph,
    "ReAct block": react_block,
    "XNOR scaled": xnor_scaled,
    "pooled signs": pooled_signs,
    "binary dense": dense_after(lambda net, x: net.op("Sign", net.norm(flat(net, x), FEATURES)), True),
    "signs flattened": dense_after(lambda net, x: flat(net, net.op("Sign", x)), True),
    "normalized and signed": normalized_and_signed,
}
"""Those in which something must become binary."""

FLOAT: Mapping[str, Callable[[Network], str]] = {
    "conv": lambda net: net.op("Conv", "x", net.floats(16, 8, 3, 3), net.floats(16, 1).reshape(16), pads=[1, 0, 2, 1]),
    "conv, norm, relu": lambda net: net.op("Relu", net.norm(net.conv("x", net.floats(16, 8, 3, 3), pad=1), 16)),
    "depthwise": lambda net: net.conv("x", net.floats(16, 1, 3, 3), pad=1, group=8),
    "groups": lambda net: net.op("Conv", "x", net.floats(16, 4, 3, 3), group=2, auto_pad="SAME_LOWER", strides=[2, 2]),
    "dilated": lambda net: net.conv("x", net.floats(16, 8, 3, 3), pad=2, dilations=[2, 2]),
    "ternary weights": lambda net: net.conv(
        net.op("Sign", "x"), net.rng.integers(-1, 2, (16, 8, 3, 3)).astype(np.float32)
    ),
    "dense": dense_after(flat, False),
    "dense by shape": dense_after(shape_chain, False),
    "classifier": classifier,
    "average": lambda net: net.op(
        "AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=0
    ),
    "average with padding": lambda net: net.op(
        "AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "average, rounded up": lambda net: net.op("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "maximum, rounded up": lambda net: net.op("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "split and concat": halves,
    "slice": lambda net: net.op(
        "HardSwish", net.op("Slice", "x", np.array([1, 2]), np.array([7, 99]), np.array([2, 3]))
    ),
    "turned": turned,
    "shuffle": shuffle,
    "depth to space": lambda net: net.op("DepthToSpace", "x", blocksize=2, mode="DCR"),
    "depth to space by columns": lambda net: net.op("DepthToSpace", "x", blocksize=2, mode="CRD"),
    "resize": lambda net: net.op(
        *("Resize", "x", "", np.array([1, 1, 2, 3], np.float32)),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "resize between pixels": lambda net: net.op(
        "Resize", "x", "", "", np.array([1, 8, 13, 7]), mode="linear", coordinate_transformation_mode="half_pixel"
    ),
    "resize to corners": lambda net: net.op(
        *("Resize", "x", "", np.array([1, 1, 1.7, 0.5], np.float32)),
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "resize to other pixels": lambda net: net.op("Resize", "x", "", np.array([1, 1, 0.4, 1.3], np.float32)),
    "smallest of several": lambda net: net.op("Min", "x", net.op("Neg", "x"), one(0.5), net.op("Relu", "x")),
    "shares": lambda net: net.op("Div", "x", net.op("Max", net.op("Exp", "x"), one(0.5))),
    "roots": lambda net: net.op("Tanh", net.op("Sqrt", net.op("Abs", "x"))),
    "rows": lambda net: net.op("Relu", net.op("Reshape", "x", np.array([8, 90]))),
    "mean of channels": lambda net: net.op("ReduceMean", "x", axes=[1], keepdims=0),
    "leaky": lambda net: net.op("LeakyRelu", net.op("Neg", "x"), alpha=0.2),
    "hard sigmoid": lambda net: net.op("HardSigmoid", net.op("Div", "x", one(0.3)), alpha=0.25, beta=0.4),
    "constant minus": lambda net: net.op("Clip", net.op("Sub", one(0.25), net.op("Abs", "x")), one(-0.5), one(0.1)),
    "used twice": used_twice,
}
FLOAT = {
    **FLOAT,
    "padded beyond a window": lambda net: net.op(
        "Conv", net.op("Sign", "x"), net.binary(16, 8, 1, 2), pads=[2, 0, 0, 3], strides=[1, 2]
    ),
    "halves of pixels": lambda net: net.op(
        *("Resize", "x", "", np.array([1, 1, 2, 3], np.float32)),
        mode="nearest",
        coordinate_transformation_mode="half_pixel",
    ),
    "steps": lambda net: net.op("Quant", "x", net.rng.uniform(0.1, 0.2, (8, 1, 1)), one(0), one(4)),
    "unsigned steps": lambda net: net.op(
        "Quant", "x", one(0.25), one(3), one(3), signed=0, narrow=1, rounding_mode="ROUND"
    ),
    "steps of weights": lambda net: net.conv(
        "x", net.op("Quant", net.constant(net.floats(16, 8, 3, 3)), one(0.0625), one(0), one(5), narrow=1)
    ),
}
CASES = {**BINARY, **FLOAT}


def build(name: str, batch: int | str = 1) -> bytes:
    """A case as the bytes of a file."""
    net = Network((batch, *SHAPE[1:]), seed=len(name))
    return net.model(CASES[name](net)).SerializeToString()
