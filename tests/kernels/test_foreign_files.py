"""What is no model file here is told by its content, in one sentence that says what to do."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import looks_like_model, read_model
from tests.kernels.onnx_models.builder import Network

TFLITE = (Path(__file__).parents[1] / "golden" / "tiny_larq.tflite").read_bytes()


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, images=np.zeros(3))
    return file.getvalue()


def onnx() -> bytes:
    net = Network((1, 3, 8, 8))
    content: bytes = net.model(net.op("Relu", "x")).SerializeToString()
    return content


FILES = {
    "h5": ("m.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "is a Keras model; convert it with larq_compute_engine"),
    "h5 in disguise": ("m.tflite", b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "is a Keras model; convert"),
    "keras": ("m.keras", zipped("metadata.json", "config.json", "model.weights.h5"), "is a Keras model; convert"),
    "broken keras": ("m.keras", b"nothing", "is a Keras model; convert"),
    "pt": ("m.pt", zipped("m/data.pkl", "m/data/0"), "is a PyTorch file; load it in PyTorch and export it with"),
    "old pth": ("m.pth", b"\x80\x02\x8a\nl\xfc", "is a PyTorch file; load"),
    "unknown pth": ("m.pth", b"?" * 40, "is a PyTorch file; load"),
    "safetensors": ("m.safetensors", (20).to_bytes(8, "little") + b'{"a":1}', "holds weights without their network;"),
    "pb": ("m.pb", b"\x0a\x05abcde", "is a TensorFlow graph or a part of a SavedModel; convert"),
    "page": ("m.tflite", b"\n<!DOCTYPE html>\n<html>", "is a web page, not a model; download the file itself"),
    "pointer": ("m.tflite", b"version https://git-lfs.example/spec/v1\noid", "is a pointer of Git LFS, not the model;"),
    "zip": ("m.tflite", zipped("readme.txt"), "is a zip archive; unpack it"),
    "damaged zip": ("m.tflite", b"PK\x03\x04" + b"\0" * 40, "is a zip archive; unpack it"),
    "bundle": ("m.task", zipped("a.tflite", "b.tflite"), "is an archive with models in it; unpack it"),
    "gzip": ("m.tflite", b"\x1f\x8b\x08" + b"\0" * 20, "is a compressed archive; unpack it"),
    "arrays": ("m.tflite", npz(), "is a file of NumPy arrays; name the model's own file"),
    "onnx": ("m.tflite", onnx(), "is an ONNX model by its content; rename it to .onnx"),
    "tflite": ("m.onnx", TFLITE, "is a TensorFlow Lite model by its content; rename it to .tflite"),
    "empty": ("m.tflite", b"", "is empty; convert or copy the model again"),
    "empty onnx": ("m.onnx", b"", "is empty; convert or copy the model again"),
}


@pytest.mark.parametrize("name", FILES)
def test_each_is_one_sentence_that_says_what_to_do(name: str, tmp_path: Path) -> None:
    file, content, said = FILES[name]
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(ModelError) as error:
        read_model(path)
    assert str(error.value).startswith(f"{path} {said}")
    assert str(error.value).endswith(".")
    assert looks_like_model(path)


def test_folders(tmp_path: Path) -> None:
    for files, said in (
        (["saved_model.pb"], "is a TensorFlow SavedModel; convert it with tf.lite.TFLiteConverter.from_saved_model."),
        (["b.tflite", "a\x1b.onnx", "c.txt"], "is a folder; name a model in it: a?.onnx, b.tflite."),
        ([], "is a folder; name the .tflite file in it."),
    ):
        folder = tmp_path / f"of {len(files)}"
        folder.mkdir()
        for name in files:
            (folder / name).touch()
        with pytest.raises(ModelError) as error:
            read_model(folder)
        assert str(error.value) == f"{folder} {said}"


def test_a_model_is_one_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "network.lite"
    path.write_bytes(TFLITE)
    assert read_model(path).ops
    assert looks_like_model(path)
    (tmp_path / "suite.toml").write_text("")
    (tmp_path / "suite").write_text('name = "s"\n')
    assert not looks_like_model(tmp_path / "suite.toml")
    assert not looks_like_model(tmp_path / "suite")


def test_what_cannot_be_opened_is_left_to_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tflite")
    for name, said in (("pipe.tflite", "is not an ordinary file"), ("gone.tflite", "cannot be read: No such file")):
        with pytest.raises(ModelError, match=said):
            read_model(tmp_path / name)
