"""Folders of JPEG and PNG files as datasets: their labels, what is hostile in them, and what is drawn."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.kernels.errors import DatasetError
from bnnbench.kernels.models.datasets import image_folder, labelled
from bnnbench.kernels.models.datasets.decoding import UndecodableError, bombs_refused, decode
from bnnbench.kernels.models.datasets.image_folder import decoded
from bnnbench.kernels.models.datasets.listing import listed
from bnnbench.kernels.models.datasets.preparation import preparation
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read
from tests.kernels.image_files import COLOUR, DEEP, GREY, chunks_of, folder, of_16_bits, opened, png, random_image

# Labels


def test_class_folders_in_their_order(tmp_path: Path) -> None:
    one = png(COLOUR)
    path = folder(tmp_path, dog=[one], cat=[one, one], Zebra=[one])
    (path / ".hidden").mkdir()
    (path / "cat" / ".DS_Store").touch()
    (path / "notes.txt").touch()
    (path / "cat" / "more").mkdir()
    (path / "cat" / "more" / "x.JPeG").write_bytes(one)
    found = listed(path)
    assert found.files == ("Zebra/0.png", "cat/0.png", "cat/1.png", "cat/more/x.JPeG", "dog/0.png")
    assert found.labels.tolist() == [0, 1, 1, 1, 2]
    assert found.classes == ("Zebra", "cat", "dog")
    assert found.left_out == ()


def test_numbers_as_class_folders_are_the_labels(tmp_path: Path) -> None:
    """Sorted as text, 10 would be class 1."""
    one = png(COLOUR)
    found = listed(folder(tmp_path, **{"2": [one], "10": [one], "007": [one]}))
    assert dict(zip(found.files, found.labels.tolist(), strict=True)) == {"007/0.png": 7, "10/0.png": 10, "2/0.png": 2}
    assert found.classes == ()


def test_what_is_no_image_with_a_label_is_left_out_and_named(tmp_path: Path) -> None:
    one = png(COLOUR)
    path = folder(tmp_path / "set", a=[one], b=[one])
    (path / "loose.png").write_bytes(one)
    (path / "a" / "x.webp").write_bytes(one)
    (path / "a" / "gone.png").symlink_to("nowhere")
    (path / "a" / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(path / "a" / "pipe.png")
    (path / "a" / "loop").symlink_to("..")
    (path / "a" / "self.png").symlink_to("self.png")
    (path / "c").symlink_to("a")
    (tmp_path / "other.png").write_bytes(one)
    (path / "b" / "linked.png").symlink_to(tmp_path / "other.png")  # as DVC and git-annex lay them out
    found = opened(path, (5, 5, 3), None, "[0,1]")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.excluded == (
        "c: a link to a folder, which is not followed",
        "loose.png: it is outside the class folders, so it has no label",
        "a/gone.png: a link to nothing that can be read",
        "a/loop: a link to a folder, which is not followed",
        "a/pipe.png: not a regular file",
        "a/self.png: a link to nothing that can be read",
        "a/x.webp: neither .jpg nor .png",
        "a/zero.png: a link to nothing that can be read",
    )


def test_labels_of_a_csv(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("b.png", "a.png", "x/ü, c.png"):
        (tmp_path / name).write_bytes(png(COLOUR))
    path = tmp_path / "labels.csv"
    path.write_text('\ufefffile,label\nb.png,7\n\n"x/ü, c.png",3\n', "utf-8")
    found = listed(tmp_path)
    assert (found.files, found.labels.tolist(), found.classes) == (("b.png", "x/ü, c.png"), [7, 3], ())
    path.write_text("file, label\r\nb.png, dog\r\na.png,cat\r\n")
    found = listed(tmp_path)
    assert (found.files, found.labels.tolist(), found.classes) == (("b.png", "a.png"), [1, 0], ("cat", "dog"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "labels.csv begins with ''; its first line must be file,label."),
        (b"a.png,3\n", "labels.csv begins with 'a.png,3'; its first line must be file,label."),
        (b"file,label\n", "labels.csv names no image; write a line FILE,LABEL for each."),
        (b"file,label\na.png\n", "line 2: it has 1 columns, and must have two."),
        (b"file,label\na.png,1,2\n", "line 2: it has 3 columns"),
        (b"file,label\na.png,1\na.png,1\n", "line 3: a.png is listed twice"),
        (b"file,label\na.png,1\n./a.png,2\n", "line 3: ./a.png is listed twice"),
        (b"file,label\nb.png,1\n", "line 2: b.png is not a file in"),
        (b"file,label\n../a.png,1\n", "line 2: '../a.png' is not a path of a file in this folder."),
        (b"file,label\n/etc/passwd,1\n", "line 2: '/etc/passwd' is not a path"),
        (b"file,label\n,1\n", "line 2: '' is not a path"),
        (b"file,label\na.png,-1\n", "the label '-1'; labels are whole numbers from 0, or names of classes."),
        (b"file,label\na.png,1.5\n", "the label '1.5'; labels are"),
        (b"file,label\na.png,99999999\n", "the label '99999999'; labels are"),
        (b"file,label\na.png,\n", "has a line without a label"),
        (b"file,label\na.png,3\nc.png,cat\n", "has the label 'cat' among labels that are numbers from 0"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b'file,label\n"a.png,3\n', "it is not a CSV"),
        (b"file,label\na.png\0,3\n", "labels.csv"),
    ],
)
def test_a_csv_that_is_wrong(tmp_path: Path, content: bytes, says: str) -> None:
    for name in ("a.png", "c.png"):
        (tmp_path / name).write_bytes(png(COLOUR))
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        listed(tmp_path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_that_hold_no_labelled_images(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no folders of images: sort its images .* or write a labels\.csv"):
        listed(tmp_path)
    (tmp_path / "a").symlink_to("/")
    with pytest.raises(DatasetError, match="has no folders of images; links to folders are not followed: sort"):
        listed(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"the class folder .*/b holds no image \(\.jpg, \.png\); remove it"):
        listed(tmp_path)
    (tmp_path / "labels.csv").mkdir()
    with pytest.raises(DatasetError, match=r"labels\.csv is not a regular file"):
        listed(tmp_path)


# Broken and hostile images


def bomb(width: int, height: int) -> bytes:
    return chunks_of(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"")


GIF = io.BytesIO()
PIL.Image.fromarray(GREY).save(GIF, "GIF")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "neither JPEG nor PNG"),
        (b"no image", "neither JPEG nor PNG"),
        (GIF.getvalue(), "neither JPEG nor PNG"),
        (png(COLOUR)[:-30], ""),
        (png(COLOUR)[:20], ""),
        (bomb(60_000, 60_000), "more than 89,478,485 pixels"),
        (bomb(10_000, 9_000), "more than 89,478,485 pixels"),
        (bomb(5, 5), ""),
        (png(np.zeros((1, 2_000_000), np.uint8)), "1x2000000 pixels are too long and thin to be scaled"),
    ],
)
def test_a_broken_image_is_left_out_and_named(tmp_path: Path, content: bytes, why: str) -> None:
    path = folder(tmp_path, a=[png(COLOUR), content, png(COLOUR[::-1])])
    found = opened(path, (5, 5, 3), "crop", "[0,1]")
    assert len(found) == 2
    (said,) = found.excluded
    assert said.startswith("a/1.png: ")
    assert why in said
    assert "\n" not in said
    assert found.whole is not None
    assert (len(found.whole), found.of_images, found.seed) == (3, 2, None)
    assert found.chosen is not None
    assert found.chosen.tolist() == [0, 2]


def test_many_broken_images_are_an_error(tmp_path: Path) -> None:
    path = folder(tmp_path, a=[b"x", png(COLOUR), b"y", png(COLOUR)])
    with pytest.raises(DatasetError) as caught:
        opened(path, (5, 5, 3), None, "[0,1]")
    assert "2 images of" in str(caught.value)
    assert "more than one in a hundred of 4 (a/0.png: neither JPEG nor PNG; a/2.png: " in str(caught.value)
    with pytest.raises(DatasetError, match=r"no image of .* can be read \(a/0\.png: neither"):
        opened(folder(tmp_path / "one", a=[b"x"]), (5, 5, 3), None, "[0,1]")


def test_a_file_that_is_no_longer_there(tmp_path: Path) -> None:
    listing = listed(folder(tmp_path, a=[png(COLOUR), png(COLOUR)]))
    (tmp_path / "a" / "0.png").unlink()
    os.mkfifo(tmp_path / "a" / "0.png")  # which is not waited for
    found = decoded(listing, (5, 5, 3), preparation(None, "[0,1]", ""), "m")
    assert found.excluded == ("a/0.png: neither JPEG nor PNG",)


def test_what_was_not_drawn_counts_against_all(tmp_path: Path) -> None:
    listing = listed(folder(tmp_path, a=[png(COLOUR)] * 200))
    drawn = decoded(listing, (5, 5, 3), preparation(None, "[0,1]", ""), "m", count=10).chosen
    assert drawn is not None
    gone = [place for place in range(200) if place not in drawn][:2]
    for place in gone:
        (tmp_path / listing.files[place]).unlink()
    found = decoded(listing, (5, 5, 3), preparation(None, "[0,1]", ""), "m", count=10)
    assert (len(found), found.broken) == (10, 0)
    assert found.excluded == tuple(f"{listing.files[place]}: No such file or directory" for place in gone)


def test_folders_that_are_too_deep_are_a_sentence(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "/".join("d" * 60)
    deep.mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"more than 50 folders deep; move its images up\.$"):
        listed(tmp_path)


@pytest.mark.parametrize(("resize", "normalize"), [(["crop"], "[0,1]"), (None, [-1, 1]), (None, (0.5, 0.5))])
def test_what_is_not_text_is_a_sentence(resize: Any, normalize: Any) -> None:
    with pytest.raises(DatasetError, match="must be text, such as"):
        preparation(resize, normalize, "")


SOURCES = (png(COLOUR), png(np.dstack([GREY] * 3), "P"), of_16_bits(DEEP))


@given(which=st.integers(0, 3), cut=st.integers(0, 900), data=st.binary(max_size=40), keeps=st.booleans())
def test_hostile_bytes_are_a_reason(which: int, cut: int, data: bytes, keeps: bool) -> None:
    jpeg = io.BytesIO()
    PIL.Image.fromarray(COLOUR).save(jpeg, "JPEG")
    whole = (*SOURCES, jpeg.getvalue())[which]
    content = whole[:cut] + data + (whole[cut + len(data) :] if keeps else b"")
    for channels, mode in ((1, "L"), (3, "RGB")):
        said, found = "", None
        with bombs_refused():
            try:
                found = decode(content, channels, uprights=True)
            except UndecodableError as error:
                said = str(error)
        assert "\n" not in said
        assert bool(said) != (found is not None and found.mode == mode)


# The dataset


@pytest.fixture
def twenty(tmp_path: Path) -> Path:
    values = [np.full((4, 4, 1), number * 10, np.uint8) for number in range(20)]
    return folder(tmp_path / "twenty", a=[png(one) for one in values[:10]], b=[png(one) for one in values[10:]])


def test_a_subset_is_drawn_as_from_arrays(twenty: Path) -> None:
    whole = opened(twenty, (4, 4, 1), None, "[0,1]")
    part = opened(twenty, (4, 4, 1), None, "[0,1]", count=7, seed=3)
    same = whole.subset(7, 3)
    assert (part.images == same.images).all()
    assert (part.labels == same.labels).all()
    assert (part.seed, part.of_images, len(part)) == (3, 20, 7)
    assert part.whole is not None
    assert whole.whole is not None
    assert part.whole.sha256 == whole.whole.sha256
    assert part.sha256 != whole.sha256
    assert part.name == whole.name == "twenty ([0,1])"
    for count in (0, -1, 21):
        with pytest.raises(DatasetError, match=f"the dataset twenty has 20 images, not {count}"):
            opened(twenty, (4, 4, 1), None, "[0,1]", count=count)


def test_unlike_preparation_is_another_dataset(twenty: Path) -> None:
    """By name and by digest, so that no two figures are compared."""

    def known(resize: str | None = None, normalize: str = "[0,1]") -> tuple[str, str]:
        found = opened(twenty, (4, 4, 1), resize, normalize, count=2)
        assert found.whole is not None
        return found.name, found.whole.sha256

    first = known()
    assert known() == first
    others = [known(*words) for words in [("crop",), ("stretch",), (None, "[-1,1]"), (None, "mean=0.1 std=1")]]
    assert len({first, *others}) == 5
    assert len({digest for _, digest in [first, *others]}) == 5
    assert known("crop")[0] == "twenty (crop, [0,1])"
    digests = set()
    for label in (3, 4):  # of an image that is not drawn
        rows = [f"a/{number}.png,{label if number == 9 else 3}" for number in range(10)]
        (twenty / "labels.csv").write_text("\n".join(["file,label", *rows]))
        found = opened(twenty, (4, 4, 1), None, "[0,1]", count=2)
        assert found.chosen is not None
        assert 9 not in found.chosen
        assert found.whole is not None
        digests.add(found.whole.sha256)
    (twenty / "a" / "9.png").write_bytes(png(np.ones((4, 4), np.uint8)))
    found = opened(twenty, (4, 4, 1), None, "[0,1]", count=2)
    assert found.whole is not None
    assert len({*digests, found.whole.sha256}) == 3


def test_what_memory_would_not_hold_lies_in_a_file(
    twenty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = opened(twenty, (4, 4, 1), None, "[0,1]")
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image_folder, "MOST_IN_MEMORY", 100)
    large = opened(twenty, (4, 4, 1), None, "[0,1]")
    assert isinstance(large.images, np.memmap)
    assert list((tmp_path / "cache").iterdir()) == []
    assert (large.images == small.images).all()
    assert large.sha256 == small.sha256
    monkeypatch.setenv("BNNBENCH_CACHE", str(twenty / "a" / "0.png" / "cache"))
    with pytest.raises(DatasetError, match=r"take 0\.0 GB in .* while they are used \(Not a directory\)"):
        opened(twenty, (4, 4, 1), None, "[0,1]")
    monkeypatch.setattr(image_folder, "_LARGEST_BYTES", 100)
    with pytest.raises(DatasetError, match=r"choose fewer \(images in a suite, --images\)"):
        opened(twenty, (4, 4, 1), None, "[0,1]")


def test_progress_is_told(twenty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_folder, "_AT_ONCE", 8)
    told: list[tuple[int, int]] = []
    opened(twenty, (4, 4, 1), None, "[0,1]", progress=lambda done, of: told.append((done, of)))
    assert told == [(0, 20), (8, 20), (16, 20)]


def test_a_model_says_which_size(tmp_path: Path) -> None:
    graph = import_model(read(shipped_models()["quicknet_xs"]))
    path = folder(tmp_path / "set", **{"3": [png(random_image(30, 40))]})
    found = labelled(str(path), graph, "quicknet_xs", resize="crop", normalize="[0,1]")
    assert found.images.shape == (1, 28, 28, 1)
    arrays = tmp_path / "x.npz"
    np.savez(arrays, images=found.images, labels=found.labels, scale=1 / 255)
    assert (labelled(str(arrays), graph, "m").inputs(slice(None)) == found.inputs(slice(None))).all()
    for word in ("resize", "normalize"):
        with pytest.raises(DatasetError, match=f"{word} is for folders of images, and .*x.npz holds arrays"):
            labelled(str(arrays), graph, "m", **{word: "crop"})  # type: ignore[arg-type]
    (path / "3").rename(path / "10")
    with pytest.raises(DatasetError, match="has a label 10, and quicknet_xs knows the classes 0 to 9"):
        labelled(str(path), graph, "quicknet_xs", normalize="[0,1]")
