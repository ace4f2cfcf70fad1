"""Two graphs side by side: which ops belong together, what is not the same in them, and where their values part."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..packing import unpack
from .graph import Graph, Node, Tensor

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """Ops that do the same work in both models; one is None where only the other has it."""

    a: Node | None
    b: Node | None

    @property
    def status(self) -> str:
        """same, changed, removed (only in a) or added (only in b)."""
        if self.a is None or self.b is None:
            return "added" if self.a is None else "removed"
        return "changed" if self.changes else "same"

    @property
    def changes(self) -> tuple[str, ...]:
        """In what the ops of a pair differ: output, and the fields of the operation."""
        return () if self.a is None or self.b is None else _changes(self.a, self.b)


@dataclass(frozen=True, slots=True)
class Distance:
    """Between two tensors of one shape: the largest absolute difference of real values, this as a share of the largest
    absolute value of both (between bits: the share of signs that differ), and how many values differ."""

    largest: float
    relative: float
    differing: int
    values: int


def aligned(a: Graph, b: Graph) -> list[Pair]:
    """Every op of both, in their order.

    Ops belong together that have type, shape of the output and name in common; of what is left between them, those with
    type and shape; and then those with the type.
    """
    return _aligned(a.nodes, b.nodes, _KEYS)


def distance(of_a: Tensor, a: Array, of_b: Tensor, b: Array) -> Distance | None:
    """Between stored values of two tensors, as real numbers; None where shapes differ."""
    if of_a.shape != of_b.shape:
        return None
    x, y = real(of_a, a), real(of_b, b)
    if not x.size:
        return Distance(0.0, 0.0, 0, 0)
    with np.errstate(all="ignore"):
        gap = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
    gap = np.where(np.isnan(gap), np.inf, gap)
    largest = float(gap.max())
    scale = max((float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in (x, y)), default=0.0)
    relative = 0.0 if largest == 0 else largest / scale if scale else float("inf")
    differing = int((gap > 0).sum())
    if of_a.dtype == of_b.dtype == "bits":
        relative = differing / x.size
    return Distance(largest, relative, differing, x.size)


def real(tensor: Tensor, stored: Array) -> NDArray[np.float64]:
    """The numbers that stored values stand for: of bits +1 and -1."""
    if tensor.dtype == "bits":
        return unpack(stored, tensor.shape[-1]).astype(np.float64)
    values = stored.astype(np.float64)
    return values if tensor.scale is None else tensor.scale * (values - tensor.zero_point)


_Key = Callable[[Node], Hashable]
_KEYS: Sequence[_Key] = (
    lambda node: (node.op, node.output.shape, node.output.name),
    lambda node: (node.op, node.output.shape, _weights_shape(node)),
    lambda node: (node.op, node.output.shape),
    lambda node: node.op,
)


def _aligned(a: Sequence[Node], b: Sequence[Node], keys: Sequence[_Key]) -> list[Pair]:
    if not keys or not a or not b:
        return [*(Pair(node, None) for node in a), *(Pair(None, node) for node in b)]
    matcher = SequenceMatcher(None, [keys[0](node) for node in a], [keys[0](node) for node in b], autojunk=False)
    pairs: list[Pair] = []
    for tag, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        if tag == "equal":
            pairs += [Pair(x, y) for x, y in zip(a[a_from:a_to], b[b_from:b_to], strict=True)]
        else:
            pairs += _aligned(a[a_from:a_to], b[b_from:b_to], keys[1:])
    return pairs


def _weights_shape(node: Node) -> tuple[int, ...] | None:
    weights = getattr(node.operation, "weights", getattr(node.operation, "filter", None))
    return None if weights is None else tuple(weights.shape)


def _changes(a: Node, b: Node) -> tuple[str, ...]:
    found = []
    for name in ("shape", "dtype", "scale", "zero_point"):
        if getattr(a.output, name) != getattr(b.output, name):
            found.append(f"output {name}")
    if type(a.operation) is not type(b.operation):
        return (*found, "kind")
    for field in fields(a.operation):
        x, y = getattr(a.operation, field.name), getattr(b.operation, field.name)
        if field.name == "spec":
            found += [inner.name for inner in fields(x) if getattr(x, inner.name) != getattr(y, inner.name)]
        elif not _equal(x, y):
            found.append(field.name)
    constants = [[tensor.data for tensor in node.inputs if tensor.data is not None] for node in (a, b)]
    if len(constants[0]) != len(constants[1]) or not all(map(_equal, *constants)):
        found.append("constants")
    return tuple(name.replace("_", " ") for name in found)


def _equal(x: object, y: object) -> bool:
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return np.array_equal(np.asarray(x), np.asarray(y)) if x is not None and y is not None else x is y
    return bool(x == y)


def distances(pairs: Sequence[Pair], a: Mapping[str, Array], b: Mapping[str, Array]) -> list[Distance | None]:
    """Of the outputs of each pair; `a` and `b` are values by name, as `interpret(..., keep=True)` returns them."""
    found: list[Distance | None] = []
    for pair in pairs:
        x, y = pair.a, pair.b
        if x is None or y is None or x.output.name not in a or y.output.name not in b:
            found.append(None)
        else:
            found.append(distance(x.output, a[x.output.name], y.output, b[y.output.name]))
    return found
