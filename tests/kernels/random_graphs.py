"""Small random graphs: chains, residuals, concatenations, slices, reshapes and binary convolutions.

Weights and inputs are small multiples of powers of two, so that almost every sum is exact in f32 and the order in which
an engine adds does not matter.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import DType, Graph, Node, Tensor
from bnnbench.kernels.models.operations import (
    BinaryConv2d,
    BinaryMaxPool2d,
    BitDequantize,
    BitQuantize,
    Clamp,
    Concat,
    Conv2d,
    DepthwiseConv2d,
    Dequantize,
    Elementwise,
    Mean,
    Operation,
    Pad,
    Pool2d,
    PRelu,
    Quantize,
    Reduce,
    Reshape,
    Slice,
    Unary,
    Window,
)
from bnnbench.kernels.models.places import Between, Gather, Interpolate
from bnnbench.kernels.ops import BConv2d, words

_CLAMPS = (Clamp(), Clamp(0.0), Clamp(-1.0, 1.0), Clamp(0.0, 6.0))
_CHANNELS = (1, 3, 8, 33, 64)


class Growing:
    """A graph while it grows: every method adds an operation on tensors that are there."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        shape = (draw(st.integers(1, 2)), draw(st.integers(1, 5)), draw(st.integers(1, 5)), self.one_of(_CHANNELS))
        self.nodes: list[Node] = []
        self.inputs = (Tensor("x0", shape, "f32"),)
        self.tensors = [self.inputs[0]]

    def one_of(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def tensor(self, dtype: DType = "f32") -> Tensor | None:
        """Any tensor of a type, later ones more often."""
        fitting = [one for one in self.tensors if one.dtype == dtype and len(one.shape) == 4]
        return fitting[-1 - min(self.draw(st.integers(0, 4)), len(fitting) - 1)] if fitting else None

    def numbers(self, *shape: int) -> NDArray[np.float32]:
        """From -2 to 2 in quarters, zeros and both signs among them."""
        return (self.rng.integers(-8, 9, shape) / 4).astype(np.float32)

    def add(self, operation: Operation, inputs: list[Tensor], shape: tuple[int, ...], dtype: DType = "f32") -> Tensor:
        scale, zero_point = (0.25, int(self.rng.integers(-5, 6))) if dtype == "i8" else (None, 0)
        out = Tensor(f"t{len(self.nodes)}", shape, dtype, scale, zero_point)
        self.nodes.append(Node(len(self.nodes), type(operation).__name__, operation, tuple(inputs), out))
        self.tensors.append(out)
        return out

    def window(self, x: Tensor) -> tuple[Window, tuple[int, int]]:
        """A window with TensorFlow's SAME padding, and its output's size."""
        k, s, d = self.draw(st.integers(1, 3)), self.draw(st.integers(1, 2)), self.draw(st.integers(1, 2))
        sizes = [-(-size // s) for size in x.shape[1:3]]
        totals = [max((n - 1) * s + (k - 1) * d + 1 - size, 0) for n, size in zip(sizes, x.shape[1:3], strict=True)]
        return Window(k, k, s, s, d, d, totals[0] // 2, totals[1] // 2), (sizes[0], sizes[1])

    def convolution(self, x: Tensor) -> None:
        window, size = self.window(x)
        oc, act = self.one_of(_CHANNELS), self.one_of(_CLAMPS)
        weights, bias = self.numbers(oc, window.kh, window.kw, x.shape[3]), self.numbers(oc)
        self.add(Conv2d(window, weights, self.one_of((bias, None)), act), [x], (x.shape[0], *size, oc))

    def depthwise(self, x: Tensor) -> None:
        window, size = self.window(x)
        oc = 2 * x.shape[3]
        operation = DepthwiseConv2d(window, self.numbers(window.kh, window.kw, oc), None, 2, self.one_of(_CLAMPS))
        self.add(operation, [x], (x.shape[0], *size, oc))

    def pool(self, x: Tensor) -> None:
        window, size = self.window(x)
        window = Window(window.kh, window.kw, window.sh, window.sw, 1, 1, 0, 0)
        kind = cast(Literal["max", "average"], self.one_of(("max", "average")))
        self.add(Pool2d(kind, window, self.one_of(_CLAMPS)), [x], (x.shape[0], *size, x.shape[3]))

    def channels(self, x: Tensor) -> None:
        """An operation with constants of each channel, or without any."""
        constant = Tensor("c", (x.shape[3],), "f32", data=self.numbers(x.shape[3]))
        kind = self.one_of(("add", "sub", "from", "mul", "minimum", "maximum", "prelu", "abs", "clamp", "neg"))
        if kind == "prelu":
            self.add(PRelu(), [x, constant], x.shape)
        elif kind in ("abs", "clamp", "neg"):
            self.add(Unary(kind, self.one_of(_CLAMPS[1:]) if kind == "clamp" else Clamp()), [x], x.shape)
        else:
            inputs = [constant, x] if kind == "from" else [x, constant]
            kind = "sub" if kind == "from" else kind
            self.add(Elementwise(kind, self.one_of(_CLAMPS)), inputs, x.shape)

    def residual(self, x: Tensor) -> None:
        """Two tensors of one shape, or an image's own factors."""
        same = [one for one in self.tensors if one.shape == x.shape and one.dtype == "f32"]
        kind = self.one_of(("add", "sub", "mul", "minimum", "maximum"))
        images = [one for one in self.tensors if one.shape == (x.shape[0], 1, 1, x.shape[3]) and one.dtype == "f32"]
        other = self.one_of(same + images)
        inputs = [x, other] if self.draw(st.booleans()) else [other, x]
        self.add(Elementwise(kind, self.one_of(_CLAMPS)), inputs, x.shape)

    def mean(self, x: Tensor) -> None:
        self.add(Mean((1, 2), True), [x], (x.shape[0], 1, 1, x.shape[3]))

    def concatenation(self, x: Tensor) -> None:
        near = [one for one in self.tensors if one.shape[:-1] == x.shape[:-1] and one.dtype == "f32"]
        parts = [x, *(self.one_of(near) for _ in range(self.draw(st.integers(1, 2))))]
        shape = (*x.shape[:3], sum(part.shape[3] for part in parts))
        if shape[3] <= 256:
            self.add(Concat(3, self.one_of(_CLAMPS)), parts, shape)

    def slice(self, x: Tensor) -> None:
        first = self.draw(st.integers(0, x.shape[3] - 1))
        count = self.draw(st.integers(1, x.shape[3] - first))
        self.add(Slice((0, 0, 0, first)), [x], (*x.shape[:3], count))

    def places(self, x: Tensor) -> None:
        """Values from other places, in any order and number."""
        shape = (x.shape[0], self.draw(st.integers(1, 6)), self.draw(st.integers(1, 6)), x.shape[3])
        across = [
            self.rng.integers(0, size, count).astype(np.int32) for size, count in zip(x.shape, shape, strict=True)
        ]
        every = [np.arange(size, dtype=np.int32) for size in x.shape]
        self.add(Gather((every[0], across[1], across[2], self.one_of((every[3], across[3])))), [x], shape)

    def between(self, x: Tensor) -> None:
        """Pixels at quarters between others."""
        sizes = [self.draw(st.integers(1, 6)) for _ in range(2)]
        rows, columns = (
            Between.at((self.rng.integers(-2, 4 * size, count) / 4).astype(np.float32), size)
            for size, count in zip(x.shape[1:3], sizes, strict=True)
        )
        self.add(Interpolate(rows, columns), [x], (x.shape[0], *sizes, x.shape[3]))

    def reduced(self, x: Tensor) -> None:
        kind = cast(Literal["max", "min"], self.one_of(("max", "min")))
        self.add(Reduce(kind, (1, 2), True), [x], (x.shape[0], 1, 1, x.shape[3]))

    def pad(self, x: Tensor) -> None:
        n, h, w, c = x.shape
        self.add(Pad((0, 1, 0, 0), 0.5), [x], (n, h + 1, w + 2, c))

    def reshape(self, x: Tensor) -> None:
        n, h, w, c = x.shape
        self.add(Reshape(), [x], self.one_of(((n, w, h, c), (n, h * w, 1, c), (n, 1, h * w, c), (n, h, 1, w * c))))

    def signs(self, x: Tensor) -> None:
        self.add(BitQuantize(), [x], x.shape, "bits")

    def eight_bits(self, x: Tensor) -> None:
        quantized = self.add(Quantize(), [x], x.shape, "i8")
        if self.draw(st.booleans()):
            self.add(BitQuantize(), [quantized], x.shape, "bits")
        if self.draw(st.booleans()):
            self.add(Dequantize(), [quantized], x.shape)

    def binary(self, x: Tensor) -> None:
        """A binary convolution, a maximum of signs, or the signs as numbers."""
        kind = self.one_of(("convolution", "convolution", "maximum", "numbers"))
        window, size = self.window(x)
        if kind == "numbers":
            self.add(BitDequantize(), [x], x.shape)
        elif kind == "maximum":
            operation = BinaryMaxPool2d(Window(window.kh, window.kw, window.sh, window.sw))
            self.add(operation, [x], (x.shape[0], *size, x.shape[3]), "bits")
        else:
            self.binary_convolution(x, window)

    def binary_convolution(self, x: Tensor, window: Window) -> None:
        n, _, _, c = x.shape
        spec = BConv2d(
            **dict(zip("nhwc", x.shape, strict=True)),
            oc=self.one_of((8, 34)),
            **{key: getattr(window, key) for key in ("kh", "kw", "sh", "sw", "dh", "dw")},
            groups=self.one_of((1, 2)) if c % 64 == 0 else 1,
            pad_value=self.one_of((0, 1)),
            act=self.one_of(("none", "relu", "relu6", "relu_n1_to_1")),
            out="f32",
        )
        depth = c // spec.groups
        filters = self.rng.integers(0, 2**32, (spec.oc, spec.kh, spec.kw, words(depth)), np.uint32)
        if depth % 32:
            filters[..., -1] &= np.uint32((1 << depth % 32) - 1)
        operation = BinaryConv2d(spec, filters, self.numbers(spec.oc), self.numbers(spec.oc), None)
        self.add(operation, [x], (n, spec.out_h, spec.out_w, spec.oc))

    def graph(self) -> Graph:
        """What nobody reads is returned, and sometimes something else too."""
        read = {tensor for node in self.nodes for tensor in node.inputs}
        outputs = [node.output for node in self.nodes if node.output not in read]
        if self.draw(st.booleans()):
            outputs.append(self.one_of([node.output for node in self.nodes]))
        return Graph(tuple(self.nodes), self.inputs, tuple(dict.fromkeys(outputs)))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Of 1 to 12 operations or a few more, with one input x0 [n, h, w, c]."""
    growing = Growing(draw)
    on_floats = (
        *(growing.convolution, growing.depthwise, growing.pool, growing.channels, growing.channels, growing.residual),
        *(
            growing.residual,
            growing.mean,
            growing.concatenation,
            growing.slice,
            growing.pad,
            growing.places,
            growing.between,
            growing.reduced,
            growing.reshape,
        ),
        *(growing.signs, growing.signs, growing.eight_bits),
    )
    for _ in range(draw(st.integers(1, 12))):
        bits = growing.tensor("bits")
        if bits is not None and draw(st.booleans()):
            growing.binary(bits)
            continue
        x = growing.tensor()
        assert x is not None
        draw(st.sampled_from(on_floats))(x)
    if not growing.nodes:
        growing.channels(growing.inputs[0])
    return growing.graph()


def input_for(graph: Graph, seed: int = 0) -> NDArray[np.float32]:
    """Values for a graph's only input: quarters from -4 to 4."""
    (tensor,) = graph.inputs
    return (np.random.default_rng(seed).integers(-16, 17, tensor.shape) / 4).astype(np.float32)
