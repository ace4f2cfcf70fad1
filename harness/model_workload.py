"""A whole model as a workload: its plan, its inputs, and the output that is right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines.base import Accepts
from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models import describe
from bnnbench.kernels.models.datasets import Dataset
from bnnbench.kernels.models.graph import Graph, Tensor
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.plan import Plan, make_plan
from bnnbench.kernels.models.predictions import Progress, reference_classes
from bnnbench.kernels.reference.interpreter import Result, interpret
from bnnbench.results.records import Kind

from .kernel_workload import largest_gap
from .workload import FLOAT_TOLERANCE, Payload

INPUTS = 3
"""How many inputs an engine that cannot be traced may be tried with: a sign that is too close to call turns up in
some of them, and says nothing against it."""

IMAGES_AT_ONCE = 1000
"""How many labelled images an engine is given with one request."""

NUMPY = {"f32": "<f4", "i8": "|i1", "i32": "<i4", "bits": "<u4"}


@dataclass(frozen=True)
class ModelWorkload:
    """A model with batch 1 and seeded random inputs, and the labelled images that its accuracy is measured with."""

    name: str
    model: ModelFile
    seed: int
    dataset: Dataset | None = None
    kind: Kind = "model"
    op: str | None = None

    @property
    def source(self) -> str | None:
        return self.model.path.name

    @cached_property
    def graph(self) -> Graph:
        """Raises ModelError, also when the model has other than one input."""
        graph = import_model(self.model)
        if len(graph.inputs) != 1:
            raise ModelError(f"{self.model.path} has {len(graph.inputs)} inputs; models with one can be measured.")
        return graph

    @cached_property
    def plan(self) -> Plan:
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
            given = self.input(0).tobytes()
            blobs: tuple[bytes, ...] = (self.plan_bytes, given, *self.image_blobs)
            return Payload({"plan": _path(self.plan_bytes)}, blobs, (_path(given),))
        if "lce" in accepts or ("tflite" in accepts and not self.has_lce_ops):
            inputs = [self.input(which).tobytes() for which in range(INPUTS)]
            blobs = (self.model.path.read_bytes(), *inputs, *self.image_blobs)
            return Payload({"model": _path(blobs[0])}, blobs, tuple(map(_path, inputs)))
        return None

    @property
    def has_lce_ops(self) -> bool:
        """Whether it needs an engine that knows Larq Compute Engine's ops."""
        return any(op.name.startswith("Lce") for op in self.model.ops)

    @cached_property
    def image_blobs(self) -> tuple[bytes, ...]:
        """The dataset's images as they are pushed: `IMAGES_AT_ONCE` in each."""
        if self.dataset is None:
            return ()
        images = self.dataset.images
        return tuple(images[at : at + IMAGES_AT_ONCE].tobytes() for at in range(0, len(images), IMAGES_AT_ONCE))

    @property
    def image_paths(self) -> tuple[str, ...]:
        """Where they lie on a device."""
        return tuple(map(_path, self.image_blobs))

    def prepare(self, watch: Callable[[str, int, int], None]) -> None:
        """Runs the reference: once, and for every labelled image."""
        _ = self.reference
        if self.dataset is not None:
            what = f"the reference's classes for {self.name}"
            _ = self.reference_classes(lambda done, of: watch(what, done, of))

    def reference_classes(self, progress: Progress = lambda done, of: None) -> NDArray[np.int64]:
        """The class that the reference gives each labelled image."""
        assert self.dataset is not None
        if "classes" not in self._kept:
            self._kept["classes"] = reference_classes(self.model, self.dataset, progress)
        return self._kept["classes"]

    @cached_property
    def _kept(self) -> dict[str, NDArray[np.int64]]:
        return {}

    @cached_property
    def reference(self) -> Result:
        """Every tensor of the first input, by the reference interpreter."""
        return interpret(self.graph, [self.input(0)], keep=True)

    def input(self, which: int) -> NDArray[Any]:
        """Input number `which`: f32 from -1 to 1, i8 over its whole range."""
        (tensor,) = self.graph.inputs
        rng = np.random.default_rng([self.seed, which])
        if tensor.dtype == "f32":
            return rng.uniform(-1, 1, tensor.shape).astype("<f4")
        return rng.integers(-128, 128, tensor.shape).astype(NUMPY[tensor.dtype])

    def expected(self, which: int) -> list[NDArray[Any]]:
        """The right outputs for an input."""
        if which == 0:
            return list(self.reference.outputs)
        return list(interpret(self.graph, [self.input(which)]).outputs)

    def expected_sha256(self, which: int) -> str:
        """Of all outputs, one after another."""
        return hashlib.sha256(b"".join(array.tobytes() for array in self.expected(which))).hexdigest()

    def difference(self, raw: bytes, which: int) -> tuple[float | None, str | None]:
        """Floats within `FLOAT_TOLERANCE` of the largest value, i8 within one step, bits equal."""
        return compare_outputs(raw, self.graph.outputs, self.expected(which))


def compare_outputs(
    raw: bytes, tensors: tuple[Tensor, ...], expected: list[NDArray[Any]]
) -> tuple[float | None, str | None]:
    """Raw outputs, one after another, against the right ones: largest difference, and what is wrong."""
    if len(raw) != sum(array.nbytes for array in expected):
        return None, f"the output has {len(raw)} bytes where {sum(array.nbytes for array in expected)} are right"
    largest, offset = 0.0, 0
    for tensor, right in zip(tensors, expected, strict=True):
        output = np.frombuffer(raw, right.dtype, right.size, offset).reshape(right.shape)
        offset += right.nbytes
        if tensor.dtype == "bits":
            wrong = int(np.bitwise_count(output ^ right).sum())
            if wrong:
                return None, f"{wrong} bits of output {tensor.name} are wrong"
            continue
        allowed = {"f32": FLOAT_TOLERANCE * float(np.abs(right).max()), "i8": 1.0, "i32": 0.0}[tensor.dtype]
        gap, trouble = largest_gap(output, right, allowed)
        largest = max(largest, gap)
        if trouble:
            return largest, trouble
    return largest, None


def _path(blob: bytes) -> str:
    return f"blobs/{hashlib.sha256(blob).hexdigest()}"
