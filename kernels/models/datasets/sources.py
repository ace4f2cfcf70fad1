"""Where datasets come from: shipped with the package, installed by the system, or the user's own files."""

from __future__ import annotations

import gzip
import hashlib
import tomllib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from .dataset import Dataset, Preprocessing

_SHIPPED = Path(__file__).parent / "fashion_mnist"
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
# Mean and standard deviation of the training images in [0, 1].
_FASHION_PREPROCESSING = Preprocessing(scale=1 / (255 * 0.3530), offset=-0.2860 / 0.3530)
_FASHION_CLASSES = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
_LARGEST_BYTES = 16 << 30


@dataclass(frozen=True, slots=True)
class _Part:
    """Two IDX files of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017) and what they must hold."""

    folder: Path
    stem: str
    count: int
    images_sha256: str
    labels_sha256: str
    otherwise: str

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        images = self._read("images-idx3", self.images_sha256, 16 + self.count * 28 * 28)
        labels = self._read("labels-idx1", self.labels_sha256, 8 + self.count)
        return (
            np.frombuffer(images, np.uint8, offset=16).reshape(self.count, 28, 28, 1),
            np.frombuffer(labels, np.uint8, offset=8).astype(np.int64),
        )

    def _read(self, what: str, sha256: str, size: int) -> bytes:
        path = self.folder / f"{self.stem}-{what}-ubyte.gz"
        try:
            with gzip.open(path) as file:
                content = file.read(size + 1)
        except FileNotFoundError:
            raise DatasetError(f"{path} does not exist; {self.otherwise}.") from None
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetError(f"{path} cannot be read ({error}); {self.otherwise}.") from None
        # Of the content: the same data is packed differently here and there.
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DatasetError(f"{path} is damaged or another version: its sha256 differs; {self.otherwise}.")
        return content


_TEST = _Part(
    _SHIPPED,
    "t10k",
    10_000,
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "install bnnbench again",
)
_TRAIN = _Part(
    _DEBIAN,
    "train",
    60_000,
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "install Debian's package dataset-fashion-mnist",
)


def _fashion(name: str, part: _Part) -> Callable[[], Dataset]:
    return lambda: Dataset(name, *part.load(), _FASHION_PREPROCESSING, _FASHION_CLASSES)


DATASETS: Mapping[str, Callable[[], Dataset]] = {
    "fashion-mnist": _fashion("fashion-mnist", _TEST),
    "fashion-mnist-train": _fashion("fashion-mnist-train", _TRAIN),
}
"""Name -> how it is opened."""


def open_dataset(name: str) -> Dataset:
    """A dataset of `DATASETS` by name, or the user's own by the path of an .npz file or a folder. DatasetError.

    An .npz file holds `images` and `labels`, and for u8 images `scale` and `offset`; a folder holds images.npy,
    labels.npy and a dataset.toml with these two.
    """
    if name in DATASETS:
        return DATASETS[name]()
    path = Path(name)
    if path.is_dir():
        return _of_folder(path)
    if path.is_file():
        return _of_npz(path)
    raise DatasetError(
        f"there is no dataset '{name}'; there are {', '.join(DATASETS)}, and your own by the path of an .npz file or "
        "a folder."
    )


# What NumPy and the archive raise for damaged files; a RuntimeError is an archive with a password, or deep nesting.
_DAMAGED = (
    *(OSError, ValueError, EOFError, MemoryError, AttributeError, KeyError, TypeError, OverflowError, SyntaxError),
    *(RuntimeError, zlib.error, BadZipFile, TokenError),
)


def _of_npz(path: Path) -> Dataset:
    try:
        with np.load(path, allow_pickle=False) as loaded:
            if isinstance(loaded, np.ndarray):
                raise DatasetError(f"{path} is one array; write an .npz file with images and labels (numpy.savez).")
            missing = [key for key in ("images", "labels") if key not in loaded.files]
            if missing:
                raise DatasetError(f"{path} has no array '{missing[0]}', it has {', '.join(loaded.files) or 'none'}.")
            settings = {key: loaded[key] for key in ("scale", "offset", "classes") if key in loaded.files}
            images, labels = loaded["images"], loaded["labels"]
    except _DAMAGED as error:
        raise _unreadable(path, error) from None
    return _own(path, images, labels, {key: _plain(value) for key, value in settings.items()})


