"""Which ops of a model file the rows of a runtime's own profile are.

A delegate's operators have its own names and numbers. They run in the order of the file, so rows and ops are aligned
by their kinds; an op without a row was fused into a neighbour's, and a row without an op belongs to the op before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ELEMENTWISE = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")
_CLAMPS = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "MINIMUM", "MAXIMUM")
_SHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
KINDS: Mapping[str, tuple[str, ...]] = {
    "Convolution": ("CONV_2D", "DEPTHWISE_CONV_2D"),
    "Fully Connected": ("FULLY_CONNECTED", "CONV_2D"),
    "Batch Matrix Multiply": ("BATCH_MATMUL",),
    "Deconvolution": ("TRANSPOSE_CONV",),
    "Average Pooling": ("AVERAGE_POOL_2D", "MEAN"),
    "Max Pooling": ("MAX_POOL_2D",),
    "Global Average Pooling": ("MEAN", "AVERAGE_POOL_2D"),
    "Mean": ("MEAN",),
    "Sum": ("SUM",),
    "Static Reshape": _SHAPES,
    "Copy": _SHAPES,
    "Static Reduce": ("MEAN", "SUM"),
    "Static Mean": ("MEAN",),
    "Static Sum": ("SUM",),
    "Static Slice": ("SLICE", "STRIDED_SLICE", "SPLIT"),
    "Slice": ("SLICE", "STRIDED_SLICE", "SPLIT"),
    "Constant Pad": ("PAD", "PADV2", "MIRROR_PAD"),
    "Static Constant Pad": ("PAD", "PADV2"),
    "Concatenate": ("CONCATENATION",),
    "Softmax": ("SOFTMAX",),
    "Sigmoid": ("LOGISTIC",),
    "Hardswish": ("HARD_SWISH",),
    "HardSwish": ("HARD_SWISH",),
    "Tanh": ("TANH",),
    "PReLU": ("PRELU",),
    "Leaky ReLU": ("LEAKY_RELU",),
    "Clamp": _CLAMPS,
    "Convert": ("QUANTIZE", "DEQUANTIZE", "CAST"),
    "Transpose": ("TRANSPOSE",),
    "Static Transpose": ("TRANSPOSE",),
    "Resize Bilinear": ("RESIZE_BILINEAR",),
    "Add": _ELEMENTWISE,
    "Subtract": _ELEMENTWISE,
    "Multiply": _ELEMENTWISE,
    "Divide": _ELEMENTWISE,
    "Maximum": _ELEMENTWISE,
    "Minimum": _ELEMENTWISE,
}
"""What XNNPACK calls an operator -> the ops that it may be."""

_AHEAD = ("PAD", "PADV2", "QUANTIZE", "DEQUANTIZE")
"""Ops that are fused into the one behind them; others into the one before."""
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a runtime's profile: its words, and the op of the file if it says which."""

    name: str
    node: int | None = None


def ops_of_rows(rows: Sequence[Row], ops: Sequence[str]) -> list[tuple[int, ...]]:
    """The ops (by their places in `ops`, their names) that each row holds, every op once; a row without any belongs to
    the nearest row before it that has some. Where no row can be told apart, the first holds all."""
    if not rows:
        return []
    matched = _aligned(rows, ops) if len(rows) <= _MOST and len(ops) <= _MOST else {}
    owner: dict[int, int] = {op: row for row, op in matched.items()}
    taken = sorted(owner)
    for op, name in enumerate(ops):
        if op in owner:
            continue
        before = [owner[one] for one in taken if one < op][-1:]
        behind = [owner[one] for one in taken if one > op][:1]
        near = behind + before if name in _AHEAD else before + behind
        owner[op] = near[0] if near else 0
    held: list[list[int]] = [[] for _ in rows]
    for op in sorted(owner):
        held[owner[op]].append(op)
    return [tuple(places) for places in held]


def _aligned(rows: Sequence[Row], ops: Sequence[str]) -> dict[int, int]:
    """Row -> op, in order, as many as possible; of equally many, the earliest ops."""
    best = [[0] * (len(ops) + 1) for _ in range(len(rows) + 1)]
    for i in range(len(rows) - 1, -1, -1):
        for j in range(len(ops) - 1, -1, -1):
            together = 1 + best[i + 1][j + 1] if _may_be(rows[i], j, ops[j]) else 0
            best[i][j] = max(together, best[i + 1][j], best[i][j + 1])
    found, i, j = {}, 0, 0
    while i < len(rows) and j < len(ops):
        if _may_be(rows[i], j, ops[j]) and best[i][j] == 1 + best[i + 1][j + 1]:
            found[i] = j
            i, j = i + 1, j + 1
        elif best[i + 1][j] >= best[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _may_be(row: Row, place: int, op: str) -> bool:
    if row.node is not None:
        return row.node == place
    kind = row.name.partition(" (")[0]
    if "DWConv" in row.name:
        return op == "DEPTHWISE_CONV_2D"
    return op in KINDS.get(kind, ())
