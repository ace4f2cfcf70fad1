"""What a model's outputs should be, and whether an engine's are right."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.formats import FORMATS
from bnnbench.kernels.models.graph import Graph, Node
from bnnbench.kernels.models.hybrid import is_hybrid
from bnnbench.kernels.models.interpreter import VARIANTS, Result, interpret, is_sure, tolerances
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.operations import Dequantize

from .output_match import Match, compare_outputs, not_finite

ZERO_SIGN = "zero_sign"
"""The variant of an engine whose Sign of 0 is 0, as ONNX says; a bit is +1."""

HYBRID = "hybrid"
"""The variant of an engine that rounds floats before int8 weights, as TensorFlow Lite does."""


class WithRightOutputs(ABC):
    """For workloads of a model that the reference can run."""

    model: ModelFile

    @property
    @abstractmethod
    def graph(self) -> Graph:
        """What the model computes. Raises ModelError."""

    @abstractmethod
    def input(self, which: int) -> NDArray[Any]:
        """Input number `which`."""

    @cached_property
    def reference(self) -> Result:
        """Every tensor of the first input, by the reference interpreter."""
        return interpret(self.graph, [self.input(0)], keep=True)

    def expected(self, which: int, variant: str | None = None) -> list[NDArray[Any]]:
        """The right outputs for an input, or those under a variant of int8 rounding."""
        if which == 0 and variant is None:
            return list(self.reference.outputs)
        key = (which, variant)
        if key not in self._outputs:
            rounded = VARIANTS[variant] if variant else None
            self._outputs[key] = list(interpret(self.graph, [self.input(which)], variant=rounded).outputs)
        return self._outputs[key]

    @cached_property
    def _outputs(self) -> dict[tuple[int, str | None], list[NDArray[Any]]]:
        return {}

    def right_outputs(self, inputs: Sequence[int]) -> dict[str, NDArray[Any]]:
        """The right outputs for these inputs, and every tensor of the first one, by names of its own."""
        outputs = {f"output {which} {at}": out for which in inputs for at, out in enumerate(self.expected(which))}
        values = self.reference.values
        tensors = {f"tensor {at}": array for at, array in enumerate(values.values())}
        return {"names": np.array(list(values), dtype=np.str_), **tensors, **outputs}

    def restore_outputs(self, inputs: Sequence[int], arrays: Mapping[str, NDArray[Any]]) -> None:
        """As if they had been computed here. Raises KeyError for an array that is missing, ValueError for an output of
        another size."""
        found = {which: [arrays[f"output {which} {at}"] for at in range(len(self.graph.outputs))] for which in inputs}
        for outputs in found.values():
            if [array.nbytes for array in outputs] != [tensor.bytes for tensor in self.graph.outputs]:
                raise ValueError("an output has another size")
        values = {str(name): arrays[f"tensor {at}"] for at, name in enumerate(arrays["names"])}
        self.__dict__["reference"] = Result(tuple(found[0]), values, ())
        self._outputs.update({(which, None): outputs for which, outputs in found.items() if which})

    def expected_sha256(self, which: int) -> str:
        """Of all outputs, one after another."""
        return hashlib.sha256(b"".join(array.tobytes() for array in self.expected(which))).hexdigest()

    @property
    def remark(self) -> str | None:
        """What is to be said of right outputs: that they are not finite, or not what ONNX says."""
        return not_finite(self.expected(0)) or self._signs_of_zero

    @property
    def _signs_of_zero(self) -> str | None:
        """Of 0, ONNX's Sign is 0, and a bit is +1."""
        signed = [node.inputs[0] for node in self.graph.nodes if (node.op, node.output.dtype) == ("Sign", "bits")]
        values = [self.reference.values[tensor.name] for tensor in signed]
        pairs = zip(signed, values, strict=True)
        zeros = sum(int((array == tensor.zero_point).sum()) for tensor, array in pairs)
        count = sum(array.size for array in values)
        if not zeros:
            return None
        return f"{zeros:,} of {count:,} values before a Sign are 0, of which ONNX makes 0, and bnnbench +1"

    @cached_property
    def _zeros_signed(self) -> bool:
        """Whether it has a Sign, of which 0 may become 0 in other engines."""
        return any((node.op, node.output.dtype) == ("Sign", "bits") for node in self.graph.nodes)

    @cached_property
    def readings(self) -> list[Graph]:
        """What the file may be taken to say: the graph, and where Signs of 0 are 0, that."""
        return [self.graph, *([FORMATS[self.model.format].as_written(self.model)] if self._zeros_signed else [])]

    def _as_written(self, which: int) -> list[NDArray[Any]]:
        """What the file says is right for an input."""
        key = (which, ZERO_SIGN)
        if key not in self._outputs:
            self._outputs[key] = list(interpret(self.readings[-1], [self.input(which)]).outputs)
        return self._outputs[key]

    @cached_property
    def rounds(self) -> bool:
        """Whether it computes with TFLite's int8, which others may round otherwise, or floats with int8 weights."""
        stored = (node.output for node in self.graph.nodes if node.output.dtype in ("i8", "u8"))
        return self._has_hybrid or any(not tensor.in_floats for tensor in stored)

    @cached_property
    def _has_hybrid(self) -> bool:
        """Whether it computes floats with int8 weights."""
        return any(map(is_hybrid, self.graph.nodes))

    @cached_property
    def rounds_as_onnx(self) -> bool:
        """Whether it has int8 that is computed in floats."""
        return any(node.output.in_floats for node in self.graph.nodes)

    @cached_property
    def others_steps(self) -> int:
        """How many steps an int8 output of another's engine may be off: one where the model rounds floats to int8."""
        return int(any(_rounds_sums(node) for node in self.graph.nodes))

    @cached_property
    def _step_sizes(self) -> list[float]:
        """Of each output, the size of a step where it is int8 as floats, else 0."""
        made = {node.output: node for node in self.graph.nodes if isinstance(node.operation, Dequantize)}
        return [made[tensor].inputs[0].scale or 0.0 if tensor in made else 0.0 for tensor in self.graph.outputs]

    def is_sure(self, which: int) -> bool:
        """Whether no sign is too close to zero, and no rounding of ONNX's int8 to a half, to call: then a right engine
        has the reference's output."""
        return is_sure(self.graph, self._values(which))

    def _values(self, which: int) -> Mapping[str, NDArray[Any]]:
        """Every tensor of an input."""
        if which == 0:
            return self.reference.values
        return interpret(self.graph, [self.input(which)], keep=True).values

    def _shares(self, which: int) -> Mapping[str, float]:
        """Of float tensors by name: how far they may be off for this input, as a share of their largest value."""
        if which not in self._known_shares:
            self._known_shares[which] = tolerances(self.graph, self._values(which))
        return self._known_shares[which]

    @cached_property
    def _known_shares(self) -> dict[int, Mapping[str, float]]:
        return {}

    def compare(self, raw: bytes, which: int, traced: bool) -> Match:
        """Floats within `FLOAT_TOLERANCE` of the largest value, or what the model's rounding errors grow to; i8 and
        bits equal.

        An engine that is not `traced` is another's: its int8 may be rounded as a variant does, and be a step off, also
        as floats, where the model rounds floats to int8, whose sums may have another order; of 0 its Sign may be 0.
        """
        found = compare_outputs(raw, self.graph.outputs, self.expected(which))
        if not found.wrong:
            return found
        compared = partial(compare_outputs, raw, self.graph.outputs, shares=self._shares(which))
        found = compared(self.expected(which))
        if traced or not found.wrong:
            return found
        if self._zeros_signed:
            written = self._as_written(which)
            other = compared(written, self.others_steps, self._step_sizes)
            if not other.wrong:
                return replace(other, variant=ZERO_SIGN)
        if self.rounds_as_onnx:
            other = compared(self.expected(which), self.others_steps, self._step_sizes)
            return found if other.wrong else other
        if not self.rounds:
            return found
        for variant in (None, *VARIANTS):
            if variant == HYBRID and not self._has_hybrid:
                continue
            other = compared(self.expected(which, variant), self.others_steps)
            if not other.wrong:
                return replace(other, variant=variant)
        return found


def _rounds_sums(node: Node) -> bool:
    """Whether it rounds floats that an engine has computed."""
    return node.output.dtype in ("i8", "u8") and any(x.dtype == "f32" and x.data is None for x in node.inputs)
