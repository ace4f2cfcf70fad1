"""Of `engines`, `model` and `profile`."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

import msgspec
from msgspec import Meta

from bnnbench.kernels.engines.replies import Peaks
from bnnbench.kernels.errors import Missing
from bnnbench.kernels.models.description import ConstantBytes, Description, OpRow, Part, Port
from bnnbench.kernels.models.model import ModelFile

from ...tasks.op_times import EngineOps
from ...tasks.profile import ModelProfile, OpTime
from ...tasks.protocol_subject import Point
from ...tasks.side_by_side import OpGroup
from .document import Document


class ListedEngine(msgspec.Struct, frozen=True, kw_only=True):
    """An engine; `targets` are null for one that is not built here."""

    name: str
    runs: Annotated[list[str], Meta(description="kernels, models.")]
    targets: Annotated[dict[str, list[str]], Meta(description="Target triple -> ISA levels.")] | None
    state: str
    about: str


class ListedKernel(msgspec.Struct, frozen=True, kw_only=True):
    """A micro-kernel of the native engine; `tile` is pixels x channels."""

    name: str
    ops: tuple[str, ...]
    triple: str
    isa: str
    pixels: int
    channels: int
    how: str
    source: str
    tile: str


class BuiltEngine(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the build cache; `isa` is null where one file has every level."""

    engine: str
    triple: str
    isa: str | None
    build: str
    sha256: str
    path: str


EngineList = list[ListedEngine]
KernelList = list[ListedKernel]
BuiltEngines = list[BuiltEngine]
Points = list[Point]


class ShippedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that comes with bnnbench, and how it was trained."""

    name: str
    widths: list[int]
    blocks: list[int]
    kind: str
    epochs: int
    batch: int
    optimizer: str
    augmentation: str
    seed: int
    trained_on: Annotated[int, Meta(description="Images.")]
    held_out: Annotated[int, Meta(description="Images.")]
    held_out_accuracy: Annotated[float, Meta(description="A share.")]
    bytes: int
    sha256: str
    versions: dict[str, str]


ShippedModels = list[ShippedModel]


class ModelInfo(Document, frozen=True, kw_only=True):
    """A model file: a row for each op, and the totals."""

    file: str
    size_bytes: int
    sha256: str
    rows: tuple[OpRow, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    subgraphs: tuple[Part, ...]
    macs_1bit: int
    macs_32bit: int
    parameter_bytes: int
    parameters_1bit: int
    parameters_other: int
    bytes_by_kind: ConstantBytes
    peak_bytes: int | None
    peak_unknown: str
    missing: Annotated[tuple[Missing, ...], Meta(description="What keeps it from being imported, most often first.")]

    @classmethod
    def of(cls, file: str, model: ModelFile, description: Description) -> ModelInfo:
        totals = {name.name: getattr(description, name.name) for name in fields(description)}
        return cls(file=file, size_bytes=model.size_bytes, sha256=model.sha256, **totals)


class ProfileDocument(Document, frozen=True, kw_only=True):
    """The steps of a model. Times are medians in ns with their intervals, counters are medians per step."""

    ops: tuple[OpTime, ...]
    total_ns: float
    total_low_ns: float
    total_high_ns: float
    sum_ns: Annotated[float, Meta(description="The steps' times added up.")]
    sum_low_ns: float
    sum_high_ns: float
    trust: str
    doubts: tuple[str, ...]
    runs: int
    threads: int
    peaks: Peaks
    arena_bytes: int | None
    plan_sha256: str
    engine_build: str
    isa: str | None
    counters_cost: (
        Annotated[dict[str, float], Meta(description="What one reading costs: ns, and what it adds to each.")] | None
    )
    counters_error: Annotated[str, Meta(description="Why a counter has no figures.")] | None
    roof_ns: Annotated[float, Meta(description="The steps' roofs added up: the least time that they allow.")] | None
    roof_share: Annotated[float, Meta(description="roof_ns over total_ns.")] | None
    fastest_ns: Annotated[float, Meta(description="Each step's fastest run, added up.")] | None
    others: Annotated[tuple[EngineOps, ...], Meta(description="Times of ops in the other engines of --engine.")]
    side_by_side: Annotated[
        tuple[OpGroup, ...], Meta(description="Times of the same ops in native, and in each of `others`.")
    ]

    @classmethod
    def of(cls, done: ModelProfile) -> ProfileDocument:
        return cls(**{name: getattr(done, name) for name in cls.__struct_fields__ if name != "schema"})
