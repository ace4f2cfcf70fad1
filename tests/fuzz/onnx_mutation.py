"""Damaged `.onnx` files: bytes that went wrong, and messages that are still protobuf but make no sense."""

from __future__ import annotations

import random
import struct
from collections.abc import MutableSequence
from typing import Any

from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

SIZES = (0, 1, -1, 2, 3, 7, 8, 31, 64, 255, 65536, 2**20, 2**24, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, -(2**63))
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, -3e38, float("inf"), float("-inf"), float("nan"))
_TEXTS = ("", "x", "y", "NCHW", "SAME_UPPER", "VALID", "linear", "../x", "\0", "a" * 3000, "\u202e", "constant_0")
_MOST_LEAVES = 4000


def mutated(content: bytes, seed: int) -> bytes:
    """A file with a few things changed: its bytes, fields of its messages, or the graph that they describe."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, no secret
    kind = dice.random()
    if kind < 0.35:
        return _bytes(content, dice)
    model = ModelProto()
    model.ParseFromString(content)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 5))):
        if dice.random() < 0.4:
            _field(model, dice)
        else:
            dice.choice(_STRUCTURED)(model.graph, dice)
    try:
        found: bytes = model.SerializeToString()
    except (DecodeError, ValueError):
        return _bytes(content, dice)
    return _bytes(found, dice) if kind > 0.95 else found


def _bytes(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 16))):
        place = dice.randrange(len(data)) if data else 0
        match dice.randrange(7):
            case 0 | 1 if data:
                data[place] ^= 1 << dice.randrange(8)
            case 2 if data:
                data[place] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
            case 3:
                del data[place : place + dice.choice((1, 2, 8, 100))]
            case 4:
                data[place:place] = dice.randbytes(dice.choice((1, 2, 8, 100)))
            case 5:
                start = dice.randrange(len(data) + 1)
                data[place:place] = data[start : start + dice.choice((4, 16, 200))]
            case _:
                if dice.random() < 0.2:
                    del data[place:]
    return bytes(data)


def _field(model: ModelProto, dice: random.Random) -> None:
    """Any scalar of any message, or a message of a list taken away or put twice."""
    leaves: list[tuple[Message, Any, int | None]] = []
    _leaves(model, leaves)
    message, field, place = dice.choice(leaves)
    value = _other(field, dice, getattr(message, field.name) if place is None else getattr(message, field.name)[place])
    if value is None:
        return
    if place is None:
        setattr(message, field.name, value)
    else:
        getattr(message, field.name)[place] = value


def _leaves(message: Message, found: list[tuple[Message, Any, int | None]]) -> None:
    for field, value in message.ListFields():
        if len(found) > _MOST_LEAVES:
            return
        is_message = field.message_type is not None
        values = list(value[:16]) if hasattr(value, "append") or hasattr(value, "add") else None
        if is_message:
            for inner in [value] if values is None else values:
                _leaves(inner, found)
        elif values is None:
            found.append((message, field, None))
        else:
            found.extend((message, field, place) for place in range(len(values)))


def _other(field: Any, dice: random.Random, old: Any) -> Any:
    """Another value of a field's type; None where it has none that fits."""
    if field.enum_type is not None:
        return dice.choice(field.enum_type.values).number
    match old:
        case bool():
            return not old
        case int():
            wide = field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64)
            low, high = (-(2**63), 2**63 - 1) if wide else (-(2**31), 2**31 - 1)
            if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
                low = 0
            return min(max(dice.choice((dice.choice(SIZES), old + 1, old - 1, -old, old * 2)), low), high)
        case float():
            return dice.choice(_FLOATS)
        case str():
            return dice.choice((dice.choice(_TEXTS), old[::-1], old + "_"))
        case bytes():
            return _bytes(old, dice)
    return None


def _names(graph: GraphProto) -> list[str]:
    return [name for node in graph.node for name in (*node.input, *node.output)] + ["", "missing", "x"]


def _node(graph: GraphProto, dice: random.Random) -> NodeProto:
    return dice.choice(graph.node) if graph.node else graph.node.add()


def _operand(graph: GraphProto, dice: random.Random) -> None:
    """Another operand: one that is missing, that comes later (a cycle), or the node's own result."""
    _renamed(_node(graph, dice).input, graph, dice)


def _result(graph: GraphProto, dice: random.Random) -> None:
    _renamed(_node(graph, dice).output, graph, dice)


