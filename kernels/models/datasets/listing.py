"""Which images a folder holds, and which class each is of: class folders, or a labels.csv. Nothing is decoded here."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError

LABELS = "labels.csv"
SUFFIXES = (".jpg", ".jpeg", ".png")
_LARGEST_CSV = 256 << 20
_DEEPEST = 50
_NUMBER = re.compile(r"[0-9]{1,7}")


@dataclass(frozen=True, slots=True)
class Listing:
    """`files` are relative to `path`, in the order of the dataset, each with its label. `left_out` says of others why
    they are no part of it."""

    path: Path
    files: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    left_out: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)


def is_image_folder(path: Path) -> bool:
    """Whether a folder is meant to hold images, and no arrays."""
    return path.is_dir() and not any((path / name).exists() for name in ("images.npy", "labels.npy", "dataset.toml"))


def listed(path: Path) -> Listing:
    """The images of a folder with their labels. Raises DatasetError."""
    try:
        if (path / LABELS).exists() or (path / LABELS).is_symlink():
            return _of_csv(path)
        return _of_class_folders(path)
    except OSError as error:
        raise DatasetError(f"{error.filename or path} cannot be read: {error.strerror}.") from None


def _of_class_folders(path: Path) -> Listing:
    entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    folders = [
        entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
    ]
    left_out = [_links(entry.name) for entry in entries if entry.is_symlink() and Path(entry.path).is_dir()]
    beside = [entry.name for entry in entries if Path(entry.path).is_file() and _is_image(entry.name)]
    if not folders:
        linked = "; links to folders are not followed" if left_out else ""
        raise DatasetError(
            f"{path} has no folders of images{linked}: sort its images (.jpg, .png) into a folder for each class, "
            f"or write a {LABELS} with the columns file and label."
        )
    left_out += [f"{name}: it is outside the class folders, so it has no label" for name in beside]
    numbers = _numbers(folders)
    files: list[str] = []
    labels: list[int] = []
    for place, folder in enumerate(folders):
        found = list(_below(path, folder, left_out))
        if not found:
            raise DatasetError(
                f"the class folder {path / folder} holds no image (.jpg, .png); remove it, or give the labels of all "
                f"in a {LABELS}."
            )
        files += found
        labels += [numbers[place] if numbers else place] * len(found)
    return Listing(path, tuple(files), np.array(labels, np.int64), () if numbers else tuple(folders), tuple(left_out))


def _numbers(folders: list[str]) -> list[int]:
    """The labels themselves, where all names are numbers; sorted as text, 10 would come before 2."""
    return [int(name) for name in folders] if all(map(_NUMBER.fullmatch, folders)) else []


def _below(path: Path, folder: str, left_out: list[str]) -> Iterator[str]:
    """The images of a class folder and its own folders, in order; hidden files are passed over."""
    if folder.count("/") >= _DEEPEST:
        raise DatasetError(f"{path / folder} is more than {_DEEPEST} folders deep; move its images up.")
    for entry in sorted(os.scandir(path / folder), key=lambda entry: entry.name):
        name = f"{folder}/{entry.name}"
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path, name, left_out)
        elif Path(entry.path).is_dir():
            left_out.append(_links(name))
        elif not _is_image(name):
            left_out.append(f"{name}: neither .jpg nor .png")
        elif entry.is_symlink() and not Path(entry.path).is_file():
            left_out.append(f"{name}: a link to nothing that can be read")
        elif not Path(entry.path).is_file():
            left_out.append(f"{name}: not a regular file")
        else:
            yield name


def _of_csv(path: Path) -> Listing:
    source = path / LABELS
    if not source.is_file():
        raise DatasetError(f"{source} is not a regular file.")
    if source.stat().st_size > _LARGEST_CSV:
        raise DatasetError(f"{source} is larger than {_LARGEST_CSV >> 20} MiB.")
    files: dict[str, str] = {}
    for number, name, label in _rows(source):
        where = f"{source}, line {number}:"
        parts = Path(name).parts
        if not name or "\0" in name or Path(name).is_absolute() or ".." in parts:
            raise DatasetError(f"{where} {name!r} is not a path of a file in this folder.")
        if not (path / name).is_file():
            raise DatasetError(f"{where} {name} is not a file in {path}; correct the path, or remove the line.")
        if (key := Path(name).as_posix()) in files:
            raise DatasetError(f"{where} {name} is listed twice; give every image one label.")
        files[key] = label
    if not files:
        raise DatasetError(f"{source} names no image; write a line FILE,LABEL for each.")
    labels, classes = _labels(source, list(files.values()))
    return Listing(path, tuple(files), np.array(labels, np.int64), classes, ())


def _rows(source: Path) -> Iterator[tuple[int, str, str]]:
    """Line, file and label of each."""
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            head = [word.strip() for word in next(rows, [])]
            if head != ["file", "label"]:
                raise DatasetError(f"{source} begins with {','.join(head)[:80]!r}; its first line must be file,label.")
            for row in rows:
                if row and len(row) != 2:
                    raise DatasetError(f"{source}, line {rows.line_num}: it has {len(row)} columns, and must have two.")
                if row:
                    yield rows.line_num, row[0].strip(), row[1].strip()
    except UnicodeDecodeError:
        raise DatasetError(f"{source} is not UTF-8 text; save it as UTF-8.") from None
    except csv.Error as error:
        raise DatasetError(f"{source}, line {rows.line_num}: it is not a CSV ({error}).") from None


def _labels(source: Path, given: list[str]) -> tuple[list[int], tuple[str, ...]]:
    """Numbers as they are; names of classes are numbered in their order."""
    are_numbers = [bool(_NUMBER.fullmatch(label)) for label in given]
    if all(are_numbers):
        return [int(label) for label in given], ()
    if any(are_numbers) or not all(given):
        odd = next(label for label, is_number in zip(given, are_numbers, strict=True) if not is_number)
        raise DatasetError(
            f"{source} has the label {odd!r} among labels that are numbers from 0; give numbers, or names of classes."
            if any(are_numbers)
            else f"{source} has a line without a label; give every image one."
        )
    if any(re.fullmatch(r"[-+]?[0-9.]+", label) for label in given):
        odd = next(label for label in given if re.fullmatch(r"[-+]?[0-9.]+", label))
        raise DatasetError(f"{source} has the label {odd!r}; labels are whole numbers from 0, or names of classes.")
    classes = sorted(set(given))
    place = {name: number for number, name in enumerate(classes)}
    return [place[label] for label in given], tuple(classes)


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _links(name: str) -> str:
    return f"{name}: a link to a folder, which is not followed"
