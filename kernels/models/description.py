"""What a model consists of: a row per op and the totals, for `bnnbench model info`.

Multiply-accumulates are counted from weights and outputs: every tap, also one on padding; what has no weights (pools,
elementwise ops, scales of binary convolutions) counts none. For BiRealNet, RealToBinaryNet and BinaryDenseNet28 both
counts are those that Larq publishes. For QuickNets the 1-bit count is, and the 32-bit count is larger by exactly the
fixed 3x3 blur filters with stride 2 before the second and later sections: Larq's count leaves out that layer, but the
device computes it, so it counts here (QuickNetSmall: 9 * (28^2 * 32 + 14^2 * 64 + 7^2 * 256) = 451,584).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import prod

from ..errors import Missing, ModelError, NotImported
from .graph import Graph, Tensor
from .model import ModelFile, Op, TensorRef
from .operations import Reshape

_FILTER = 1
"""Operand of an LceBconv2d that holds bits."""


_WEIGHTS = frozenset({"float32", "float16", "bfloat16", "float64", "int8", "uint8", "int4"})
"""Types that only weights have; shapes and axes are of wider integers, and those are weights when they have a scale."""


@dataclass(frozen=True, slots=True)
class ConstantBytes:
    """Bytes of constants by what they are; `bits` are filters of binary convolutions."""

    bits: int = 0
    float32: int = 0
    float16: int = 0
    int8: int = 0
    int4: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        return sum(self.by_kind().values())

    def by_kind(self) -> dict[str, int]:
        """The same with the kinds as keys."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the model. `scales` has one number, or one for each slice along `axis`, or none.

    `open_axes` are those whose size the file leaves open, and `signature_name` is its name in the first signature.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int | None = None
    open_axes: tuple[int, ...] = ()
    signature_name: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A subgraph and how many ops it has; only the first one is run."""

    name: str
    signatures: tuple[str, ...]
    ops: int
    is_run: bool


@dataclass(frozen=True, slots=True)
class OpRow:
    """One op in words and numbers.

    MACs count every tap, also one on padding; `macs_32bit` holds all that are not binary, int8 ones too.
    `parameters_1bit` are binary weights, `parameters_other` all other weights and biases, whatever their type.
    """

    index: int
    subgraph: int
    op: str
    inputs: str
    outputs: str
    options: str
    macs_1bit: int
    macs_32bit: int
    parameter_bytes: int
    parameters_1bit: int
    parameters_other: int


@dataclass(frozen=True, slots=True)
class Description:
    """Rows and totals. A constant that several ops or tensors share is counted once. Multiply-accumulates are those of
    the first subgraph, which is the one that is run.

    `peak_bytes`: the largest sum of tensors that are needed at one time, of the model as it stands and batch 1; None
    when the model cannot be imported, for the reason in `peak_unknown`; `missing` lists all that keeps it from being.
    """

    rows: tuple[OpRow, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    subgraphs: tuple[Part, ...]
    macs_1bit: int
    macs_32bit: int
    parameter_bytes: int
    parameters_1bit: int
    parameters_other: int
    bytes_by_kind: ConstantBytes
    peak_bytes: int | None
    peak_unknown: str
    missing: tuple[Missing, ...] = ()


def describe(model: ModelFile) -> Description:
    """Every op of a model with its multiply-accumulates and constants, and the totals."""
    rows = tuple(_row(op) for op in model.ops)
    constants: dict[int, tuple[Op, int, TensorRef]] = {}
    for op in model.ops:
        for position, tensor in enumerate(op.inputs):
            if tensor is not None and tensor.data is not None:
                constants.setdefault(tensor.buffer, (op, position, tensor))
    counted = [_parameters(*constant) for constant in constants.values()]
    kinds = ConstantBytes().by_kind()
    for op, position, tensor in constants.values():
        kinds[_kind(op, position, tensor)] += _bytes(tensor)
    peak, reason, missing = _peak(model)
    ops = Counter(op.subgraph for op in model.ops)
    return Description(
        rows=rows,
        inputs=_ports(model.inputs, model.signature_inputs),
        outputs=_ports(model.outputs, model.signature_outputs),
        subgraphs=tuple(
            Part(subgraph.name, subgraph.signatures, ops[place], is_run=place == 0)
            for place, subgraph in enumerate(model.subgraphs)
        ),
        macs_1bit=sum(row.macs_1bit for row in rows if row.subgraph == 0),
        macs_32bit=sum(row.macs_32bit for row in rows if row.subgraph == 0),
        parameter_bytes=sum(kinds.values()),
        parameters_1bit=sum(bits for bits, _ in counted),
        parameters_other=sum(other for _, other in counted),
        bytes_by_kind=ConstantBytes(**kinds),
        peak_bytes=peak,
        peak_unknown=reason,
        missing=missing,
    )


def peak_live_bytes(graph: Graph) -> int:
    """The largest sum of tensors that are needed at one time: an op's operands and result, and all used later.

    A `Reshape` shares the bytes of its operand; constants are not counted.
    """
    stored: dict[Tensor, Tensor] = {}
    last_use: dict[Tensor, int] = {}
    for place, node in enumerate(graph.nodes):
        if isinstance(node.operation, Reshape):
            stored[node.output] = stored.get(node.inputs[0], node.inputs[0])
        for tensor in (*node.inputs, node.output):
            last_use[stored.get(tensor, tensor)] = place
    last_use |= {stored.get(tensor, tensor): len(graph.nodes) for tensor in graph.outputs}
    live = set(graph.inputs)
    total = peak = sum(tensor.bytes for tensor in live)
    ends: dict[int, list[Tensor]] = {}
    for tensor, place in last_use.items():
        ends.setdefault(place, []).append(tensor)
    for place, node in enumerate(graph.nodes):
        if node.output not in stored:
            live.add(node.output)
            total += node.output.bytes
        peak = max(peak, total)
        for tensor in ends.get(place, ()):
            if tensor in live:
                live.remove(tensor)
                total -= tensor.bytes
    return peak


def _peak(model: ModelFile) -> tuple[int | None, str, tuple[Missing, ...]]:
    from .importer import import_model

    try:
        return peak_live_bytes(import_model(model)), "", ()
    except ModelError as error:
        return None, str(error), error.missing if isinstance(error, NotImported) else ()


def _row(op: Op) -> OpRow:
    macs = _macs(op)
    binary = op.name == "LceBconv2d"
    counted = [_parameters(op, position, tensor) for position, tensor in enumerate(op.inputs) if tensor is not None]
    return OpRow(
        index=op.index,
        subgraph=op.subgraph,
        op=op.name,
        inputs=", ".join(map(_text, op.inputs)),
        outputs=", ".join(map(_text, op.outputs)),
        options=" ".join(f"{key}={value}" for key, value in op.options.items()),
        macs_1bit=macs if binary else 0,
        macs_32bit=0 if binary else macs,
        parameter_bytes=sum(_bytes(tensor) for tensor in op.inputs if tensor is not None),
        parameters_1bit=sum(bits for bits, _ in counted),
        parameters_other=sum(other for _, other in counted),
    )


def _macs(op: Op) -> int:
    weights, out = op.input(1), op.output(0)
    if weights is None or out is None or min((*weights.shape, *out.shape), default=0) < 0:
        return 0
    match op.name, weights.shape:
        case "CONV_2D", (_, kernel_h, kernel_w, depth):
            return out.elements * kernel_h * kernel_w * depth
        case "LceBconv2d", (_, kernel_h, kernel_w, _):
            if len(out.shape) != 4:
                return 0
            # A packed output has words where a float one has channels, so count pixels by filters.
            pixels = out.shape[0] * out.shape[1] * out.shape[2]
            return pixels * weights.shape[0] * kernel_h * kernel_w * _group_channels(op)
        case "DEPTHWISE_CONV_2D", (_, kernel_h, kernel_w, _):
            return out.elements * kernel_h * kernel_w
        case "FULLY_CONNECTED", (_, depth):
            return out.elements * depth
        case _:
            return 0


def _group_channels(op: Op) -> int:
    """Input channels of one group of an LceBconv2d, 0 when they cannot be known."""
    x, weights, channels = op.input(0), op.input(_FILTER), op.options.get("channels_in")
    if x is None or weights is None or len(x.shape) != 4 or len(weights.shape) != 4 or not isinstance(channels, int):
        return 0
    return channels // max(x.shape[3] // max(weights.shape[3], 1), 1)


def _parameters(op: Op, position: int, tensor: TensorRef) -> tuple[int, int]:
    """1-bit weights and other numbers in a constant; shapes, axes and the like are no parameters."""
    if tensor.data is None:
        return 0, 0
    kind = _kind(op, position, tensor)
    if kind == "bits":
        return prod(tensor.shape[:3]) * _group_channels(op), 0
    is_other = op.name == "LceBconv2d" or (position == 2 and _macs(op) > 0)  # thresholds, biases without a scale
    weighs = tensor.dtype in _WEIGHTS or tensor.quantization is not None or is_other
    return 0, tensor.elements if weighs and min(tensor.shape, default=0) >= 0 else 0


def _kind(op: Op, position: int, tensor: TensorRef) -> str:
    if op.name == "LceBconv2d" and position == _FILTER:
        return "bits"
    return tensor.dtype if tensor.dtype in ("float32", "float16", "int8", "int4") else "other"


def _ports(tensors: Sequence[TensorRef], names: Sequence[str]) -> tuple[Port, ...]:
    names = names or ("",) * len(tensors)
    return tuple(_port(tensor, name) for tensor, name in zip(tensors, names, strict=True))


def _port(tensor: TensorRef, name: str) -> Port:
    stored = tensor.quantization
    scales = () if stored is None else tuple(map(float, stored.scales))
    return Port(
        tensor.name,
        tensor.dtype,
        tensor.shape,
        scales,
        zero_points=() if stored is None else tuple(map(int, stored.zero_points)),
        axis=stored.axis if stored is not None and len(scales) > 1 else None,
        open_axes=tensor.open_axes,
        signature_name=name,
    )


def _bytes(tensor: TensorRef) -> int:
    return 0 if tensor.data is None else tensor.data.nbytes


def _text(tensor: TensorRef | None) -> str:
    return "-" if tensor is None else f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]"
