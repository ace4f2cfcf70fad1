"""Networks of QuickNet's three shapes, with weights that mean nothing: for whatever depends on shapes alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.kernels.bad_models import SAME, VALID, Array, Network
from tests.kernels.model_builder import Builder

QUICKNETS = {
    "QuickNetSmall": ((32, 64, 256, 512), (4, 4, 4, 4)),
    "QuickNet": ((64, 128, 256, 512), (4, 4, 4, 4)),
    "QuickNetLarge": ((64, 128, 256, 512), (6, 8, 12, 6)),
}
"""Channels and blocks of each section, as larq-zoo has them."""
_IMAGE, _CLASSES = 224, 1000


@dataclass
class _QuickNet(Network):
    def numbers(self, *shape: int) -> Array:
        """No f16 holds them, as is so of trained weights: else plans would have half of their bytes."""
        return super().numbers(*shape) * np.float32(1.1)

    def stem_of_quarter(self) -> None:
        self.x = self.b.input((1, _IMAGE, _IMAGE, 3))
        self.convolution(self.channels // 4, 3, 2)
        self._depthwise(self.channels // 4)
        self.convolution(self.channels, 1, 1)

    def block(self) -> None:
        self.add(self.binary(self.signs()))

    def transition(self, channels: int) -> None:
        """To half the size: pool, blur, and a pointwise convolution to more channels."""
        smaller = self.new((1, self.size - 1, self.size - 1, self.channels))
        options = {"padding": VALID, "stride_h": 1, "stride_w": 1, "filter_height": 2, "filter_width": 2}
        self.x = self.b.op("MAX_POOL_2D", [self.x], smaller, "Pool2DOptions", **options)
        self.size //= 2
        self._depthwise(self.channels)
        self.channels = channels
        self.convolution(channels, 1, 1)

    def head(self) -> int:
        options = {"padding": VALID, "filter_height": self.size, "filter_width": self.size}
        options |= {"stride_h": self.size, "stride_w": self.size}
        mean = self.new((1, 1, 1, self.channels))
        pooled = self.b.op("AVERAGE_POOL_2D", [self.x], mean, "Pool2DOptions", **options)
        weights = [self.b.constant(self.numbers(_CLASSES, self.channels)), self.b.constant(self.numbers(_CLASSES))]
        scores = self.new((1, _CLASSES))
        self.b.op("FULLY_CONNECTED", [pooled, *weights], scores, "FullyConnectedOptions")
        return self.b.op("SOFTMAX", [scores], self.new((1, _CLASSES)), "SoftmaxOptions", beta=1.0)

    def _depthwise(self, channels: int) -> None:
        """3 x 3, to half the size rounded up."""
        weights = [self.b.constant(self.numbers(1, 3, 3, channels)), self.b.constant(self.numbers(channels))]
        size = -(-self.b.tensors[self.x]["shape"][1] // 2)
        options = {"padding": SAME, "stride_h": 2, "stride_w": 2, "depth_multiplier": 1}
        out = self.new((1, size, size, channels))
        self.x = self.b.op("DEPTHWISE_CONV_2D", [self.x, *weights], out, "DepthwiseConv2DOptions", **options)


def quicknet(name: str) -> tuple[Builder, int]:
    """The model of a row of `QUICKNETS`, and the number of its output."""
    channels, blocks = QUICKNETS[name]
    made = _QuickNet(channels=channels[0], size=_IMAGE // 4)
    made.stem_of_quarter()
    for section, count in enumerate(blocks):
        if section:
            made.transition(channels[section])
        for _ in range(count):
            made.block()
    return made.b, made.head()
