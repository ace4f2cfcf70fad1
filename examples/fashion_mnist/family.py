"""A family of small QuickNet-style networks for Fashion-MNIST, in Larq.

Float 3x3 stem of stride 2, stages of binary 3x3 residual blocks padded with ones, transitions of max-pooling and a
float 1x1 convolution, global average pooling, dense head. Bannink et al., "Larq Compute Engine" (2021), is where the
shape of the network comes from.
"""

from __future__ import annotations

from dataclasses import dataclass

import larq
import tensorflow as tf

CLASSES = 10
SIDE = 28
MEAN, STD = 0.2860, 0.3530  # of the training images, in [0, 1]


@dataclass(frozen=True)
class Network:
    """One member: `widths[i]` channels in stage i, which has `blocks[i]` binary layers."""

    name: str
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    epochs: int
    kind: str = "one-padded"
    """What the 3x3 layers of the stages are: "one-padded", "zero-padded" or "float"."""


FAMILY = {
    network.name: network
    for network in (
        Network("quicknet_xs", (16, 32), (2, 2), epochs=14),
        Network("quicknet_s", (16, 32, 64), (2, 2, 2), epochs=12),
        Network("quicknet_m", (32, 64, 96), (2, 3, 3), epochs=10),
        Network("quicknet_m_float", (32, 64, 96), (2, 3, 3), epochs=8, kind="float"),
        Network("quicknet_m_zero_padded", (32, 64, 96), (2, 3, 3), epochs=10, kind="zero-padded"),
        Network("quicknet_l", (32, 96, 160), (2, 3, 3), epochs=10),
        Network("quicknet_xl", (64, 128, 256), (1, 2, 3), epochs=6),
    )
}


def build(network: Network) -> tf.keras.Model:
    """Untrained. Input (N, 28, 28, 1) normalized by MEAN and STD, output (N, 10) class scores (logits)."""
    layers = tf.keras.layers
    image = layers.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(network.widths[0], 3, strides=2, padding="same", use_bias=False, kernel_initializer="he_normal")(
        image
    )
    x = _normalize(x)
    for stage, (width, blocks) in enumerate(zip(network.widths, network.blocks, strict=True)):
        if stage:
            x = layers.ReLU()(x)
            x = layers.MaxPool2D(2)(x)
            x = layers.Conv2D(width, 1, use_bias=False, kernel_initializer="he_normal")(x)
            x = _normalize(x)
        for _ in range(blocks):
            y = _convolution(network.kind, width)(x)
            x = layers.Add()([x, _normalize(y)])
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(image, layers.Dense(CLASSES)(x), name=network.name)


def _convolution(kind: str, width: int) -> tf.keras.layers.Layer:
    if kind == "float":
        return tf.keras.layers.Conv2D(
            width, 3, padding="same", activation="relu", use_bias=False, kernel_initializer="he_normal"
        )
    return larq.layers.QuantConv2D(
        width,
        3,
        padding="same",
        pad_values=1.0 if kind == "one-padded" else 0.0,
        activation="relu",
        use_bias=False,
        input_quantizer=larq.quantizers.SteSign(clip_value=1.25),
        kernel_quantizer=larq.quantizers.SteSign(clip_value=1.25),
        kernel_constraint=larq.constraints.WeightClip(clip_value=1.25),
        kernel_initializer="glorot_normal",
    )


def _normalize(x: tf.Tensor) -> tf.Tensor:
    return tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