def _renamed(names: MutableSequence[str], graph: GraphProto, dice: random.Random) -> None:
    """One of the names is another, is missing, or is one more."""
    if names and dice.random() < 0.8:
        names[dice.randrange(len(names))] = dice.choice(_names(graph))
    elif names and dice.random() < 0.5:
        names.pop()
    else:
        names.append(dice.choice(_names(graph)))


def _op(graph: GraphProto, dice: random.Random) -> None:
    """Another op with the same operands and attributes."""
    from bnnbench.kernels.models.onnx_importer.folding import FOLDERS
    from bnnbench.kernels.models.onnx_importer.importer import CONVERTERS

    _node(graph, dice).op_type = dice.choice(sorted(CONVERTERS.keys() | FOLDERS.keys()))


def _order(graph: GraphProto, dice: random.Random) -> None:
    """Nodes twice, missing, or in another order."""
    nodes = list(graph.node)
    if not nodes:
        return
    match dice.randrange(3):
        case 0:
            nodes.append(dice.choice(nodes))
        case 1:
            nodes.remove(dice.choice(nodes))
        case _:
            dice.shuffle(nodes)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _attribute(graph: GraphProto, dice: random.Random) -> None:
    """Numbers of an attribute, its type, or that of another node."""
    node = _node(graph, dice)
    attributes = [attribute for one in graph.node for attribute in one.attribute]
    if not attributes:
        return
    if not node.attribute or dice.random() < 0.2:
        node.attribute.append(dice.choice(attributes))
        return
    attribute = dice.choice(node.attribute)
    match dice.randrange(6):
        case 0:
            node.attribute.remove(attribute)
        case 1:
            attribute.type = dice.choice((1, 2, 3, 4, 6, 7))
        case 2:
            attribute.i, attribute.f = dice.choice(SIZES) % 2**63, dice.choice(_FLOATS)
        case 3 if attribute.ints:
            attribute.ints[dice.randrange(len(attribute.ints))] = dice.choice(SIZES) % 2**63
        case 4:
            attribute.ints.append(dice.choice(SIZES) % 2**63)
        case _:
            del attribute.ints[dice.randrange(len(attribute.ints) + 1) :]


def _constant(graph: GraphProto, dice: random.Random) -> None:
    """A constant of another shape, type or place, or with extreme numbers in it."""
    if not graph.initializer:
        return
    tensor: TensorProto = dice.choice(graph.initializer)
    match dice.randrange(7):
        case 0 if tensor.dims:
            tensor.dims[dice.randrange(len(tensor.dims))] = dice.choice(SIZES)
        case 1:
            tensor.dims.append(dice.choice((1, 1, *SIZES)))
        case 2 if len(tensor.dims) > 1:
            sizes = list(tensor.dims)
            dice.shuffle(sizes)
            tensor.dims[:] = sizes
        case 3:
            tensor.data_type = dice.randrange(20)
        case 4:
            tensor.data_location = TensorProto.EXTERNAL
            entry = tensor.external_data.add()
            entry.key, entry.value = dice.choice((("location", "../x"), ("location", "x"), ("length", "-1")))
        case _:
            _numbers(tensor, dice)


def _numbers(tensor: TensorProto, dice: random.Random) -> None:
    data = bytearray(tensor.raw_data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        if tensor.data_type == TensorProto.INT64 and len(data) >= 8:
            struct.pack_into("<q", data, dice.randrange(len(data) // 8) * 8, max(dice.choice(SIZES), -(2**63)))
        elif tensor.data_type == TensorProto.FLOAT and len(data) >= 4:
            struct.pack_into("<f", data, dice.randrange(len(data) // 4) * 4, dice.choice(_FLOATS))
    tensor.raw_data = bytes(data)


def _port(graph: GraphProto, dice: random.Random) -> None:
    """The input's or output's name, type or sizes."""
    ports = [*graph.input, *graph.output]
    if not ports:
        return
    port = dice.choice(ports)
    sizes = port.type.tensor_type.shape.dim
    match dice.randrange(5):
        case 0 | 1 if sizes:
            dice.choice(sizes).dim_value = dice.choice(SIZES)
        case 2:
            sizes.add().dim_value = dice.choice(SIZES)
        case 3:
            port.name = dice.choice(_names(graph))
        case _:
            port.type.tensor_type.elem_type = dice.randrange(20)


_STRUCTURED = (_operand, _operand, _result, _op, _op, _order, _attribute, _attribute, _constant, _constant, _port)
