"""Weights as the kernels read them: output channels innermost, so that one activation word meets many."""

from __future__ import annotations

from typing import Any


def transpose(weights: Any, out: Any) -> None:
    """u32[channels, words] to u32[words, channels]; done once at load, never timed."""
    for word in range(weights.shape[1]):
        for channel in range(weights.shape[0]):
            out[word, channel] = weights[channel, word]
