"""Rules about ops that would not be there, or would be part of another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..graph import Node
from ..operations import BinaryConv2d, BitDequantize, BitQuantize, Dequantize, Elementwise, Pool2d, Quantize, Unary
from .finding import Place
from .subject import Subject

_PAIRS: tuple[tuple[type, type, str], ...] = (
    (BitDequantize, BitQuantize, "signs are unpacked to numbers, and packed again"),
    (Dequantize, Quantize, "int8 becomes float32, and int8 again"),
    (Quantize, Dequantize, "float32 is rounded to int8, and becomes float32 again"),
)


def quantize_pairs(subject: Subject) -> Iterator[Place]:
    """An op and its inverse with nothing between them; the first is only in the way if nothing else reads it."""
    for first, second, detail in _PAIRS:
        for node in subject.of_kind(first):
            if first is Quantize and node.inputs[0].dtype != "f32":
                continue
            readers = subject.readers(node.output)
            inverse = [reader for reader in readers if isinstance(reader.operation, second)]
            if inverse:
                is_alone = len(inverse) == len(readers) and not subject.is_output(node.output)
                gone = [node, *inverse] if is_alone else inverse
                text = f"with op {', '.join(str(reader.index) for reader in inverse)} ({inverse[0].op}): {detail}"
                yield Place(node.index, node.op, text, subject.cost_without(gone))


def zero_padding(subject: Subject) -> Iterator[Place]:
    """Zero-padded binary convolutions: a base for each pixel, and ops that converters do not fuse into them."""
    for node in subject.of_kind(BinaryConv2d):
        operation = node.operation
        assert isinstance(operation, BinaryConv2d)
        if operation.spec.pad_value != 0 or not _has_border(node, operation):
            continue
        n, h, w, _ = node.output.shape
        border = n * h * w * _BORDER_BYTES * subject.rates.near_byte
        behind = [each for each in _behind(subject, node) if not isinstance(each.operation, Pool2d)]
        names = ", ".join(f"op {each.index} ({each.op})" for each in behind)
        detail = f"{h}x{w} pixels" + (f"; not fused for this reason: {names}" if behind else "")
        yield Place(node.index, node.op, detail, border + subject.cost_without(behind))


_BORDER_BYTES = 64
"""What finding the base of one pixel reads in the first cache: the kind of its border, and a row of its own."""


def unfused_ops(subject: Subject) -> Iterator[Place]:
    """MUL and ADD of constants and activations behind a binary convolution that could have had them as its own."""
    for node in subject.of_kind(BinaryConv2d):
        operation = node.operation
        assert isinstance(operation, BinaryConv2d)
        if operation.spec.pad_value == 0 and _has_border(node, operation):
            continue  # this is what zero_padding says
        for behind, others in _branches(subject, node):
            ops = [each for each in behind if not isinstance(each.operation, Pool2d)]
            if ops:
                names = ", ".join(f"op {each.index} ({each.op})" for each in ops)
                why = (
                    f"op {others[0].index} ({others[0].op}) reads the convolution too" if others else _why(behind, ops)
                )
                yield Place(node.index, node.op, f"{names}: {why}", subject.cost_without(ops))


def _branches(subject: Subject, node: Node) -> Iterator[tuple[list[Node], list[Node]]]:
    """What could be fused with a convolution, and who else reads it: where there are others, of each reader."""
    readers = subject.readers(node.output)
    if len(readers) < 2:
        yield _behind(subject, node), []
        return
    for reader in readers:
        if _can_be_fused(reader) and not isinstance(reader.operation, Pool2d):
            yield [reader, *_behind(subject, reader)], [other for other in readers if other is not reader]


def _why(behind: Sequence[Node], ops: Sequence[Node]) -> str:
    pools = [each for each in behind if isinstance(each.operation, Pool2d)]
    if pools and behind.index(pools[0]) < behind.index(ops[0]):
        return f"behind op {pools[0].index} ({pools[0].op}), and not in front of it"
    if isinstance(ops[0].operation, Unary) and len(ops) > 1:
        return "the activation comes before the batch normalization"
    if any(not _is_per_channel(each) for each in ops):
        return "its constant is not one number for each channel"
    return "nothing in the file prevents it"


def _behind(subject: Subject, node: Node) -> list[Node]:
    """The constants' MUL and ADD, activations and max pools that each read only the one before; ends in no pool."""
    found: list[Node] = []
    while (node := subject.only_reader(node)) is not None and _can_be_fused(node):  # type: ignore[assignment]
        found.append(node)
    while found and isinstance(found[-1].operation, Pool2d):
        found.pop()
    return found


def _can_be_fused(node: Node) -> bool:
    match node.operation:
        case Elementwise(kind="add" | "sub" | "mul"):
            return node.output.dtype == "f32" and any(tensor.data is not None for tensor in node.inputs)
        case Unary(kind="clamp") | Pool2d(kind="max"):
            return node.output.dtype == "f32"
        case _:
            return False


def _is_per_channel(node: Node) -> bool:
    constants = [tensor for tensor in node.inputs if tensor.data is not None]
    return all(each.data is not None and each.data.size in (1, each.shape[-1]) for each in constants if each.shape)


def _has_border(node: Node, operation: BinaryConv2d) -> bool:
    """Whether any tap lies outside the image."""
    window, (_, in_h, in_w, _), (_, h, w, _) = operation.window, node.inputs[0].shape, node.output.shape
    reach = (
        (h - 1) * window.sh + (window.kh - 1) * window.dh + 1,
        (w - 1) * window.sw + (window.kw - 1) * window.dw + 1,
    )
    return window.pad_top > 0 or window.pad_left > 0 or reach[0] > in_h or reach[1] > in_w
