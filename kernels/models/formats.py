"""The formats of model files: how one is read, and becomes a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelError
from .foreign import SUFFIXES, foreign
from .graph import Graph
from .model import ModelFile

if TYPE_CHECKING:
    from .binary_layers import BinaryLayer
    from .description import Description


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """`suffix` of its files, with a dot. `as_written` gives a graph that computes what the file says where `to_graph`
    computes something else on purpose; it may be slow. `parse` reads what `resized` makes of a file's content: the
    same with other sizes of inputs. `layers` are its binary convolutions as kernel cases."""

    suffix: str
    read: Callable[[Path], ModelFile]
    parse: Callable[[bytes, Path], ModelFile]
    resized: Callable[[bytes, Mapping[int, tuple[int, ...]]], bytes]
    to_graph: Callable[[ModelFile, int], Graph]
    describe: Callable[[ModelFile], Description]
    as_written: Callable[[ModelFile], Graph]
    layers: Callable[[ModelFile], list[BinaryLayer]]


def _read_tflite(path: Path) -> ModelFile:
    from .tflite_file import read

    return read(path)


def _parse_tflite(content: bytes, path: Path) -> ModelFile:
    from .tflite_file import parse

    return parse(content, path)


def _resized_tflite(content: bytes, shapes: Mapping[int, tuple[int, ...]]) -> bytes:
    from .tflite_file import resized_tflite

    return resized_tflite(content, shapes)


def _parse_onnx(content: bytes, path: Path) -> ModelFile:
    from .onnx_file import parse_onnx

    return parse_onnx(content, path)


def _resized_onnx(content: bytes, shapes: Mapping[int, tuple[int, ...]]) -> bytes:
    from .onnx_file import resized_onnx

    return resized_onnx(content, shapes)


def _tflite_graph(model: ModelFile, batch: int = 1) -> Graph:
    from .importer import import_model

    return import_model(model, batch)


def _describe_tflite(model: ModelFile) -> Description:
    from .description import describe

    return describe(model)


def _describe_onnx(model: ModelFile) -> Description:
    from .onnx_importer.description import describe_onnx

    return describe_onnx(model)


def _tflite_layers(model: ModelFile) -> list[BinaryLayer]:
    from .binary_layers import binary_layers

    return binary_layers(model)


def _onnx_layers(model: ModelFile) -> list[BinaryLayer]:
    from .onnx_importer.layers import onnx_layers

    return onnx_layers(model)


def _read_onnx(path: Path) -> ModelFile:
    try:
        from .onnx_file import read_onnx
    except ImportError:
        raise ModelError(f'{path} needs the package onnx; install it: pip install "bnnbench[onnx]".') from None
    return read_onnx(path)


def _onnx_graph(model: ModelFile, batch: int) -> Graph:
    from .onnx_importer import import_onnx

    return import_onnx(model, batch)


def _onnx_as_written(model: ModelFile) -> Graph:
    from .onnx_importer import import_onnx

    return import_onnx(model, keeps_zeros=True)


FORMATS: Mapping[str, ModelFormat] = {
    "tflite": ModelFormat(
        ".tflite",
        _read_tflite,
        _parse_tflite,
        _resized_tflite,
        _tflite_graph,
        _describe_tflite,
        as_written=_tflite_graph,
        layers=_tflite_layers,
    ),
    "onnx": ModelFormat(
        ".onnx",
        _read_onnx,
        _parse_onnx,
        _resized_onnx,
        _onnx_graph,
        _describe_onnx,
        as_written=_onnx_as_written,
        layers=_onnx_layers,
    ),
}
"""By the name that `ModelFile.format` has, which is also what engines that load such files accept."""


def is_model_file(name: str) -> bool:
    """Whether a file's name says that it is a model, also one that must be converted first."""
    return name.lower().endswith((*(known.suffix for known in FORMATS.values()), *SUFFIXES))


def looks_like_model(path: Path) -> bool:
    """Whether this is a model or what people take for one, by name or content; suites are `.toml`."""
    if path.suffix.lower() == ".toml":
        return False
    return is_model_file(path.name) or path.is_dir() or foreign(path, "") is not None


def read_model(path: str | Path) -> ModelFile:
    """The model in a file, by its suffix; of another one, a TensorFlow Lite model is expected. Raises ModelError, also
    for what is something else by its content."""
    path = Path(path)
    found = next((known for known in FORMATS.values() if path.name.lower().endswith(known.suffix)), FORMATS["tflite"])
    if said := foreign(path, found.suffix):
        raise ModelError(said)
    return found.read(path)


def graph_of(model: ModelFile, batch: int = 1) -> Graph:
    """What a model computes, for `batch` times the images that the file says. Raises ModelError."""
    return FORMATS[model.format].to_graph(model, batch)
