"""Sizes of inputs that a file leaves open."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ModelError
from .model import ModelFile, TensorRef

_EXAMPLE = 224


def open_sizes(port: TensorRef) -> tuple[int, ...]:
    """Axes of an input whose size must be given: open in the file, not the batch, and without a size that was in use
    when the file was written."""
    return tuple(axis for axis in port.open_axes if axis and port.shape[axis] <= 1)


def shape_words(shape: Sequence[int], open_axes: Sequence[int]) -> str:
    """`?x224x224x3`; of no dimensions, `scalar`."""
    return "x".join("?" if axis in open_axes else str(size) for axis, size in enumerate(shape)) or "scalar"


def fed_shape(model: ModelFile, port: TensorRef) -> tuple[int, ...]:
    """The shape in which an engine of others takes or gives a tensor of the file: open sizes are 1, and images of ONNX
    are NHWC."""
    shape = tuple(max(size, 1) for size in port.shape)
    return (shape[0], *shape[2:], shape[1]) if model.format == "onnx" and len(shape) == 4 else shape


def require_sizes(model: ModelFile) -> None:
    """Raises ModelError where an input has a size that only the user knows."""
    for place, port in enumerate(model.inputs):
        if place not in model.shapes and (axes := open_sizes(port)):
            named = "axis " + " and ".join(map(str, axes))
            shape = [1 if axis == 0 and axis in port.open_axes else size for axis, size in enumerate(port.shape)]
            example = "x".join(str(_EXAMPLE if axis in axes else max(size, 1)) for axis, size in enumerate(shape))
            name = f"{printed(port.name)}=" if len(model.inputs) > 1 else ""
            raise ModelError(
                f"{model.path}: its input '{printed(port.name)}' ({shape_words(port.shape, port.open_axes)}) leaves "
                f"the size of {named} open; give it with --shape {name}{example}, or with shape in a suite."
            )


def printed(name: str) -> str:
    """A name of a file for a message."""
    return "".join(character if character.isprintable() else "?" for character in name[:80])
