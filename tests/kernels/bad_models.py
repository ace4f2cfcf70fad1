"""A small binary network, and the same made bad in one way each, as converters and people do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bnnbench.kernels.ops import words
from tests.kernels.model_builder import Array, Builder

SIZE = 28
BLOCKS = 4
CLASSES = 64
SAME, VALID = 0, 1


@dataclass
class Network:
    """A network while it grows: `x` is its last tensor, of `size` x `size` x `channels`."""

    channels: int = 64
    size: int = SIZE
    blocks: int = BLOCKS
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    b: Builder = field(default_factory=Builder)
    x: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return (1, self.size, self.size, self.channels)

    def numbers(self, *shape: int) -> Array:
        return (self.rng.integers(-8, 9, shape) / 8 + 1 / 16).astype(np.float32)

    def new(self, shape: tuple[int, ...] | None = None, dtype: str = "float32") -> int:
        return self.b.tensor(self.shape if shape is None else shape, dtype)

    def convolution(self, out: int, kernel: int, stride: int, weights: Array | None = None) -> None:
        """CONV_2D with SAME padding; `x` becomes its output."""
        depth = self.b.tensors[self.x]["shape"][3]
        weights = self.numbers(out, kernel, kernel, depth) if weights is None else weights
        size = -(-self.b.tensors[self.x]["shape"][1] // stride)
        result = self.new((1, size, size, out))
        inputs = [self.x, self.b.constant(weights), self.b.constant(self.numbers(out))]
        options = {"padding": SAME, "stride_h": stride, "stride_w": stride}
        self.x = self.b.op("CONV_2D", inputs, result, "Conv2DOptions", **options)

    def stem(self) -> None:
        self.x = self.b.input((1, self.size * 2, self.size * 2, 3))
        self.convolution(self.channels, 3, 2)

    def resnet_stem(self) -> None:
        """As ResNet begins: 7x7 at half the image, and a pool."""
        self.x = self.b.input((1, self.size * 4, self.size * 4, 3))
        self.convolution(self.channels, 7, 2)
        options = {"padding": SAME, "stride_h": 2, "stride_w": 2, "filter_height": 3, "filter_width": 3}
        self.x = self.b.op("MAX_POOL_2D", [self.x], self.new(), "Pool2DOptions", **options)

    def quicknet_stem(self) -> None:
        """As QuickNet begins: 3x3 to 8 channels, 3x3 depthwise, 1x1."""
        self.x = self.b.input((1, self.size * 4, self.size * 4, 3))
        self.convolution(8, 3, 2)
        weights = [self.b.constant(self.numbers(1, 3, 3, 8)), self.b.constant(self.numbers(8))]
        options = {"padding": SAME, "stride_h": 2, "stride_w": 2, "depth_multiplier": 1}
        smaller = self.new((1, self.size, self.size, 8))
        self.x = self.b.op("DEPTHWISE_CONV_2D", [self.x, *weights], smaller, "DepthwiseConv2DOptions", **options)
        self.convolution(self.channels, 1, 1)

    def signs(self) -> int:
        packed = (*self.shape[:3], words(self.channels))
        return self.b.op("LceQuantize", [self.x], self.new(packed, "int32"))

    def unpacked(self, bits: int) -> int:
        return self.b.op("LceDequantize", [bits], self.new())

    def binary(self, bits: int, pad_value: int = 1) -> int:
        """LceBconv2d with its batch normalization fused."""
        c = self.channels
        filters = self.rng.integers(0, 2**32, (c, 3, 3, words(c)), np.uint32)
        if c % 32:
            filters[..., -1] &= np.uint32((1 << c % 32) - 1)
        scales = [self.b.constant(self.numbers(c)) for _ in range(2)]
        inputs = [bits, self.b.constant(filters.view(np.int32)), *scales, -1]
        options = {"dilation_height_factor": 1, "dilation_width_factor": 1, "stride_height": 1, "stride_width": 1}
        options |= {"channels_in": c, "padding": SAME, "pad_values": pad_value, "fused_activation_function": 0}
        return self.b.op("LceBconv2d", inputs, self.new(), **options)

    def elementwise(self, name: str, x: int, other: int) -> int:
        return self.b.op(name, [x, other], self.new(), f"{name.capitalize()}Options")

    def normalized(self, x: int) -> int:
        """Batch normalization as ops of its own."""
        x = self.elementwise("MUL", x, self.b.constant(self.numbers(self.channels)))
        return self.elementwise("ADD", x, self.b.constant(self.numbers(self.channels)))

    def add(self, y: int) -> None:
        """The residual sum."""
        self.x = self.elementwise("ADD", y, self.x)

    def dense(self, x: int, depth: int) -> int:
        inputs = [x, self.b.constant(self.numbers(CLASSES, depth)), self.b.constant(self.numbers(CLASSES))]
        return self.b.op("FULLY_CONNECTED", inputs, self.new((1, CLASSES)), "FullyConnectedOptions")

    def head(self) -> int:
        axes = self.b.constant(np.array([1, 2], np.int32))
        mean = self.b.op("MEAN", [self.x, axes], self.new((1, self.channels)), "ReducerOptions", keep_dims=False)
        return self.dense(mean, self.channels)


def _network(block: Callable[[Network], None], stem: Callable[[Network], None] = Network.stem, **sizes: int) -> Builder:
    m = Network(**sizes)
    stem(m)
    for _ in range(m.blocks):
        block(m)
    m.b.outputs = [m.head()]
    return m.b


def _good_block(m: Network) -> None:
    m.add(m.binary(m.signs()))


def good() -> Builder:
    """One-padding, 64 channels, everything fused."""
    return _network(_good_block)


def large_stem() -> Builder:
    """ResNet's stem in front of a few binary convolutions."""
    return _network(_good_block, Network.resnet_stem)


