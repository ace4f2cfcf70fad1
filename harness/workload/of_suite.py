"""The workloads of a suite, in its order, with different names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bnnbench.kernels.data import make_data
from bnnbench.kernels.errors import DatasetError, ModelError
from bnnbench.kernels.models.binary_layers import arrays_for
from bnnbench.kernels.models.formats import FORMATS, read_model
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.shapes import with_shapes
from bnnbench.kernels.ops import BConv2d, KernelSpec

from ..errors import SuiteError
from ..suite.shape_words import shapes_of
from ..suite.tables import ModelTable, Suite
from .base import Workload
from .foreign_model import ForeignModel
from .kernel import KernelWorkload
from .model import ModelWorkload
from .opened_images import OpenedImages

SuiteWorkload = KernelWorkload | ModelWorkload | ForeignModel


def workloads(suite: Suite, images: OpenedImages | None = None) -> list[Workload]:
    """All workloads of a suite; `images` are those of suites that are measured with it. Raises SuiteError."""
    images = images or OpenedImages()
    found: list[SuiteWorkload] = []
    for table in suite.model:
        found += of_model(table, suite.seed, images)
    for kernel in suite.kernel:
        spec = kernel.spec()
        found.append(KernelWorkload(kernel.name or _short(spec), spec, make_data(spec, suite.seed)))
    taken: set[str] = set()
    unique: list[Workload] = []
    for workload in found:
        name, count = workload.name, 1
        while name in taken:
            count += 1
            name = f"{workload.name} #{count}"
        taken.add(name)
        unique.append(replace(workload, name=name))
    return unique


def _short(spec: KernelSpec) -> str:
    # Float is what a suite's convolutions put out unless it says otherwise, so its name need not.
    if not isinstance(spec, BConv2d):
        return spec.name
    return f"{spec.name} i32" if spec.out == "i32" else spec.name.removesuffix(" f32")


def of_model(table: ModelTable, seed: int, images: OpenedImages | None = None) -> list[SuiteWorkload]:
    """The whole model, its binary layers, or both, as the table's `measure` says; a ForeignModel where it cannot be
    imported or read. Raises SuiteError."""
    path = Path(table.file)
    label = table.name or path.stem
    try:
        model = with_shapes(read_model(path), shapes_of(table.shape))
    except ModelError as error:
        return [ForeignModel(label, str(error).rstrip("."), None, seed)]
    found: list[SuiteWorkload] = []
    if "model" in table.measure:
        found.append(_whole(table, label, model, seed, images or OpenedImages()))
    if "layers" in table.measure:
        try:
            found += _layers(model, label, seed)
        except ModelError as error:
            if not any(workload.unverified for workload in found):
                raise SuiteError(str(error)) from None
    return found


def _whole(
    table: ModelTable, label: str, model: ModelFile, seed: int, images: OpenedImages
) -> ModelWorkload | ForeignModel:
    """Raises SuiteError."""
    whole = ModelWorkload(label, model, seed)
    try:
        _ = whole.plan  # what cannot be imported is told now, not in the middle of a run
    except ModelError as error:
        return _foreign(table, label, model, seed, images, error)
    if table.dataset is None:
        return whole
    try:
        return replace(whole, dataset=images.of(table, whole, seed), reference_images=table.reference_images)
    except (ModelError, DatasetError) as error:
        raise SuiteError(str(error)) from None


def _foreign(
    table: ModelTable, label: str, model: ModelFile, seed: int, images: OpenedImages, why: ModelError
) -> ForeignModel:
    """One that others may run, if there is something that it can be run on. Raises SuiteError."""
    found = ForeignModel(label, str(why).rstrip("."), model, seed)
    try:
        _ = found.inputs
        if table.dataset is None:
            return found
        if len(model.inputs) > 1:
            raise SuiteError(
                f"{model.path} has {len(model.inputs)} inputs; accuracy needs a model with one: the images."
            )
        return replace(found, dataset=images.of(table, found, seed))
    except ModelError as error:
        return ForeignModel(label, str(error).rstrip("."), None, seed)
    except DatasetError as error:
        raise SuiteError(str(error)) from None


def _layers(model: ModelFile, label: str, seed: int) -> list[KernelWorkload]:
    layers = FORMATS[model.format].layers(model)
    if not layers:
        how = "convert it with LCE first" if model.format == "tflite" else "see docs/onnx.md for what becomes binary"
        raise SuiteError(f"{model.path} has no binary convolution to measure; {how}.")
    return [
        KernelWorkload(
            name=f"{label}/op{layer.index} {_short(layer.spec)}",
            spec=layer.spec,
            arrays=arrays_for(layer, seed + layer.index),
            source=f"{model.path.name} op {layer.index}" + (f" ({layer.note})" if layer.note else ""),
            files={str(model.path): model.sha256},
        )
        for layer in layers
    ]
