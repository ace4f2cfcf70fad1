"""What a model consists of: a row per op and the totals, for `bnnbench model info`."""

from __future__ import annotations

from dataclasses import dataclass

from .model import ModelFile, Op, TensorRef


@dataclass(frozen=True, slots=True)
class OpRow:
    """One op in words and numbers.

    MACs count every tap, also one on padding; `macs_32bit` holds all that are not binary, int8 ones too.
    """

    index: int
    op: str
    inputs: str
    outputs: str
    options: str
    macs_1bit: int
    macs_32bit: int
    parameter_bytes: int


@dataclass(frozen=True, slots=True)
class Description:
    """Rows and totals. `parameter_bytes` counts a constant that several ops share once."""

    rows: tuple[OpRow, ...]
    macs_1bit: int
    macs_32bit: int
    parameter_bytes: int


def describe(model: ModelFile) -> Description:
    """Every op of a model with its multiply-accumulates and the bytes of its constants."""
    rows = tuple(_row(op) for op in model.ops)
    constants = {
        (op.subgraph, tensor.index): _bytes(tensor) for op in model.ops for tensor in op.inputs if tensor is not None
    }
    return Description(
        rows=rows,
        macs_1bit=sum(row.macs_1bit for row in rows),
        macs_32bit=sum(row.macs_32bit for row in rows),
        parameter_bytes=sum(constants.values()),
    )


def _row(op: Op) -> OpRow:
    macs = _macs(op)
    binary = op.name == "LceBconv2d"
    return OpRow(
        index=op.index,
        op=op.name,
        inputs=", ".join(map(_text, op.inputs)),
        outputs=", ".join(map(_text, op.outputs)),
        options=" ".join(f"{key}={value}" for key, value in op.options.items()),
        macs_1bit=macs if binary else 0,
        macs_32bit=0 if binary else macs,
        parameter_bytes=sum(_bytes(tensor) for tensor in op.inputs if tensor is not None),
    )


def _macs(op: Op) -> int:
    weights, out = op.input(1), op.output(0)
    if weights is None or out is None or min((*weights.shape, *out.shape), default=0) < 0:
        return 0
    match op.name, weights.shape:
        case "CONV_2D", (_, kernel_h, kernel_w, depth):
            return out.elements * kernel_h * kernel_w * depth
        case "LceBconv2d", (_, kernel_h, kernel_w, depth):
            x = op.input(0)
            channels = op.options.get("channels_in")
            if x is None or len(x.shape) != 4 or len(out.shape) != 4 or not isinstance(channels, int):
                return 0
            # A packed output has words where a float one has channels, so count pixels by filters.
            groups = max(x.shape[3] // max(depth, 1), 1)
            pixels = out.shape[0] * out.shape[1] * out.shape[2]
            return pixels * weights.shape[0] * kernel_h * kernel_w * channels // groups
        case "DEPTHWISE_CONV_2D", (_, kernel_h, kernel_w, _):
            return out.elements * kernel_h * kernel_w
        case "FULLY_CONNECTED", (_, depth):
            return out.elements * depth
        case _:
            return 0


def _bytes(tensor: TensorRef) -> int:
    return 0 if tensor.data is None else tensor.data.nbytes


def _text(tensor: TensorRef | None) -> str:
    return "-" if tensor is None else f"{tensor.dtype}[{','.join(map(str, tensor.shape))}]"
