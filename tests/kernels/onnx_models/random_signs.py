"""Ways to write signs, and weights of two values, for random networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.cases import cast, chosen, one, rounded, straight_through

Array = NDArray[Any]
Shape = tuple[int, ...]


def multi_threshold(net: Network, x: str, shape: Shape) -> str:
    channels = shape[1] if len(shape) in (2, 4) else 1
    steps = net.rng.normal(0, 0.3, (channels, 1)).astype(np.float32)
    layout = "NCHW" if len(shape) == 4 else "NC"
    return net.op("MultiThreshold", x, steps, out_scale=2.0, out_bias=-1.0, data_layout=layout)


def of_zero(net: Network, x: str, shape: Shape) -> str:
    """Learnt thresholds of each channel, as ReActNet has them."""
    channels = (shape[1], *[1] * (len(shape) - 2)) if len(shape) > 1 else (1,)
    return net.op("Sign", net.op("Add", x, net.rng.normal(0, 0.3, channels).astype(np.float32)))


SIGNS: Mapping[str, Callable[[Network, str, Shape], str]] = {
    "Sign": lambda net, x, _: net.op("Sign", x),
    "RSign": of_zero,
    "Where >=": lambda net, x, _: chosen("GreaterOrEqual", 0.1)(net, x),
    "Where >": lambda net, x, _: chosen("Greater", -0.2, 0.5)(net, x),
    "Where <": lambda net, x, _: chosen("Less", 0.0, -1.0)(net, x),
    "Where <=": lambda net, x, _: chosen("LessOrEqual", 0.3, -2.0)(net, x),
    "Cast": lambda net, x, _: cast(net, x),
    "straight-through": lambda net, x, _: straight_through(net, x),
    "Round": lambda net, x, _: rounded(net, x),
    "BipolarQuant": lambda net, x, _: net.op("BipolarQuant", x, one(0.5)),
    "Quant": lambda net, x, _: net.op("Quant", x, one(2), one(0), one(1)),
    "MultiThreshold": multi_threshold,
}


def stored(net: Network, shape: Shape) -> Array:
    return net.binary(*shape)


def computed(net: Network, shape: Shape) -> str:
    """`Sign(w) * mean(|w|)`, in the graph."""
    real = net.constant(net.floats(*shape))
    scale = net.op("ReduceMean", net.op("Abs", real), axes=list(range(1, len(shape))), keepdims=1)
    return net.op("Mul", net.op("Sign", real), scale)


def noisy(net: Network, shape: Shape) -> Array:
    """`sign(w) * a - c + c`, rounded each time."""
    noise = net.rng.uniform(-1, 1, shape).astype(np.float32)
    rounded: Array = (net.binary(*shape) - noise) + noise
    return rounded


def bipolar(net: Network, shape: Shape) -> str:
    return net.op("BipolarQuant", net.constant(net.floats(*shape)), one(0.75))


WEIGHTS: Mapping[str, Callable[[Network, Shape], str | Array]] = {
    "stored": stored,
    "computed": computed,
    "noisy": noisy,
    "bipolar": bipolar,
}