def _of_folder(path: Path) -> Dataset:
    for file in (path / "images.npy", path / "labels.npy", path / "dataset.toml"):
        if file.exists() and not file.is_file():  # one could wait for a pipe for ever
            raise DatasetError(f"{file} is not a regular file; a dataset's folder holds images.npy and labels.npy.")
    try:
        images = np.load(path / "images.npy", allow_pickle=False, mmap_mode="r")
        labels = np.load(path / "labels.npy", allow_pickle=False)
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise DatasetError(f"{path} has no {name}; a dataset's folder holds images.npy and labels.npy.") from None
    except _DAMAGED as error:
        raise _unreadable(path, error) from None
    return _own(path, images, labels, _settings(path / "dataset.toml"))


def _settings(path: Path) -> dict[str, Any]:
    """What a dataset.toml says, in UTF-8 with a byte order mark or without. Raises DatasetError."""
    if not path.exists():
        return {}
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    if "\0" in text:  # every other byte of UTF-16 text in Latin letters is one
        is_wide = text.count("\0") > len(text) // 4
        raise DatasetError(f"{path} {'is not UTF-8 text; save it as UTF-8' if is_wide else 'holds a NUL byte'}.")
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f"{path} is not valid TOML: {error}.") from None
    except _DAMAGED as error:
        raise _unreadable(path, error) from None
    unknown = settings.keys() - {"scale", "offset", "classes"}
    if unknown:
        raise DatasetError(f"{path}: unknown key '{min(unknown)}'; it takes scale, offset, classes.")
    return settings


def _own(path: Path, images: NDArray[Any], labels: NDArray[Any], settings: Mapping[str, Any]) -> Dataset:
    """Checks what the user's files hold."""
    if images.dtype not in (np.uint8, np.int8, np.float32):
        raise DatasetError(f"{path}: images are {images.dtype}; they must be uint8, int8 or float32.")
    if images.ndim < 2 or not len(images):
        raise DatasetError(f"{path}: images have shape {list(images.shape)}; it must be [n, H, W, C] with n above 0.")
    if images.nbytes > _LARGEST_BYTES:
        raise DatasetError(f"{path}: images have {images.nbytes / 1e9:.0f} GB, and up to 17 GB are taken.")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise DatasetError(
            f"{path}: labels are {labels.dtype}{list(labels.shape)}; {len(images)} whole numbers are needed."
        )
    if int(labels.min()) < 0 or int(labels.max()) >= 1 << 20:
        raise DatasetError(f"{path}: labels go from {labels.min()} to {labels.max()}; they must start at 0.")
    if images.dtype == np.float32 and not np.isfinite(images).all():
        raise DatasetError(f"{path}: some images hold values that are not finite.")
    return Dataset(
        path.name,
        np.ascontiguousarray(images),
        labels.astype(np.int64),
        _preprocessing(path, images, settings),
        _class_names(path, settings),
    )


def _preprocessing(path: Path, images: NDArray[Any], settings: Mapping[str, Any]) -> Preprocessing | None:
    given = {key: settings[key] for key in ("scale", "offset") if key in settings}
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise DatasetError(f"{path}: {key} is {value!r}; it must be a number.")
    if images.dtype != np.uint8:
        if given:
            raise DatasetError(f"{path}: {min(given)} is for uint8 images, and these are {images.dtype}; leave it out.")
        return None
    if "scale" not in given:
        if given:
            raise DatasetError(f"{path}: it has an offset and no scale; give both, or neither for a uint8 model.")
        return None
    return Preprocessing(float(given["scale"]), float(given.get("offset", 0.0)))


def _class_names(path: Path, settings: Mapping[str, Any]) -> tuple[str, ...]:
    names = settings.get("classes", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"{path}: classes must be a list of names.")
    return tuple(names)


def _plain(value: NDArray[Any]) -> Any:
    return value.item() if value.ndim == 0 else value.tolist()


def _unreadable(path: Path, error: Exception) -> DatasetError:
    message = getattr(error, "strerror", None) or (str(error) or type(error).__name__).splitlines()[0]
    return DatasetError(f"{path} cannot be read as a dataset ({message}); write it with numpy.savez or numpy.save.")
