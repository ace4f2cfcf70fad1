"""A model with sizes of inputs that the user gave: `--shape`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from ..errors import ModelError
from .formats import FORMATS
from .model import ModelFile, TensorRef
from .open_sizes import printed, shape_words

MOST_VALUES = 2**31


def with_shapes(model: ModelFile, asked: Mapping[str, tuple[int, ...]]) -> ModelFile:
    """The model with inputs of these shapes, by their names; the name may be empty where there is one input. Raises
    ModelError."""
    if not asked:
        return model
    names = [port.name for port in model.inputs]
    listed = ", ".join(f"'{printed(name)}'" for name in names[:8]) + (" ..." if len(names) > 8 else "")
    found: dict[int, tuple[int, ...]] = {}
    for name, shape in asked.items():
        if not name and len(names) > 1:
            raise ModelError(
                f"{model.path} has the inputs {listed}; say which: --shape NAME={'x'.join(map(str, shape))}."
            )
        if name and names.count(name) != 1:
            raise ModelError(f"{model.path} has no single input '{printed(name)}'; its inputs are {listed}.")
        place = names.index(name) if name else 0
        _require_fit(model, model.inputs[place], shape)
        found[place] = shape
    file_format = FORMATS[model.format]
    changed = file_format.parse(file_format.resized(file_bytes(model), found), model.path)
    return replace(changed, shapes=found, sha256=model.sha256, size_bytes=model.size_bytes)


def file_bytes(model: ModelFile) -> bytes:
    """What an engine loads: the file, with the shapes that were given. Raises OSError."""
    content = model.path.read_bytes()
    return FORMATS[model.format].resized(content, model.shapes) if model.shapes else content


def _require_fit(model: ModelFile, port: TensorRef, shape: tuple[int, ...]) -> None:
    said = shape_words(port.shape, port.open_axes)
    what = f"{model.path}: its input '{printed(port.name)}' is {said}, so --shape {'x'.join(map(str, shape))}"
    if len(shape) != len(port.shape):
        raise ModelError(f"{what} has the wrong number of dimensions; give {len(port.shape)}.")
    if any(
        size != own
        for axis, (size, own) in enumerate(zip(shape, port.shape, strict=True))
        if axis not in port.open_axes
    ):
        raise ModelError(f"{what} changes a size that the file fixes; give the open ones only.")
    if prod(shape) >= MOST_VALUES:
        raise ModelError(f"{what} has too many values; give smaller sizes.")