def small_stem() -> Builder:
    """The same with QuickNet's stem."""
    return _network(_good_block, Network.quicknet_stem)


def _zero_padded_block(m: Network) -> None:
    y = m.binary(m.signs(), pad_value=0)
    y = m.b.op("RELU", [y], m.new())
    m.add(m.normalized(y))


def zero_padded() -> Builder:
    """As Larq Compute Engine converts zero-padded layers: the activation and what follows stay ops."""
    return _network(_zero_padded_block)


def _unfused_block(m: Network) -> None:
    m.add(m.normalized(m.binary(m.signs())))


def unfused() -> Builder:
    """Batch normalization behind each binary convolution."""
    return _network(_unfused_block)


def channels_48() -> Builder:
    """48 channels in two words."""
    return _network(_good_block, channels=48)


def _float_kept_block(m: Network) -> None:
    before = m.x
    m.x = m.unpacked(m.signs())
    c = m.channels
    m.convolution(c, 3, 1, np.where(m.rng.random((c, 3, 3, c)) < 0.5, -0.5, 0.5).astype(np.float32))
    m.x, y = before, m.x
    m.add(y)


def float_weights_kept() -> Builder:
    """Signs of float32 on both sides of ordinary convolutions; the first block is binary, as the other models' are."""
    return _network(_float_kept_block)


def _pair_block(m: Network) -> None:
    m.add(m.binary(m.b.op("LceQuantize", [m.unpacked(m.signs())], m.new((*m.shape[:3], words(m.channels)), "int32"))))


def quantize_pairs() -> Builder:
    """Signs are unpacked and packed again before each binary convolution."""
    return _network(_pair_block)


def float_head() -> Builder:
    """A dense layer over the whole image."""
    m = Network()
    m.stem()
    for _ in range(m.blocks):
        _good_block(m)
    depth = m.size * m.size * m.channels
    flat = m.b.constant(np.array([1, depth], np.int32))
    reshaped = m.b.op("RESHAPE", [m.x, flat], m.new((1, depth)), "ReshapeOptions", new_shape=[1, depth])
    m.b.outputs = [m.dense(reshaped, depth)]
    return m.b


def float_between() -> Builder:
    """The second of the blocks has a float convolution."""
    m = Network()
    m.stem()
    for number in range(m.blocks):
        if number == 1:
            m.convolution(m.channels, 3, 1)
        else:
            _good_block(m)
    m.b.outputs = [m.head()]
    return m.b


BAD: dict[str, tuple[str, Callable[[], Builder]]] = {
    "zero_padded": ("zero-padding", zero_padded),
    "unfused": ("unfused-op", unfused),
    "channels_48": ("partial-words", channels_48),
    "float_weights_kept": ("unpacked-weights", float_weights_kept),
    "quantize_pairs": ("quantize-pair", quantize_pairs),
    "float_head": ("large-head", float_head),
    "float_between": ("float-convolution", float_between),
    "large_stem": ("large-stem", large_stem),
}
"""Name -> the finding that says what is bad, and the model."""

MENDED: dict[str, Callable[[], Builder]] = {**dict.fromkeys(BAD, good), "large_stem": small_stem}
"""Name -> the same model mended."""
