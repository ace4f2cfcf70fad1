"""A model that bnnbench cannot import, as a workload: engines of others load its file, and no output is compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines.base import Accepts
from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models import describe
from bnnbench.kernels.models.datasets import Dataset
from bnnbench.kernels.models.graph import DType, Graph, Tensor
from bnnbench.kernels.models.model import ModelFile, TensorRef
from bnnbench.kernels.models.open_sizes import fed_shape, printed, require_sizes
from bnnbench.kernels.models.shapes import file_bytes
from bnnbench.results.records import Kind

from .base import Payload
from .image_blobs import path_of
from .output_match import Match
from .with_images import WithImages

_MOST_INPUT_BYTES = 2**28
"""Of all inputs together, as 8 bytes for each value at least: what a damaged file claims is not made."""
_COUNTS = 2
"""Whole numbers that are no levels of a quantised input are often places in a table: 0 and 1 are in most."""


@dataclass(frozen=True)
class ForeignModel(WithImages):
    """`unverified` says why it cannot be imported: a sentence without its full stop. Without a `model`, the file cannot
    be read at all, and no engine is given it."""

    name: str
    unverified: str
    model: ModelFile | None
    seed: int
    dataset: Dataset | None = None
    kind: Kind = "model"
    op: str | None = None

    @property
    def source(self) -> str | None:
        return None if self.model is None else self.model.path.name

    @property
    def files(self) -> Mapping[str, str]:
        """The model's file."""
        return {} if self.model is None else {str(self.model.path): self.model.sha256}

    @cached_property
    def graph(self) -> Graph:
        """Its inputs and outputs by the file, and nothing between. Raises ModelError for types of others."""
        assert self.model is not None
        ends = [tuple(_tensor(self.model, ref) for ref in refs) for refs in (self.model.inputs, self.model.outputs)]
        return Graph((), ends[0], ends[1], str(self.model.path))

    @cached_property
    def inputs(self) -> list[NDArray[Any]]:
        """One for each of the model's, drawn with the seed. Raises ModelError for what cannot be drawn."""
        assert self.model is not None
        require_sizes(self.model)
        rng = np.random.default_rng(self.seed)
        values = sum(prod(fed_shape(self.model, port)) for port in self.model.inputs)
        if values * 8 > _MOST_INPUT_BYTES:
            raise ModelError(
                f"{self.model.path} takes {values:,} values, and random ones are made of up to "
                f"{_MOST_INPUT_BYTES // 8:,}; give smaller sizes."
            )
        return [_drawn(self.model, port, rng) for port in self.model.inputs]

    @cached_property
    def identity(self) -> str:
        """Of the file and what it is run on."""
        assert self.model is not None
        images = b"" if self.dataset is None else self.dataset.sha256.encode()
        parts = [self.model.sha256.encode(), *(array.tobytes() for array in self.inputs), images]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @property
    def output_bytes(self) -> int:
        """Nobody fetches them."""
        return 0

    def figures(self) -> Mapping[str, Any]:
        """What is known without importing it."""
        if self.model is None:
            return {}
        try:
            description = describe(self.model)
        except ModelError:  # ONNX files do not say what their ops make
            return {"size_bytes": self.model.size_bytes}
        return {
            "macs_1bit": description.macs_1bit or None,
            "macs_32bit": description.macs_32bit or None,
            "size_bytes": self.model.size_bytes,
        }

    def payload(self, accepts: frozenset[Accepts]) -> Payload | None:
        """The file and its inputs, for engines that load such files themselves."""
        if self.model is None or not self.is_taken(accepts):
            return None
        try:
            inputs = [array.tobytes() for array in self.inputs]
        except ModelError:
            return None
        file = file_bytes(self.model)
        first, *more = map(path_of, inputs)
        blobs = (file, *inputs, *self.image_sources)
        return Payload({"model": path_of(file)}, blobs, (first,), tuple(more))

    def is_taken(self, accepts: frozenset[Accepts]) -> bool:
        """Whether an engine that accepts these loads the file itself."""
        assert self.model is not None
        needs_lce = any(op.name.startswith("Lce") for op in self.model.ops)
        return ("lce" if needs_lce else self.model.format) in accepts

    def prepare(self, watch: Callable[[str, int, int], None]) -> None:
        """There is no reference."""

    @property
    def is_prepared(self) -> bool:
        """There is nothing to compute."""
        return True

    @property
    def prepared_key(self) -> str:
        """Of the file and what it is run on."""
        return self.identity

    def prepared(self) -> Mapping[str, NDArray[Any]]:
        """Nothing."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Nothing."""

    def expected_sha256(self, which: int) -> str:
        """No output is right."""
        return ""

    def graph_and_input(self, which: int) -> None:
        """None."""

    def input_name(self, which: int) -> str:
        """For people."""
        return "random values"

    @property
    def remark(self) -> str | None:
        """Why nothing is compared."""
        return self.unverified

    @property
    def opinions(self) -> None:
        """There is nothing to confirm."""

    def is_sure(self, which: int) -> bool:
        """Nothing is."""
        return False

    def compare(self, raw: bytes, which: int, traced: bool) -> Match:
        """Nothing is known of the right output."""
        return Match(None, self.unverified)


def _drawn(model: ModelFile, port: TensorRef, rng: np.random.Generator) -> NDArray[Any]:
    """Floats from -1 to 1, int8 and uint8 over their whole range, other whole numbers 0 and 1."""
    what, shape = f"{model.path}: its input '{printed(port.name)}'", fed_shape(model, port)
    try:
        dtype = np.dtype(port.dtype)
    except (TypeError, ValueError, SyntaxError):
        raise ModelError(f"{what} is {port.dtype}, of which no random values are made.") from None
    if 0 in port.shape:
        raise ModelError(f"{what} of shape {list(shape)} is empty.")
    if dtype.kind == "f":
        return rng.uniform(-1, 1, shape).astype(dtype)
    if dtype in (np.int8, np.uint8):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
    return rng.integers(0, _COUNTS, shape).astype(dtype)


_DTYPES: Mapping[str, DType] = {"float32": "f32", "int8": "i8"}


def _tensor(model: ModelFile, ref: TensorRef) -> Tensor:
    dtype = _DTYPES.get(ref.dtype)
    if dtype is None:
        raise ModelError(f"{model.path}: '{printed(ref.name)}' is {ref.dtype}; images and scores are float32 or int8.")
    return Tensor(ref.name, fed_shape(model, ref), dtype)
