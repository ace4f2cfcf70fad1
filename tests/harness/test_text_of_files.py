"""Files that people write by hand: with a byte order mark, Windows line ends, or in another encoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.inventory import add, load
from bnnbench.devices.spec import DeviceSpec
from bnnbench.harness.errors import SuiteError
from bnnbench.harness.suite.load import load_suites
from bnnbench.kernels.errors import DatasetError
from bnnbench.kernels.models.datasets import open_dataset

SUITE = '# größe\nname = "pööl"\n[[kernel]]\nop = "bmaxpool2d"\ninput = [8, 8, 33]\n'
INVENTORY = '# größe\n[device.desk]\ntransport = "local"\n'
DATASET = '# größe\nscale = 0.5\nclasses = ["ä", "ö"]\n'


def read_suite(path: Path) -> str:
    return load_suites([path]).name


def read_inventory(path: Path) -> str:
    return list(load(path).devices)[-1]


def read_dataset(path: Path) -> str:
    np.save(path.parent / "images.npy", np.zeros((2, 4, 4, 1), np.uint8))
    np.save(path.parent / "labels.npy", np.array([0, 1]))
    return " ".join(open_dataset(str(path.parent)).classes or ())


FILES = pytest.mark.parametrize(
    ("name", "text", "read", "right"),
    [
        ("suite.toml", SUITE, read_suite, "pööl"),
        ("devices.toml", INVENTORY, read_inventory, "desk"),
        ("dataset.toml", DATASET, read_dataset, "ä ö"),
    ],
)


@FILES
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_mark_and_windows_line_ends_change_nothing(
    tmp_path: Path, name: str, text: str, read: Callable[[Path], str], right: str, mark: bytes, end: str
) -> None:
    (tmp_path / name).write_bytes(mark + text.replace("\n", end).encode())
    assert read(tmp_path / name) == right


@FILES
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_another_encoding_says_how_to_save_it(
    tmp_path: Path, name: str, text: str, read: Callable[[Path], str], right: str, encoding: str
) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    with pytest.raises((SuiteError, InventoryError, DatasetError), match=rf"{name}.*not UTF-8.*save it as UTF-8"):
        read(tmp_path / name)


@FILES
def test_one_that_is_utf_8_with_a_nul_says_so(
    tmp_path: Path, name: str, text: str, read: Callable[[Path], str], right: str
) -> None:
    (tmp_path / name).write_bytes(text.encode() + b"# \0\n")
    with pytest.raises((SuiteError, InventoryError, DatasetError), match=f"{name}.*holds a NUL byte"):
        read(tmp_path / name)


def test_a_device_is_added_to_a_file_with_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "devices.toml"
    before = b"\xef\xbb\xbf" + INVENTORY.replace("\n", "\r\n").encode()
    path.write_bytes(before)
    add(path, DeviceSpec(name="pi4", transport="ssh", host="pi4.lab"))
    assert path.read_bytes().startswith(before)
    assert list(load(path).devices) == ["local", "desk", "pi4"]
