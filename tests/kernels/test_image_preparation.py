"""What a model sees of JPEG and PNG files: sizes and values by arithmetic of the tests' own, and every kind of file."""

from __future__ import annotations

import io
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from bnnbench.kernels.errors import DatasetError
from bnnbench.kernels.models.datasets.preparation import NORMALIZATIONS, preparation
from tests.kernels.image_files import ALPHA, COLOUR, DEEP, GREY, folder, of_16_bits, only, opened, png, random_image

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
        ("[-1;1]", f"normalize = '[-1;1]' is not one of {NORMALIZATIONS}."),
        ("", "is not one of"),
        ("tf", "is not one of"),
        ("mean=0.5", "is not one of"),
        ("std=0.5 mean=0.5", "is not one of"),
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
    with pytest.raises(DatasetError, match=r"resize = 'fit' is not one of crop, stretch, larq-zoo\."):
        preparation("fit", "[0,1]", "val")


# Kinds of images


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
