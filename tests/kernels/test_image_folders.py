"""Folders of JPEG and PNG files as datasets: sizes and values by arithmetic of the test's own, and what is hostile."""

from __future__ import annotations

import io
import itertools
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import DatasetError
from bnnbench.kernels.models.datasets import Dataset, image_folder, labelled
from bnnbench.kernels.models.datasets.decoding import UndecodableError, bombs_refused, decode
from bnnbench.kernels.models.datasets.image_folder import decoded
from bnnbench.kernels.models.datasets.listing import listed
from bnnbench.kernels.models.datasets.preparation import NORMALIZATIONS, preparation
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read

GOLDEN = Path(__file__).parents[1] / "golden"
RNG = np.random.default_rng(5)


def random_image(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    """Smooth enough that it is not all noise, with sharp edges."""
    return (RNG.integers(0, 256, (height, width, channels)) // 64 * 60 + RNG.integers(0, 50)).astype(np.uint8)


def png(values: NDArray[Any], mode: str | None = None, **words: Any) -> bytes:
    file = io.BytesIO()
    image = PIL.Image.fromarray(values if values.ndim < 3 or values.shape[2] > 1 else values[:, :, 0])
    (image if mode is None else image.convert(mode)).save(file, "PNG", **words)
    return file.getvalue()


def folder(path: Path, **classes: list[bytes]) -> Path:
    """Class folders with files 0.png, 1.png ..."""
    for name, contents in classes.items():
        (path / name).mkdir(parents=True)
        for number, content in enumerate(contents):
            (path / name / f"{number}.png").write_bytes(content)
    return path


def opened(path: Path, shape: tuple[int, int, int], resize: str | None, normalize: str, **words: Any) -> Dataset:
    return decoded(listed(path), shape, preparation(resize, normalize, str(path)), "m.tflite", **words)


def only(path: Path, content: bytes, shape: tuple[int, int, int], resize: str | None = None) -> NDArray[Any]:
    """What a model sees of one image, from 0 to 255."""
    values: NDArray[Any] = opened(folder(path, a=[content]), shape, resize, "[0,255]").inputs(slice(0, 1))[0]
    return values


# Size


def triangle(values: NDArray[Any], to: int) -> NDArray[np.float64]:
    """Axis 0 resampled with a triangle as wide as the step, where it is larger than one: antialiased bilinear."""
    of = len(values)
    step = of / to
    reach = max(step, 1.0)
    rows = []
    for number in range(to):
        centre = (number + 0.5) * step
        weights = [max(0.0, 1 - abs((place + 0.5 - centre) / reach)) for place in range(of)]
        total = sum(weights)
        rows.append(sum(weight / total * values[place].astype(float) for place, weight in enumerate(weights)))
    return np.array(rows)


def bilinear(values: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    return triangle(triangle(values, height).swapaxes(0, 1), width).swapaxes(0, 1)


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (9, 13), (37, 37), (32, 32), (33, 120)])
def test_crop_scales_the_shorter_side_and_takes_the_middle(tmp_path: Path, height: int, width: int) -> None:
    """32 of 37 (32 / 0.875 = 36.57), as torchvision: Resize(37), then CenterCrop(32)."""
    values = random_image(height, width)
    short = 37
    tall, wide = (short, int(short * width / height)) if height <= width else (int(short * height / width), short)
    scaled = bilinear(values, tall, wide)
    top, left = int(round((tall - 32) / 2.0)), int(round((wide - 32) / 2.0))  # noqa: RUF046 - as torchvision has it
    found = only(tmp_path, png(values), (32, 32, 3), "crop")
    assert np.abs(found - scaled[top : top + 32, left : left + 32]).max() <= 1.5


def test_crop_of_a_model_that_takes_no_squares(tmp_path: Path) -> None:
    """Both sides of the middle are there, whichever is the shorter by comparison."""
    values = random_image(30, 90)
    found = only(tmp_path, png(values), (14, 28, 3), "crop")  # 16x32 around it; 30 -> 16, 90 -> 48
    assert np.abs(found - bilinear(values, 16, 48)[1:15, 10:38]).max() <= 1.5


@pytest.mark.parametrize(("height", "width"), [(40, 60), (9, 13), (32, 24)])
def test_stretch_takes_the_whole(tmp_path: Path, height: int, width: int) -> None:
    values = random_image(height, width)
    found = only(tmp_path, png(values), (32, 24, 3), "stretch")
    assert np.abs(found - bilinear(values, 32, 24)).max() <= 1.5


def keys(distance: float) -> float:
    """Keys' cubic convolution with a = -0.75."""
    x, a = abs(distance), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


@pytest.mark.parametrize(
    ("height", "width", "side"), [(80, 100, 32), (101, 64, 32), (64, 101, 32), (20, 20, 32), (80, 90, 28)]
)
def test_larq_zoo_is_its_middle_and_bicubic_without_antialiasing(
    tmp_path: Path, height: int, width: int, side: int
) -> None:
    """By its training/data.py: the crop is side / (side + 32) of the shorter one, and TensorFlow 1's `resize_bicubic`
    looks its weights up at steps of 1/1024."""
    values = random_image(height, width).astype(float)
    crop = int(side / (side + 32) * min(height, width))
    top, left = (height - crop + 1) // 2, (width - crop + 1) // 2
    middle = values[top : top + crop, left : left + crop]
    found = only(tmp_path, png(values.astype(np.uint8)), (side, side, 3), "larq-zoo")
    assert found.dtype == np.float32

    def weights(number: int) -> list[tuple[int, float]]:
        at = number * crop / side
        first = math.floor(at)
        delta = round((at - first) * 1024) / 1024
        return [(min(max(first + k, 0), crop - 1), keys(k - delta)) for k in (-1, 0, 1, 2)]

    for row, column in itertools.product((0, 1, 15, side - 2, side - 1), (0, 2, 17, side - 1)):
        wanted = sum(u * v * middle[y, x] for y, u in weights(row) for x, v in weights(column))
        assert found[row, column] == pytest.approx(wanted, abs=2e-3)


def test_larq_zoo_makes_squares(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"0\.png: resize = 'larq-zoo' makes squares, and the model takes 32x24\."):
        only(tmp_path, png(random_image(40, 40)), (32, 24, 3), "larq-zoo")


def test_without_resize_images_have_the_size(tmp_path: Path) -> None:
    values = random_image(5, 7)
    assert (only(tmp_path / "right", png(values), (5, 7, 3)) == values).all()
    with pytest.raises(DatasetError) as caught:
        only(tmp_path / "wrong", png(values), (7, 5, 3))
    assert str(caught.value).endswith(
        "a/0.png is 5x7 (height x width), and m.tflite takes 7x5; say how images are resized (resize in a suite, "
        "--resize): crop, stretch, larq-zoo."
    )


# Values


@pytest.mark.parametrize(
    ("normalize", "mean", "std"),
    [
        ("[-1,1]", [0.5] * 3, [0.5] * 3),
        ("[-1, 1]", [0.5] * 3, [0.5] * 3),
        ("[0,1]", [0] * 3, [1] * 3),
        ("[0,255]", [0] * 3, [1 / 255] * 3),
        ("imagenet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ("mean=0.5 std=0.25", [0.5] * 3, [0.25] * 3),
        ("mean=0.4914,0.4822,0.4465 std=0.247", [0.4914, 0.4822, 0.4465], [0.247] * 3),
        ("mean=-1e-1 std=0.1,0.2,0.3", [-0.1] * 3, [0.1, 0.2, 0.3]),
    ],
)
def test_values_are_normalized(tmp_path: Path, normalize: str, mean: list[float], std: list[float]) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    for resize in (None, "larq-zoo"):
        path = folder(tmp_path / str(resize), a=[png(values)])
        dataset = opened(path, (16, 16, 3), resize, normalize)
        plain = values if resize is None else opened(path, (16, 16, 3), resize, "[0,255]").inputs(slice(0, 1))[0]
        wanted = (np.asarray(plain, float) / 255 - mean) / std
        assert dataset.inputs(slice(0, 1))[0] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
        is_scalar = len(set(mean)) == len(set(std)) == 1
        assert (dataset.preprocessing is not None) == (is_scalar and resize is None)
        assert dataset.images.dtype == (np.uint8 if dataset.preprocessing else np.float32)
        assert dataset.normalize == normalize


@pytest.mark.parametrize(
    ("normalize", "says"),
    [
        ("[-1;1]", f"normalize = '[-1;1]' is none of {NORMALIZATIONS}."),
        ("", "is none of"),
        ("tf", "is none of"),
        ("mean=0.5", "is none of"),
        ("std=0.5 mean=0.5", "is none of"),
        ("mean=0.5 std=0", "every std must be above 0"),
        ("mean=0.5 std=-1", "every std must be above 0"),
        ("mean=1e999 std=1", "a number that cannot be"),
        ("mean=1,,2 std=1", "something that is not a number"),
        ("mean=e std=1", "something that is not a number"),
    ],
)
def test_values_that_cannot_be(normalize: str, says: str) -> None:
    with pytest.raises(DatasetError) as caught:
        preparation(None, normalize, "x")
    assert says in str(caught.value)


def test_as_many_values_as_channels(tmp_path: Path) -> None:
    path = folder(tmp_path, a=[png(random_image(4, 4, 1))])
    with pytest.raises(DatasetError, match="has 3 values, and the model takes images of 1 channel; give one value"):
        opened(path, (4, 4, 1), None, "imagenet")


def test_nothing_is_guessed() -> None:
    with pytest.raises(DatasetError, match=r"val is a folder of images, and how their values are normalized must"):
        preparation("crop", None, "val")
    with pytest.raises(DatasetError, match=r"resize = 'fit' is none of crop, stretch, larq-zoo\."):
        preparation("fit", "[0,1]", "val")


# Kinds of images

GREY = np.arange(0, 250, 10, dtype=np.uint8).reshape(5, 5)
COLOUR = np.stack([GREY, GREY[::-1], GREY.T], axis=2)
ALPHA = np.dstack([COLOUR, np.where(GREY > 100, 0, 255).astype(np.uint8)])


def chunks_of(header: bytes, rows: bytes) -> bytes:
    """A PNG by hand."""
    found = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        found += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return found


def of_16_bits(values: NDArray[np.uint16]) -> bytes:
    """Grey or RGB."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = 2 if values.ndim == 3 else 0
    return chunks_of(struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0), rows)


def palette(**words: Any) -> bytes:
    """Whose colours run the other way."""
    image = PIL.Image.fromarray(GREY).convert("P")
    image.putdata(GREY.ravel().tolist())
    image.putpalette([255 - number // 3 for number in range(768)])
    file = io.BytesIO()
    image.save(file, "PNG", **words)
    return file.getvalue()


def luma(colour: NDArray[np.uint8]) -> NDArray[np.float64]:
    """ITU-R 601-2."""
    return colour.astype(float) @ [0.299, 0.587, 0.114]


DEEP = (np.arange(25, dtype=np.uint16).reshape(5, 5) * 2600).astype(np.uint16)


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        pytest.param(png(GREY), np.dstack([GREY] * 3), id="grey"),
        pytest.param(png(COLOUR), COLOUR, id="colour"),
        pytest.param(png(ALPHA), COLOUR, id="alpha is left out"),
        pytest.param(png(np.dstack([GREY, ALPHA[:, :, 3]])), np.dstack([GREY] * 3), id="grey with alpha"),
        pytest.param(palette(), np.dstack([255 - GREY] * 3), id="palette"),
        pytest.param(palette(transparency=bytes(range(256))), np.dstack([255 - GREY] * 3), id="clear palette"),
        pytest.param(palette(transparency=10), np.dstack([255 - GREY] * 3), id="clear colour"),
        pytest.param(png(GREY > 100), np.dstack([(GREY > 100) * 255] * 3), id="bits"),
        pytest.param(of_16_bits(DEEP), np.dstack([DEEP >> 8] * 3), id="16 bits grey"),
        pytest.param(of_16_bits(np.dstack([DEEP, DEEP.T, DEEP])), np.dstack([DEEP, DEEP.T, DEEP]) >> 8, id="16 bits"),
    ],
)
def test_kinds_of_png(tmp_path: Path, content: bytes, colour: NDArray[np.uint8]) -> None:
    found = only(tmp_path / "colour", content, (5, 5, 3))
    assert (found == colour).all()
    grey = only(tmp_path / "grey", content, (5, 5, 1))[:, :, 0]
    assert np.abs(grey - luma(found.astype(np.uint8))).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_kinds_of_jpeg(tmp_path: Path, mode: str) -> None:
    file = io.BytesIO()
    flat = np.full((16, 16, 3), (90, 90, 90), np.uint8)
    PIL.Image.fromarray(flat).convert(mode).save(file, "JPEG", quality=95)
    assert np.abs(only(tmp_path, file.getvalue(), (16, 16, 3)) - 90.0).max() <= 3


TURNED = {
    1: COLOUR,
    2: COLOUR[:, ::-1],
    3: COLOUR[::-1, ::-1],
    4: COLOUR[::-1],
    5: COLOUR.swapaxes(0, 1),
    6: np.rot90(COLOUR, -1),
    7: COLOUR[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(COLOUR),
    9: COLOUR,
}


@pytest.mark.parametrize("orientation", TURNED)
def test_images_are_upright_but_for_larq_zoo(tmp_path: Path, orientation: int) -> None:
    """Its decoder reads no EXIF data, and its accuracies are of what it saw."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    content = png(COLOUR, exif=exif)
    assert (only(tmp_path / "up", content, (5, 5, 3)) == TURNED[orientation]).all()
    large = COLOUR.repeat(8, 0).repeat(8, 1)
    contents = {"turned": png(large, exif=exif), "plain": png(large)}
    turned, plain = (only(tmp_path / name, one, (32, 32, 3), "larq-zoo") for name, one in contents.items())
    assert (turned == plain).all()


def test_damaged_exif_data_does_not_spoil_an_image(tmp_path: Path) -> None:
    content = png(COLOUR, exif=b"Exif\0\0no TIFF at all")
    with PIL.Image.open(io.BytesIO(content)) as image, pytest.raises(SyntaxError):
        image.getexif()
    assert (only(tmp_path, content, (5, 5, 3)) == COLOUR).all()


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
    (path / "c").symlink_to("a")
    (tmp_path / "other.png").write_bytes(one)
    (path / "b" / "linked.png").symlink_to(tmp_path / "other.png")  # as DVC and git-annex lay them out
    found = opened(path, (5, 5, 3), None, "[0,1]")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.excluded == (
        "c: a link to a folder, which is not followed",
        "loose.png: it lies beside the class folders, so it has no label",
        "a/gone.png: a link to nothing that can be read",
        "a/loop: a link to a folder, which is not followed",
        "a/pipe.png: not a regular file",
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
        (b"file,label\na.png,1\na.png,1\n", "line 3: a.png stands there a second time"),
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


SOURCES = (png(COLOUR), png(np.dstack([GREY] * 3), "P"), of_16_bits(DEEP))


@given(
    which=st.integers(0, 3),
    cut=st.integers(0, 900),
    data=st.binary(max_size=40),
    keeps=st.booleans(),
    grey=st.booleans(),
)
def test_hostile_bytes_are_a_reason(which: int, cut: int, data: bytes, keeps: bool, grey: bool) -> None:
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
