"""Labelled images: the shipped ones, the user's own, and what is said of bad ones."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.kernels.errors import DatasetError
from bnnbench.kernels.models.datasets import Dataset, Preprocessing, fitting, open_dataset, sources
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def fashion() -> Dataset:
    return open_dataset("fashion-mnist")


def test_the_shipped_images(fashion: Dataset) -> None:
    assert fashion.images.shape == (10_000, 28, 28, 1)
    assert np.bincount(fashion.labels).tolist() == [1000] * 10
    assert len(fashion.classes) == 10
    inputs = fashion.inputs(slice(0, 3))
    assert inputs.dtype == np.float32
    assert inputs.min() == np.float32(np.float32(-0.2860 / 0.3530))
    whole = fashion.inputs(slice(None))
    assert abs(float(whole.mean())) < 0.01
    assert float(whole.std()) == pytest.approx(1.0, abs=0.01)
    assert (sources._SHIPPED / "LICENSE").read_text().startswith("The MIT License")


def test_the_training_images_come_from_the_system() -> None:
    if not sources._DEBIAN.is_dir():
        with pytest.raises(DatasetError, match="install Debian's package dataset-fashion-mnist"):
            open_dataset("fashion-mnist-train")
        pytest.skip("the package dataset-fashion-mnist is not installed")
    assert open_dataset("fashion-mnist-train").images.shape == (60_000, 28, 28, 1)


def test_other_content_is_refused(tmp_path: Path) -> None:
    part = sources._Part(tmp_path, "t10k", 10_000, "0" * 64, "0" * 64, "mend it")
    with pytest.raises(DatasetError, match="does not exist; mend it"):
        part.load()
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(bytes(16 + 10_000 * 784)))
    with pytest.raises(DatasetError, match="sha256 differs; mend it"):
        part.load()
    for damaged in (b"", b"no gzip", path.read_bytes()[:-20]):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError):
            part.load()


@given(st.integers(1, 10_000), st.integers(0, 5))
def test_subsets_are_repeatable_and_ordered(count: int, seed: int) -> None:
    images = np.arange(10_000, dtype=np.uint16).view(np.uint8).reshape(10_000, 1, 1, 2)
    whole = Dataset("x", images, np.arange(10_000), Preprocessing(1.0, 0.0))
    part = whole.subset(count, seed)
    assert len(part) == count
    assert (np.diff(part.labels) > 0).all()
    assert (part.labels == whole.subset(count, seed).labels).all()
    assert (part.images == whole.images[part.labels]).all()
    if count < 10_000:
        assert part.whole is whole
        assert part.chosen is not None
        assert (part.chosen == part.labels).all()
        assert part.sha256 != whole.sha256


@pytest.mark.parametrize("count", [0, 10_001])
def test_subsets_that_cannot_be(fashion: Dataset, count: int) -> None:
    with pytest.raises(DatasetError, match="has 10000 images"):
        fashion.subset(count, 0)


def own(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


IMAGES = np.zeros((4, 28, 28, 1), np.uint8)
LABELS = np.array([0, 1, 2, 9])


def test_own_npz_and_folder_are_the_same(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    npz = own(tmp_path / "x.npz", images=images, labels=LABELS, scale=0.5, offset=-1.0, classes=["a", "b"])
    folder = tmp_path / "folder"
    folder.mkdir()
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", LABELS.astype(np.uint8))
    (folder / "dataset.toml").write_text('scale = 0.5\noffset = -1\nclasses = ["a", "b"]\n')
    one, other = open_dataset(npz), open_dataset(str(folder))
    assert one.sha256 == other.sha256
    assert one.classes == other.classes == ("a", "b")
    assert (one.inputs(slice(1, 2)) == images[1:2] * np.float32(0.5) - 1).all()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": IMAGES, "labels": LABELS, "offset": 1.0}, "an offset and no scale"),
        ({"images": IMAGES, "labels": LABELS, "scale": np.nan}, "scale is nan"),
        ({"images": IMAGES, "labels": LABELS, "scale": "x"}, "scale is 'x'"),
        ({"images": IMAGES.astype(np.float64), "labels": LABELS}, "images are float64"),
        ({"images": IMAGES.astype(np.float32), "labels": LABELS, "scale": 1.0}, "leave it out"),
        ({"images": np.full((4, 2, 2, 1), np.inf, np.float32), "labels": LABELS}, "not finite"),
        ({"images": IMAGES, "labels": LABELS[:3], "scale": 1.0}, "4 whole numbers"),
        ({"images": IMAGES, "labels": LABELS / 2, "scale": 1.0}, "4 whole numbers"),
        ({"images": IMAGES, "labels": LABELS - 1, "scale": 1.0}, "from -1 to 8"),
        ({"images": IMAGES[:0], "labels": LABELS[:0], "scale": 1.0}, "n above 0"),
        ({"images": IMAGES}, "no array 'labels'"),
        ({"images": IMAGES, "labels": np.array([None] * 4)}, "cannot be read"),
        ({"images": IMAGES, "labels": LABELS, "scale": 1.0, "classes": [1]}, "list of names"),
    ],
)
def test_own_files_that_are_wrong(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    with pytest.raises(DatasetError, match=says) as caught:
        open_dataset(own(tmp_path / "x.npz", **arrays))
    assert "x.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(data=st.binary(max_size=300), cut=st.integers(0, 400))
def test_hostile_files_are_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int) -> None:
    path = tmp_path_factory.mktemp("hostile") / "x.npz"
    own(path, images=IMAGES, labels=LABELS, scale=1.0)
    whole = path.read_bytes()
    for content in (data, whole[:cut], whole[:cut] + data + whole[cut + len(data) :]):
        path.write_bytes(content)
        said = ""
        try:
            open_dataset(str(path))
        except DatasetError as error:
            said = str(error)
        assert "\n" not in said


def test_folders_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no images\.npy"):
        open_dataset(str(tmp_path))
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "labels.npy", LABELS)
    (tmp_path / "dataset.toml").write_text("scale = ")
    with pytest.raises(DatasetError, match="not valid TOML"):
        open_dataset(str(tmp_path))
    (tmp_path / "dataset.toml").write_text("scales = 1")
    with pytest.raises(DatasetError, match="unknown key 'scales'"):
        open_dataset(str(tmp_path))
    with pytest.raises(DatasetError, match="there is no dataset 'nope'"):
        open_dataset("nope")


def test_what_does_not_fit_a_model_is_said(fashion: Dataset) -> None:
    graph = import_model(read(shipped_models()["quicknet_xs"]))
    grey = Dataset("grey", fashion.images[:5, :, :, 0], fashion.labels[:5], fashion.preprocessing)
    assert fitting(grey, graph, "m").images.shape == (5, 28, 28, 1)
    with pytest.raises(DatasetError, match=r"are 28x28x1, and tiny_larq takes 32x32x3"):
        fitting(fashion, import_model(read(GOLDEN / "tiny_larq.tflite")), "tiny_larq")
    with pytest.raises(DatasetError, match="has a label 10, and m knows the classes 0 to 9"):
        fitting(Dataset("x", fashion.images[:1], np.array([10]), fashion.preprocessing), graph, "m")
    with pytest.raises(DatasetError, match="x: uint8 images need a scale"):
        fitting(Dataset("x", fashion.images[:1], np.array([1]), None), graph, "m")
    with pytest.raises(DatasetError, match="are int8, and m takes f32"):
        fitting(Dataset("x", fashion.images[:1].astype(np.int8), np.array([1]), None), graph, "m")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["password", "header", "pipe"])
def test_files_that_numpy_cannot_read_are_a_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, images=np.zeros((2, 4, 4, 1), np.float32), labels=np.zeros(2, np.int64))
    content = bytearray(path.read_bytes())
    if kind == "password":
        for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(mark) + place] |= 1  # the bit that says so
        path.write_bytes(content)
    else:
        path.unlink()
        path = tmp_path
        (path / "labels.npy").write_bytes(b"\x93NUMPY\x01\x00\x04\x00{{{\n")
        if kind == "pipe":
            os.mkfifo(path / "images.npy")
        else:
            (path / "images.npy").write_bytes(b"\x93NUMPY\x01\x00\x04\x00{{{\n")
    with pytest.raises(DatasetError, match=r"cannot be read as a dataset|not a regular file"):
        open_dataset(str(path))
