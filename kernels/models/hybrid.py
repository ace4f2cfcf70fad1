"""Convolutions and dense layers of floats with int8 weights: files with a dynamic range.

bnnbench takes such a file at its word: the weights stand for floats, and floats are computed with them. Interpreters of
TensorFlow Lite round the input of each such op to int8 when it runs; see `interpreter/hybrid_kernels.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .graph import Node
from .operations import Conv2d, Dense, DepthwiseConv2d

Weighted = Conv2d | DepthwiseConv2d | Dense
WEIGHTED = (Conv2d, DepthwiseConv2d, Dense)


def is_hybrid(node: Node) -> bool:
    """Whether it computes floats with int8 weights."""
    operation = node.operation
    return isinstance(operation, WEIGHTED) and node.inputs[0].dtype == "f32" and operation.weights.dtype == np.int8


def real_weights(operation: Weighted) -> NDArray[np.float32]:
    """Weights of floats, of the same shape: int8 ones times their scale, rounded once."""
    weights = operation.weights
    if weights.dtype != np.int8:
        return np.asarray(weights, np.float32)
    assert operation.weight_scales is not None
    return weights.astype(np.float32) * by_channel(operation)


def by_channel(operation: Weighted) -> NDArray[np.float32]:
    """The scales of weights, in a shape that broadcasts with them."""
    scales = np.asarray(operation.weight_scales, np.float32)
    last = isinstance(operation, DepthwiseConv2d)
    return scales if last else scales.reshape(-1, *[1] * (operation.weights.ndim - 1))
