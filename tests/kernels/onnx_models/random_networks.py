"""Small random ONNX graphs of the supported ops, with random attributes, shapes and broadcasting, and binary blocks.

Each function of OPS adds one op to a network; what onnx's shape inference refuses is left out again. Constants are
multiples of a quarter, so that many sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.kernels.onnx_models.builder import Network
from tests.kernels.onnx_models.random_signs import SIGNS, WEIGHTS

Array = NDArray[Any]
MAX_ELEMENTS = 20_000
_SIZES = (1, 2, 3, 5, 8, 32)


class Growing:
    """A network while it grows; `values` are the names of computed values, with their shapes."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        rank = self.one_of((4, 4, 4, 4, 3, 2))
        shape = (self.one_of((1, 1, 2)), *(self.one_of(_SIZES) for _ in range(rank - 1)))
        if rank == 4:
            shape = (*shape[:2], self.integer(1, 9), self.integer(1, 9))
        self.net = Network(shape, draw(st.integers(0, 2**20)))
        self.values: dict[str, tuple[int, ...]] = {"x": shape}

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def one_of(self, choices: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    def numbers(self, *shape: int) -> Array:
        """From -2 to 2 in quarters, zeros and both signs among them."""
        return (self.net.rng.integers(-8, 9, shape) / 4).astype(np.float32)

    def latest(self) -> str:
        """A value, later ones more often."""
        names = list(self.values)
        return names[-1 - min(self.integer(0, 3), len(names) - 1)]

    def broadcasting(self, shape: Sequence[int]) -> Array:
        """A constant that broadcasts to a shape."""
        sizes = [self.one_of((1, size)) for size in shape]
        return self.numbers(*sizes[self.integer(0, len(sizes)) :])

    def tried(self, name: str) -> None:
        """Adds one op, unless it is none for the value that is there."""
        before = self.net.checkpoint()
        x = self.latest()
        made = OPS[name](self, x, self.values[x])
        shapes = self.net.shapes(made) if made else {}
        found = [shapes.get(one, ()) for one in made]
        if not made or any(not 1 <= len(shape) <= 5 or not 0 < np.prod(shape) <= MAX_ELEMENTS for shape in found):
            self.net.rollback(before)
        else:
            self.values |= dict(zip(made, found, strict=True))


def elementwise(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    """Of a value and a constant, or of two values; on either side."""
    kind = grown.one_of(("Add", "Sub", "Mul", "Min", "Max"))
    fitting = [name for name, other in grown.values.items() if _broadcasts(shape, other)]
    other: str | Array = grown.broadcasting(shape) if grown.integer(0, 1) else grown.one_of(fitting)
    return [grown.net.op(kind, x, other) if grown.integer(0, 1) else grown.net.op(kind, other, x)]


def _broadcasts(one: Sequence[int], other: Sequence[int]) -> bool:
    try:
        np.broadcast_shapes(tuple(one), tuple(other))
    except ValueError:
        return False
    return True


def div(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    if grown.integer(0, 1):
        return [grown.net.op("Div", x, np.where((by := grown.broadcasting(shape)) == 0, 1, by))]
    above = grown.net.op("Add", grown.net.op("Abs", x), np.float32(0.5))
    return [grown.net.op("Div", grown.one_of((grown.broadcasting(shape), x)), above)]


def conv(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    """A convolution of floats, or one with weights of two values."""
    if len(shape) != 4:
        return []
    groups = grown.one_of([size for size in (1, 2, shape[1]) if shape[1] % size == 0])
    kernel = (grown.integer(1, 3), grown.integer(1, 3))
    weights = (groups * grown.integer(1, 3), shape[1] // groups, *kernel)
    filters = grown.numbers(*weights) if grown.integer(0, 2) else WEIGHTS[grown.one_of([*WEIGHTS])](grown.net, weights)
    bias = [grown.numbers(weights[0])] if grown.integer(0, 1) else []
    padding = _padding(grown) | ({"dilations": [grown.integer(1, 2), 1]} if not grown.integer(0, 3) else {})
    return [grown.net.op("Conv", x, filters, *bias, group=groups, strides=_strides(grown), **padding)]


def _padding(grown: Growing, most: int = 2) -> dict[str, Any]:
    rule = grown.one_of(("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"))
    return {"auto_pad": rule} if rule != "NOTSET" else {"pads": [grown.integer(0, most) for _ in range(4)]}


def _strides(grown: Growing) -> list[int]:
    return [grown.integer(1, 3), grown.integer(1, 2)]


def binary_block(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    """Signs in one of the ways in which they are written, pooled or not, before weights of two values."""
    net = grown.net
    if len(shape) < 2:
        return []
    signs = SIGNS[grown.one_of([*SIGNS])](net, x, shape)
    weights = WEIGHTS[grown.one_of([*WEIGHTS])]
    if len(shape) == 4 and grown.integer(0, 3):
        if not grown.integer(0, 3):
            signs = net.op("MaxPool", signs, kernel_shape=[2, 2], strides=[grown.integer(1, 2)] * 2)
        filters = weights(net, (grown.integer(1, 5), shape[1], grown.integer(1, 3), grown.integer(1, 3)))
        return [net.op("Conv", signs, filters, strides=_strides(grown), **_padding(grown))]
    if len(shape) > 2:
        signs, shape = net.op("Flatten", signs), (shape[0], int(np.prod(shape[1:])))
    return [net.op("Gemm", signs, weights(net, (grown.integer(1, 4), shape[1])), transB=1)]


def pool(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    if len(shape) != 4:
        return []
    kind, kernel = grown.one_of(("MaxPool", "AveragePool")), [grown.integer(1, 3), grown.integer(1, 3)]
    padding = _padding(grown, most=min(kernel) - 1)
    if "pads" in padding:
        padding["ceil_mode"] = grown.integer(0, 1)
    if kind == "AveragePool":
        padding["count_include_pad"] = grown.integer(0, 1)
    return [grown.net.op(kind, x, kernel_shape=kernel, strides=_strides(grown), **padding)]


def dense(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    net, units = grown.net, grown.integer(1, 5)
    if len(shape) != 2 or grown.integer(0, 1):
        return [net.op("MatMul", x, grown.numbers(shape[-1], units))]
    turned = grown.integer(0, 1)
    weights = grown.numbers(*((units, shape[1]) if turned else (shape[1], units)))
    bias = [grown.numbers(*grown.one_of(((units,), (1, units), (1,), ())))] if grown.integer(0, 1) else []
    factors = {"alpha": grown.one_of((1.0, 0.5)), "beta": grown.one_of((1.0, -2.0))}
    return [net.op("Gemm", x, weights, *bias, transB=turned, **factors)]


def norm(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    return [grown.net.norm(x, shape[1])] if len(shape) > 1 else []


def activation(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    net, kinds = (
        grown.net,
        ("Relu", "Sigmoid", "Abs", "Neg", "HardSwish", "Identity", "Dropout", "Cast", "Tanh", "Sqrt"),
    )
    kind = grown.one_of(kinds)
    if kind == "Sqrt":
        return [net.op("Sqrt", net.op("Add", net.op("Abs", x), np.float32(0.125)))]
    return [net.op(kind, x, **({"to": 1} if kind == "Cast" else {}))]


def parametrized(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    net = grown.net
    low = grown.integer(-8, 4) / 4
    bounds = [np.float32(low), np.float32(low + grown.integer(0, 8) / 4)]
    steps = [np.float32(grown.one_of((0.25, 0.5))), np.float32(grown.integer(0, 2)), np.float32(grown.integer(2, 8))]
    match grown.integer(0, 5):
        case 0:
            return [net.op("LeakyRelu", x, alpha=grown.one_of((0.25, 0.01, -0.5)))]
        case 1:
            return [net.op("HardSigmoid", x, alpha=0.25, beta=grown.one_of((0.5, 0.25)))]
        case 2:
            slopes = [grown.one_of((1, size)) for size in shape[1:]]
            return [net.op("PRelu", x, grown.numbers(*slopes))] if slopes else []
        case 3:
            return [net.op("Clip", x, *bounds[: grown.integer(0, 2)])]
        case 4:
            return [net.op("Softmax", x, axis=grown.integer(-len(shape), len(shape) - 1))]
    return [net.op("Quant", x, *steps, signed=grown.integer(0, 1), narrow=grown.integer(0, 1))]


def mean(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    if len(shape) == 4 and grown.integer(0, 1):
        return [grown.net.op("GlobalAveragePool", x)]
    axes = grown.draw(st.lists(st.integers(1, max(len(shape) - 1, 1)), min_size=1, unique=True))
    return [grown.net.op("ReduceMean", x, axes=axes, keepdims=grown.integer(0, 1))] if len(shape) > 1 else []


def transpose(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    return [grown.net.op("Transpose", x, perm=grown.draw(st.permutations(range(len(shape)))))]


def reshape(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    net, total = grown.net, int(np.prod(shape))
    match grown.integer(0, 3):
        case 0:
            return [net.op("Flatten", x, axis=grown.integer(-len(shape), len(shape)))]
        case 1:
            return [net.op("Squeeze", x)]
        case 2:
            return [net.op("Unsqueeze", x, np.array([grown.integer(0, len(shape))]))]
    sizes, left = [], total
    for _ in range(grown.integer(0, 3)):
        sizes.append(grown.one_of([size for size in (1, 2, 3, 4, 5, 8, 32) if left % size == 0]))
        left //= sizes[-1]
    wanted = [0, -1] if not grown.integer(0, 2) else [*sizes, grown.one_of((-1, left))]
    return [net.op("Reshape", x, np.array(wanted))]


def concat(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    axis = grown.integer(0, len(shape) - 1)
    kept = [*shape[:axis], *shape[axis + 1 :]]
    others = [
        name
        for name, other in grown.values.items()
        if len(other) == len(shape) and [*other[:axis], *other[axis + 1 :]] == kept
    ]
    return [grown.net.op("Concat", x, *(grown.one_of(others) for _ in range(grown.integer(0, 2))), axis=axis)]


def split(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    axis = grown.integer(0, len(shape) - 1)
    if shape[axis] < 2:
        return []
    first = grown.integer(1, shape[axis] - 1)
    sizes = np.array([first, shape[axis] - first])
    return grown.net.op("Split", x, sizes, axis=axis - len(shape) * grown.integer(0, 1), outputs=2).split()


def slice_(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    axis = grown.integer(0, len(shape) - 1)
    start = grown.integer(-shape[axis] - 1, shape[axis] - 1)
    return [grown.net.op("Slice", x, *(np.array([number]) for number in (start, grown.integer(-2, 40), axis)))]


def pad(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    pads = [0 if at % len(shape) == 0 else grown.integer(0, 2) for at in range(2 * len(shape))]
    return [grown.net.op("Pad", x, np.array(pads), np.float32(grown.one_of((0, 1, -0.5))))]


def larger(grown: Growing, x: str, shape: tuple[int, ...]) -> list[str]:
    if len(shape) != 4:
        return []
    if grown.integer(0, 1):
        return (
            [grown.net.op("DepthToSpace", x, blocksize=2, mode=grown.one_of(("DCR", "CRD")))]
            if shape[1] % 4 == 0
            else []
        )
    settings = {
        "coordinate_transformation_mode": grown.one_of(
            ("asymmetric", "half_pixel", "pytorch_half_pixel", "align_corners")
        ),
        "nearest_mode": grown.one_of(("floor", "round_prefer_floor", "round_prefer_ceil", "ceil")),
        "mode": grown.one_of(("nearest", "linear")),
    }
    if grown.integer(0, 1):
        scales = np.array([1, 1, grown.integer(1, 3), grown.integer(1, 3)], np.float32)
        return [grown.net.op("Resize", x, "", scales, **settings)]
    sizes = np.array([*shape[:2], grown.integer(1, 13), grown.integer(1, 13)], np.int64)
    return [grown.net.op("Resize", x, "", "", sizes, **settings)]


OPS: Mapping[str, Callable[[Growing, str, tuple[int, ...]], list[str]]] = {
    "binary block": binary_block,
    "another binary block": binary_block,
    "elementwise": elementwise,
    "div": div,
    "conv": conv,
    "pool": pool,
    "dense": dense,
    "norm": norm,
    "activation": activation,
    "parametrized": parametrized,
    "mean": mean,
    "transpose": transpose,
    "reshape": reshape,
    "concat": concat,
    "split": split,
    "slice": slice_,
    "pad": pad,
    "larger": larger,
}


@st.composite
def networks(draw: st.DrawFn) -> tuple[bytes, tuple[int, ...], list[str]]:
    """A file, the shape of its input, and the names of what was drawn."""
    grown = Growing(draw)
    names = draw(st.lists(st.sampled_from([*OPS]), min_size=1, max_size=6))
    for name in names:
        grown.tried(name)
    output = list(grown.values)[-1]
    if output == "x":
        output = grown.net.op("Relu", "x")
    return grown.net.model(output).SerializeToString(), grown.values["x"], names
