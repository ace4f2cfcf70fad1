"""A `.tflite` file in which one op is computed several times: what the file takes longer is that op's time.

Nothing of the file is decoded or changed. New tables are put in front of it, because references in a FlatBuffer only
point forward: a model, a subgraph, the repeated operators, and their outputs, which nobody reads.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tflite

from ..errors import ModelError

_HEADER = 8
_ALIGNMENT = 64
# Fields that refer to something else, by their numbers in TensorFlow Lite's schema.
_MODEL = {"codes": 1, "subgraphs": 2, "description": 3, "buffers": 4, "lists": 5, "metadata": 6, "signatures": 7}
_SUBGRAPH = {"tensors": 0, "inputs": 1, "outputs": 2, "operators": 3, "name": 4}
_OPERATOR = {"inputs": 1, "outputs": 2, "options": 4, "custom": 5, "mutating": 7, "intermediates": 8, "options_2": 12}
_TENSOR = {"shape": 0, "name": 3, "quantization": 4, "sparsity": 6, "signature": 7, "variants": 9}


def with_repeated_op(content: bytes, op: int, more: int) -> bytes:
    """The file with the op number `op` of its first subgraph computed `more` times before itself.

    Raises ModelError for a file that is damaged, or has no such op."""
    try:
        return _repeated(content, op, more)
    except (struct.error, ValueError, TypeError, IndexError, AttributeError) as error:
        raise ModelError(f"op {op} cannot be repeated: the file is damaged ({error}).") from error


def _repeated(content: bytes, op: int, more: int) -> bytes:
    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    if not 0 <= op < graph.OperatorsLength():
        raise ModelError(f"op {op} cannot be repeated: the model has {graph.OperatorsLength()} ops.")
    operator = graph.Operators(op)
    outputs = [operator.Outputs(i) for i in range(operator.OutputsLength())]
    tensors = [_place(graph.Tensors(i)) for i in range(graph.TensorsLength())]
    operators = [_place(graph.Operators(i)) for i in range(graph.OperatorsLength())]
    subgraphs = [_place(model.Subgraphs(i)) for i in range(model.SubgraphsLength())]
    front = _Front(content)
    for _ in range(more):
        numbers = range(len(tensors), len(tensors) + len(outputs))
        tensors += [front.table(tensors[number], _TENSOR, {}) for number in outputs]
        operators.insert(op, front.table(_place(operator), _OPERATOR, {"outputs": front.integers(numbers)}))
    lists = {"tensors": front.references(tensors), "operators": front.references(operators)}
    subgraphs[0] = front.table(subgraphs[0], _SUBGRAPH, lists)
    return front.finish(front.table(_place(model), _MODEL, {"subgraphs": front.references(subgraphs)}))


def _place(table: Any) -> int:
    """Where a table of the file begins."""
    return int(table._tab.Pos)  # noqa: SLF001 -- tflite has no other word for it


class _Front:
    """What is put in front of a file, from its end to its beginning: what refers to something comes before it.

    A place in the file is where it was, and one in front of it is negative.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._begin = 0
        self._parts: dict[int, bytes] = {}

    def table(self, old: int, references: Mapping[str, int], changed: Mapping[str, int]) -> int:
        """A copy of a table's own bytes that refers to what the old one refers to, or to what is `changed`."""
        (back,) = struct.unpack_from("<i", self._content, old)
        kind = old - back
        length, size = struct.unpack_from("<HH", self._content, kind)
        offsets = struct.unpack_from(f"<{(length - 4) // 2}H", self._content, kind + 4)
        at = self._begin - size
        at -= (at - old) % 8  # aligned as it was
        raw = bytearray(self._content[old : old + size])
        struct.pack_into("<i", raw, 0, at - kind)
        for name, number in references.items():
            offset = offsets[number] if number < len(offsets) else 0
            if offset:
                (forward,) = struct.unpack_from("<I", raw, offset)
                struct.pack_into("<I", raw, offset, changed.get(name, old + offset + forward) - at - offset)
            elif name in changed:
                raise ValueError(f"a table has no {name}")
        return self._put(at, bytes(raw))

    def references(self, targets: Sequence[int]) -> int:
        """A vector of references."""
        return self._vector(len(targets), lambda at: [target - at - 4 * (i + 1) for i, target in enumerate(targets)])

    def integers(self, values: Sequence[int]) -> int:
        """A vector of numbers."""
        return self._vector(len(values), lambda at: values)

    def finish(self, root: int) -> bytes:
        """The whole file."""
        length = -(-(_HEADER - self._begin) // _ALIGNMENT) * _ALIGNMENT
        front = bytearray(length)
        struct.pack_into("<I4s", front, 0, root + length, self._content[4:8])
        for at, raw in self._parts.items():
            front[at + length : at + length + len(raw)] = raw
        return bytes(front) + self._content

    def _vector(self, count: int, values: Callable[[int], Sequence[int]]) -> int:
        at = (self._begin - 4 * (count + 1)) // 4 * 4
        return self._put(at, struct.pack(f"<{count + 1}I", count, *values(at)))

    def _put(self, at: int, raw: bytes) -> int:
        self._parts[at] = raw
        self._begin = at
        return at
