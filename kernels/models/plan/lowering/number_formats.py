"""Changes of number format to steps."""

from __future__ import annotations

from ...graph import Node, Tensor
from ...int8_tables import rescale_table, shift_table
from ...onnx_quantization import table as onnx_table
from ...operations import BitDequantize, BitQuantize, Clamp, Dequantize, Quantize
from ..steps import Stage
from .lowered import Lowered
from .shared import scale_of, store, store_any


def bit_quantize(low: Lowered, node: Node, operation: BitQuantize) -> None:
    x = node.inputs[0]
    if x.dtype == "i8":
        return low.direct(node, "pack", x, node.output)
    low.read(node, x, [Stage("store_bits", (node.output,))])
    return None


def bit_dequantize(low: Lowered, node: Node, operation: BitDequantize) -> None:
    x = node.inputs[0]
    low.stream(node, "unpack", (x,), x.shape[-1], [store_any(node.output)])


def quantize(low: Lowered, node: Node, operation: Quantize) -> None:
    x, out = node.inputs[0], node.output
    if x.dtype == "f32":
        stored = _as_int8(out)
        low.read(node, x, [store_any(stored)])
        if stored is not out:
            low.direct(node, "table_i8", stored, out, shift_table(stored, out))
        return
    if out.in_floats:
        values = onnx_table("rescale", Clamp(), (scale_of(x), x.zero_point), (scale_of(out), out.zero_point))
    else:
        values = rescale_table(x, out)
    low.direct(node, "table_i8", x, out, values)


def dequantize(low: Lowered, node: Node, operation: Dequantize) -> None:
    x, stored = node.inputs[0], _as_int8(node.inputs[0])
    if stored is not x:
        low.direct(node, "table_i8", x, stored, shift_table(x, stored))
    low.read(node, stored, [store(node.output)])


def _as_int8(tensor: Tensor) -> Tensor:
    """A uint8 tensor as int8 that stands for the same numbers; any other as it is."""
    if tensor.dtype != "u8":
        return tensor
    return Tensor(f"{tensor.name} as int8", tensor.shape, "i8", tensor.scale, tensor.zero_point - 128)
