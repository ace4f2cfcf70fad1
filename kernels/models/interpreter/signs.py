"""Signs that are too close to call: where a right engine may have another bit than the reference.

An engine that adds floats in another order may give a value within a rounding of zero the other sign, and everything
behind that bit differs. So whole models are compared with the other engine's bits taken over, but only where the
reference itself is unsure; a bit that differs elsewhere is an error of that engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...packing import pack, unpack
from ..graph import Graph
from ..operations import BitQuantize

Array = NDArray[Any]

UNSURE = 1e-5
"""Of a tensor's largest absolute value: a sign nearer to zero than this may be the other one in a right engine; where
errors of rounding grow, it is more (rounding.py)."""
_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SignFlips:
    """One tensor of bits against another engine's: how many differ where the reference is unsure, and elsewhere.

    `margins` of all of these, largest first: |value before the sign| / largest |value| of its tensor.
    """

    tensor: str
    unsure: int
    wrong: int
    margins: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SignMargin:
    """How close to zero the values before one LceQuantize come: the smallest margin, and how many are unsure."""

    tensor: str
    smallest: float
    unsure: int
    values: int


def sign_margins(
    graph: Graph, values: Mapping[str, Array], unsure: Mapping[str, float] = _NONE
) -> tuple[SignMargin, ...]:
    """Of every LceQuantize of floats, in graph order; `values` as `interpret(..., keep=True)` returns them; `unsure` of
    tensors by name, where it is not `UNSURE`.

    Signs of the model's own input are left out: no engine computes these values.
    """
    found = []
    for node in graph.nodes:
        (x, *_) = node.inputs
        if isinstance(node.operation, BitQuantize) and x.dtype == "f32" and x.name in values:
            margins = relative(values[x.name])
            count = int((margins <= unsure.get(x.name, UNSURE)).sum())
            found.append(SignMargin(node.output.name, float(margins.min()), count, margins.size))
    return tuple(found)


def with_bits(tensor: str, x: Array, own: Array, other: Array, within: float = UNSURE) -> tuple[Array, SignFlips]:
    """`own` bits of the signs of `x` with `other` bits where unsure, and what differs. int8 signs are always sure."""
    channels = x.shape[-1]
    differs = unpack(np.bitwise_xor(own, other), channels) < 0
    margins = relative(x)
    unsure = margins <= within if x.dtype == np.float32 else np.zeros(x.shape, bool)
    taken = differs & unsure
    swap = pack(np.where(taken, np.int8(-1), np.int8(1)))
    ordered = tuple(float(margin) for margin in np.sort(margins[differs])[::-1])
    return own ^ swap, SignFlips(tensor, int(taken.sum()), int((differs & ~unsure).sum()), ordered)


def with_steps(tensor: str, steps: Array, own: Array, other: Array, within: float = UNSURE) -> tuple[Array, SignFlips]:
    """`own` int8 of unrounded `steps` with `other` ones where these are too close to a half, and what differs."""
    margins = half_margins(steps)
    differs, near = own != other, np.abs(own.astype(np.int16) - other.astype(np.int16)) <= 1
    taken = differs & near & (margins <= within)
    ordered = tuple(float(margin) for margin in np.sort(margins[differs])[::-1])
    flips = SignFlips(tensor, int(taken.sum()), int((differs & ~taken).sum()), ordered)
    return np.where(taken, other, own).astype(own.dtype), flips


def half_margins(steps: Array) -> Array:
    """How far unrounded steps are from a half, by the largest of them."""
    steps = steps.astype(np.float64)
    return np.asarray(np.abs(np.abs(steps - np.trunc(steps)) - 0.5) / _largest(steps))


def exact_bits(tensor: str, channels: int, own: Array, other: Array) -> SignFlips:
    """Bits that no rounding decides (a threshold of counted bits, a maximum of signs): every difference is wrong."""
    return SignFlips(tensor, 0, int((unpack(np.bitwise_xor(own, other), channels) < 0).sum()))


def relative(x: Array) -> Array:
    """|x| by its largest finite value; 0 everywhere when all are 0. Of infinite values and NaN the sign is sure."""
    sizes = np.abs(x.astype(np.float64)) / _largest(x)
    return np.where(np.isfinite(sizes), sizes, np.inf)


def _largest(x: Array) -> float:
    """The largest finite |x|; 1 when there is none, or all are 0."""
    return float(np.abs(x[np.isfinite(x)].astype(np.float64)).max(initial=0.0)) or 1.0
