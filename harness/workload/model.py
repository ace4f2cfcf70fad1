"""A whole model as a workload: its plan, its inputs, and the output that is right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines.base import Accepts
from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models import describe
from bnnbench.kernels.models.datasets import Dataset
from bnnbench.kernels.models.formats import FORMATS, graph_of
from bnnbench.kernels.models.graph import Dequantize, Graph, Node
from bnnbench.kernels.models.hybrid import is_hybrid
from bnnbench.kernels.models.interpreter import VARIANTS, Result, interpret, is_sure, tolerances
from bnnbench.kernels.models.missing import foreign_engine
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.plan import ExecutionPlan, make_plan
from bnnbench.kernels.models.predictions import Progress, affordable, reference_classes
from bnnbench.kernels.models.shapes import file_bytes
from bnnbench.kernels.models.stored import limits_of
from bnnbench.results.records import Kind

from .base import Payload
from .image_blobs import path_of
from .inputs import EDGES
from .judges import Opinions, opinions
from .output_match import Match, compare_outputs, not_finite
from .with_images import WithImages

INPUTS = 3 + len(EDGES)
"""How many inputs an engine that cannot be traced may be tried with: a sign that is too close to call turns up in
some of them, and says nothing against it."""

ZERO_SIGN = "zero_sign"
"""The variant of an engine whose Sign of 0 is 0, as ONNX says; a bit is +1."""

HYBRID = "hybrid"
"""The variant of an engine that rounds floats before int8 weights, as TensorFlow Lite does."""

NUMPY = {"f32": "<f4", "i8": "|i1", "u8": "|u1", "i32": "<i4", "bits": "<u4"}


@dataclass(frozen=True)
class ModelWorkload(WithImages):
    """A model with batch 1, its inputs (random ones and edges), and the images that its accuracy is measured with."""

    name: str
    model: ModelFile
    seed: int
    dataset: Dataset | None = None
    reference_images: int | Literal["all"] | None = None
    """On how many images of the dataset the reference is run; None: as many as take about a minute."""
    kind: Kind = "model"
    op: str | None = None

    @property
    def source(self) -> str | None:
        return self.model.path.name

    @property
    def files(self) -> Mapping[str, str]:
        """The model's file."""
        return {str(self.model.path): self.model.sha256}

    @property
    def file_bytes(self) -> bytes:
        """The model file's. Raises OSError."""
        return file_bytes(self.model)

    @cached_property
    def graph(self) -> Graph:
        """Raises ModelError, also when the model has other than one input."""
        graph = graph_of(self.model)
        if len(graph.inputs) != 1:
            raise ModelError(
                f"{self.model.path} has {len(graph.inputs)} inputs, and models with one are verified; measure it "
                f"unverified with -e {foreign_engine(self.model)}."
            )
        return graph

    @cached_property
    def plan(self) -> ExecutionPlan:
        return make_plan(self.graph)

    @cached_property
    def plan_bytes(self) -> bytes:
        return self.plan.to_bytes()

    @cached_property
    def identity(self) -> str:
        images = b"" if self.dataset is None else self.dataset.sha256.encode()
        return hashlib.sha256(self.plan_bytes + self.input(0).tobytes() + images).hexdigest()

    @property
    def output_bytes(self) -> int:
        """Of all outputs."""
        return sum(tensor.bytes for tensor in self.graph.outputs)

    def figures(self) -> Mapping[str, Any]:
        """Multiply-accumulates of one inference, the `.tflite`'s size, the plan's digest."""
        description = describe(self.model)
        return {
            "macs_1bit": description.macs_1bit or None,
            "macs_32bit": description.macs_32bit or None,
            "size_bytes": self.model.size_bytes,
            "plan_sha256": self.plan.sha256,
        }

    def payload(self, accepts: frozenset[Accepts]) -> Payload | None:
        """The plan, or else the `.tflite` with several inputs to choose from."""
        if "plan" in accepts:
            inputs = [self.input(which).tobytes() for which in range(1 + len(EDGES))]
            blobs: tuple[bytes | Path, ...] = (self.plan_bytes, *inputs, *self.image_sources)
            return Payload({"plan": path_of(self.plan_bytes)}, blobs, tuple(map(path_of, inputs)))
        if self.is_taken(accepts):
            inputs = [self.input(which).tobytes() for which in range(INPUTS)]
            file = self.file_bytes
            blobs = (file, *inputs, *self.image_sources)
            return Payload({"model": path_of(file)}, blobs, tuple(map(path_of, inputs)))
        return None

    def is_taken(self, accepts: frozenset[Accepts]) -> bool:
        """Whether an engine that accepts these loads the file itself."""
        return ("lce" if self.has_lce_ops else self.model.format) in accepts

    @property
    def has_lce_ops(self) -> bool:
        """Whether it needs an engine that knows Larq Compute Engine's ops."""
        return any(op.name.startswith("Lce") for op in self.model.ops)

    def prepare(self, watch: Callable[[str, int, int], None]) -> None:
        """Runs the reference: for each input of the gate, and for labelled images."""
        for which in range(1 + len(EDGES)):
            watch(f"the reference outputs of {self.name}", which, 1 + len(EDGES))
            _ = self.expected(which)
        watch(f"other interpreters' outputs of {self.name}", 0, 1)
        _ = self.opinions
        if self.dataset is not None:
            count = len(self.dataset)
            sample = "" if len(self.compared) == count else f", a sample of {count:,} images"
            what = f"the reference's classes for {self.name}{sample}"
            _ = self.reference_classes(lambda done, of: watch(what, done, of))

    @cached_property
    def compared(self) -> Dataset:
        """The images of the dataset whose predictions are compared with the reference's, drawn with the seed."""
        assert self.dataset is not None
        asked = self.reference_images
        count = len(self.dataset) if asked == "all" else asked or affordable(self.model, self.dataset)
        return self.dataset.subset(min(count, len(self.dataset)), self.seed)

    @property
    def compared_places(self) -> NDArray[np.intp]:
        """Where these are in the dataset, ascending."""
        assert self.dataset is not None
        chosen = None if self.compared is self.dataset else self.compared.chosen
        return np.arange(len(self.dataset)) if chosen is None else chosen

    def reference_classes(self, progress: Progress = lambda done, of: None) -> NDArray[np.int64]:
        """The class that the reference gives each image of `compared`."""
        if "classes" not in self._kept:
            self._kept["classes"] = reference_classes(self.model, self.compared, progress)
        return self._kept["classes"]

    def reference_classes_under(self, variant: str) -> NDArray[np.int64]:
        """The same under a variant of int8 rounding."""
        return reference_classes(self.model, self.compared, variant=variant)

    @cached_property
    def _kept(self) -> dict[str, NDArray[np.int64]]:
        return {}

    @cached_property
    def reference(self) -> Result:
        """Every tensor of the first input, by the reference interpreter."""
        return interpret(self.graph, [self.input(0)], keep=True)

    def input(self, which: int) -> NDArray[Any]:
        """Input number `which`: random (f32 from -1 to 1, i8 and u8 over their whole range), or edges (`inputs.py`)."""
        (tensor,) = self.graph.inputs
        if which in EDGES:
            return EDGES[which].make(self.graph)
        rng = np.random.default_rng([self.seed, 0 if which == 0 else which - len(EDGES)])
        if tensor.dtype == "f32":
            return rng.uniform(-1, 1, tensor.shape).astype("<f4")
        low, high = limits_of(tensor)
        return rng.integers(low, high + 1, tensor.shape).astype(NUMPY[tensor.dtype])

    def graph_and_input(self, which: int) -> tuple[Graph, NDArray[Any]]:
        """For whoever looks into its steps."""
        return self.graph, self.input(which)

    def input_name(self, which: int) -> str:
        """For people."""
        return EDGES[which].name if which in EDGES else "random values"

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

    @property
    def unverified(self) -> None:
        """Every output is compared."""

    @cached_property
    def opinions(self) -> Opinions:
        """What other interpreters make of the file."""
        return opinions(self)

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
