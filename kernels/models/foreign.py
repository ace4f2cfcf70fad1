"""Files and folders that are no models here, told by what is in them: what they are, and what to do."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

_KERAS = "convert it with larq_compute_engine.convert_keras_model, or with tf.lite.TFLiteConverter.from_keras_model"
_TORCH = "load it in PyTorch and export it with torch.onnx.export"
_SAVED = "convert it with tf.lite.TFLiteConverter.from_saved_model"
_FROZEN = "convert it with tf.compat.v1.lite.TFLiteConverter.from_frozen_graph"
_AGAIN = "download the file itself"
_SAID: Mapping[str, tuple[str, str]] = {
    "keras": ("is a Keras model", _KERAS),
    "torch": ("is a PyTorch file", _TORCH),
    "safetensors": ("holds weights without their network", f"load them into it, and {_TORCH.partition('and ')[2]}"),
    "saved": ("is a TensorFlow SavedModel", _SAVED),
    "frozen": (
        "is a TensorFlow graph or a part of a SavedModel",
        f"{_FROZEN}, or the SavedModel's folder with {_SAVED.partition('with ')[2]}",
    ),
    "onnx": ("is an ONNX model by its content", "rename it to .onnx"),
    "tflite": ("is a TensorFlow Lite model by its content", "rename it to .tflite"),
    "numpy": ("is a file of NumPy arrays", "name the model's own file"),
    "bundle": ("is an archive with models in it", "unpack it (it is a zip file) and name one of them"),
    "zip": ("is a zip archive", "unpack it and name the .tflite or .onnx file in it"),
    "compressed": ("is a compressed archive", "unpack it and name the .tflite or .onnx file in it"),
    "html": ("is a web page, not a model", f"{_AGAIN}, not the page about it"),
    "lfs": ("is a pointer of Git LFS, not the model", "get the file itself with git lfs pull"),
    "executorch": ("is an ExecuTorch program", "export the network to .onnx or .tflite"),
}
"""What a file is, and what to do with it."""

SUFFIXES: Mapping[str, str] = {
    **dict.fromkeys((".h5", ".hdf5", ".keras"), "keras"),
    **dict.fromkeys((".pt", ".pth"), "torch"),
    ".safetensors": "safetensors",
    ".pb": "frozen",
}
"""Of files that people name where a model is expected."""

_HEAD, _MOST_NAMES, _MOST_LISTED = 4096, 10_000, 4


def foreign(path: Path, suffix: str) -> str | None:
    """The sentence about a path that holds no model which the reader of `suffix` can read; None where it may, or where
    nothing can be read."""
    try:
        if path.is_dir():
            return _folder(path)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return None
    if not head:
        return f"{path} is empty; convert or copy the model again."
    kind = kind_of(head, path) or SUFFIXES.get(path.suffix.lower())
    if kind is None or f".{kind}" == suffix:
        return None
    what, how = _SAID[kind]
    return f"{path} {what}; {how}."


def kind_of(head: bytes, path: Path) -> str | None:
    """What a file is by its first bytes, and of a zip by the names in it."""
    return next((kind for kind, holds in _BY_BYTES.items() if holds(head)), None) or (
        _zip(path) if head[:4] == b"PK\x03\x04" else None
    )


def _starts(*marks: bytes, at: int = 0) -> Callable[[bytes], bool]:
    return lambda head: any(head[at : at + len(mark)] == mark for mark in marks)


def _is_page(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html"))


def _is_safetensors(head: bytes) -> bool:
    return int.from_bytes(head[:8], "little") < 1 << 27 and head[8:10] == b'{"'


def _is_onnx(head: bytes) -> bool:
    """A version of the format, and then who wrote it or the next of its fields."""
    return head[:1] == b"\x08" and 1 <= head[1] <= 20 and head[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a")


_BY_BYTES: Mapping[str, Callable[[bytes], bool]] = {
    "tflite": _starts(b"TFL3", at=4),
    "executorch": _starts(b"ET12", b"ET13", at=4),
    "keras": _starts(b"\x89HDF\r\n\x1a\n"),
    "torch": _starts(*(bytes([0x80, protocol]) for protocol in range(2, 6))),
    "html": _is_page,
    "lfs": _starts(b"version https://git-lfs"),
    "safetensors": _is_safetensors,
    "numpy": _starts(b"\x93NUMPY"),
    "compressed": _starts(b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd"),
    "onnx": lambda head: len(head) > 2 and _is_onnx(head),
}


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()[:_MOST_NAMES]
    except (zipfile.BadZipFile, OSError, ValueError, zlib.error, NotImplementedError):
        return "zip"
    if {"metadata.json", "config.json"} & set(names) and any(name.endswith(".h5") for name in names):
        return "keras"
    if any(name.endswith("/data.pkl") for name in names):
        return "torch"
    if any(name.lower().endswith((".tflite", ".onnx")) for name in names):
        return "bundle"
    return "numpy" if names and all(name.endswith(".npy") for name in names) else "zip"


def _folder(path: Path) -> str:
    if (path / "saved_model.pb").exists() or (path / "saved_model.pbtxt").exists():
        what, how = _SAID["saved"]
        return f"{path} {what}; {how}."
    found = sorted(item.name for item in path.iterdir() if item.suffix.lower() in (".tflite", ".onnx"))
    names = ", ".join("".join(c if c.isprintable() else "?" for c in name[:80]) for name in found[:_MOST_LISTED])
    more = f" and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
    return f"{path} is a folder; name " + (f"a model in it: {names}{more}." if found else "the .tflite file in it.")
