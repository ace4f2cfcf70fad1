"""Which nodes of an ONNX file the rows of onnxruntime's profile are.

Nodes keep their names there, and `numbered_onnx` has made these their numbers. A convolution whose image is blocked,
or a batch norm that has become one, is called by the tensor that it makes, that of the last node which is fused into
it. What else was fused has no row, and is counted with the node that it reads or that reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..models.model import OnnxContent, OnnxNode

_NUMBER = re.compile(r"#([0-9]{1,6})#")
_BLOCKED = re.compile(r"(_bn)?_nchwc(_token_[0-9]+)?\Z")
_FUSED = (
    *("BatchNormalization", "Add", "Sub", "Mul", "Div", "QuantizeLinear", "Identity", "Flatten", "Reshape", "Squeeze"),
    *("Relu", "Clip", "LeakyRelu", "PRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Gelu"),
)
"""What may be fused into the node whose result it reads."""
_AHEAD = ("Conv", "ConvTranspose", "MatMul", "Gemm", "DequantizeLinear", "Pad", "Transpose")
"""What may only be fused into the node that reads its result."""


def numbered_onnx(content: bytes) -> bytes:
    """The same file with nodes that are called #NUMBER#, by their places: names may be missing, or there twice."""
    import onnx

    proto = onnx.ModelProto()
    proto.ParseFromString(content)
    for number, node in enumerate(proto.graph.node):
        node.name = f"#{number}#"
    changed: bytes = proto.SerializeToString()
    return changed


def nodes_of_rows(rows: Sequence[str], model: OnnxContent) -> list[tuple[int, ...]]:
    """The numbers of the nodes that each row holds, by the rows' names; every node at most once. Rows of what the
    runtime has added hold none, and nodes that are computed before the run (or in no row) are in none."""
    nodes = _computed(model)
    makers = {name: node.index for node in nodes for name in node.outputs if name}
    owner: dict[int, int] = {}
    for row, name in enumerate(rows):
        for number in _named(name, makers):
            owner.setdefault(number, row)
    for node in nodes:
        made = [makers[name] for name in node.inputs if name in makers]
        # Of a sum's operands, the one that is computed last.
        if node.index not in owner and node.op in _FUSED and made and all(number in owner for number in made):
            owner[node.index] = max(owner[number] for number in made)
    readers: dict[str, list[int]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.index)
    for node in reversed(nodes):
        ahead = [owner[reader] for name in node.outputs for reader in readers.get(name, ()) if reader in owner]
        if node.index not in owner and node.op in (*_AHEAD, *_FUSED) and ahead:
            owner[node.index] = ahead[0]
    held: list[list[int]] = [[] for _ in rows]
    for number in sorted(owner):
        held[owner[number]].append(number)
    return [tuple(numbers) for numbers in held]


def _computed(model: OnnxContent) -> list[OnnxNode]:
    """Nodes that depend on an input. Weights may be made by others."""
    varying = {port.name for port in model.inputs}
    found = []
    for node in model.nodes:
        if not varying.isdisjoint(node.inputs):
            varying.update(node.outputs)
            found.append(node)
    return found


def _named(row: str, makers: Mapping[str, int]) -> list[int]:
    known = set(makers.values())
    made = makers.get(_BLOCKED.sub("", row)) if _BLOCKED.search(row) else None
    if made is not None:
        return [made]
    return [number for number in map(int, _NUMBER.findall(row)) if number in known]
