"""The binary convolutions of an ONNX model as kernel cases with their real weights."""

from __future__ import annotations

from dataclasses import replace

from ...ops import BConv2d
from ..binary_layers import BinaryLayer
from ..model import ModelFile
from ..operations import BinaryConv2d
from .importer import import_onnx
from .values import NO_PADDING


def onnx_layers(model: ModelFile) -> list[BinaryLayer]:
    """Every one, in the order of the graph. Raises ModelError."""
    found = []
    for node in import_onnx(model).nodes:
        match node.operation:
            case BinaryConv2d() as operation:
                spec, note = _as_a_case(operation)
                layer = BinaryLayer(
                    index=node.index,
                    name=f"op{node.index} {spec.name}",
                    tensor=node.output.name,
                    spec=spec,
                    filter=operation.filter,
                    multiplier=operation.multiplier,
                    bias=operation.bias,
                    threshold=operation.threshold,
                    note=note,
                )
                found.append(layer)
    return found


def _as_a_case(operation: BinaryConv2d) -> tuple[BConv2d, str]:
    """Kernel cases know SAME and VALID; of another padding, the image is taken with it."""
    spec, padding = operation.spec, operation.padding
    if padding is None:
        return spec, ""
    if padding == NO_PADDING:
        return replace(spec, pad="valid"), ""
    above, below, left, right = padding
    same = replace(spec, pad="same")
    out_h = (spec.h + above + below - (spec.kh - 1) * spec.dh - 1) // spec.sh + 1
    out_w = (spec.w + left + right - (spec.kw - 1) * spec.dw - 1) // spec.sw + 1
    if (same.out_h, same.out_w, same.pad_top, same.pad_left) == (out_h, out_w, above, left):
        return same, ""
    whole = replace(spec, pad="valid", h=spec.h + above + below, w=spec.w + left + right)
    return whole, "its image is measured with the padding in it"
