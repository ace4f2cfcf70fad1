"""A whole model as a workload: its plan, its inputs, and the output that is right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines.base import Accepts
from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models import describe
from bnnbench.kernels.models.datasets import Dataset
from bnnbench.kernels.models.formats import graph_of
from bnnbench.kernels.models.graph import Graph
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
from .with_images import WithImages
from .with_right_outputs import WithRightOutputs

INPUTS = 3 + len(EDGES)
"""How many inputs an engine that cannot be traced may be tried with: a sign that is too close to call turns up in
some of them, and says nothing against it."""

NUMPY = {"f32": "<f4", "i8": "|i1", "u8": "|u1", "i32": "<i4", "bits": "<u4"}


@dataclass(frozen=True)
class ModelWorkload(WithRightOutputs, WithImages):
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

    @property
    def is_prepared(self) -> bool:
        """Whether the reference and other interpreters have run."""
        return "opinions" in self.__dict__ and (self.dataset is None or "classes" in self._kept)

    @property
    def prepared_key(self) -> str:
        """The model, its inputs, and on how many images the reference is run."""
        asked = f"{self.model.sha256} {self.seed} {self.reference_images} {self.identity}"
        return hashlib.sha256(asked.encode()).hexdigest()

    def prepared(self) -> Mapping[str, NDArray[Any]]:
        """Outputs, every tensor of the first input, what judges say, and classes."""
        said = {"confirmed_by": self.opinions.confirmed_by, "contradicted": (self.opinions.contradicted or "",)}
        texts = {name: np.array(words, dtype=np.str_) for name, words in said.items()}
        classes = {} if self.dataset is None else {"classes": self.reference_classes()}
        return {**self.right_outputs(range(1 + len(EDGES))), **texts, **classes}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See `Workload`."""
        if self.dataset is not None and arrays["classes"].shape != (len(self.compared),):
            raise ValueError(f"{arrays['classes'].shape} classes of {len(self.compared)} images")
        self.restore_outputs(range(1 + len(EDGES)), arrays)
        (contradicted,) = arrays["contradicted"]
        self.__dict__["opinions"] = Opinions(tuple(map(str, arrays["confirmed_by"])), str(contradicted) or None)
        if self.dataset is not None:
            self._kept["classes"] = arrays["classes"]

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

    @property
    def unverified(self) -> None:
        """Every output is compared."""

    @cached_property
    def opinions(self) -> Opinions:
        """What other interpreters make of the file."""
        return opinions(self)
