"""The files to start from are read by the real loaders, as they are and with all of their examples switched on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bnnbench.devices.inventory import load
from bnnbench.harness.errors import CannotMeasure
from bnnbench.harness.suite.load import parse_suite
from bnnbench.harness.suite.tables import KERNEL_TABLES
from bnnbench.harness.tasks.init import FILES, init_folder, template
from tests.harness.bench import Bench

SUITE, INVENTORY = FILES


def switched_on(text: str) -> str:
    """With every setting that is only shown."""
    return re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE)


def test_the_files_are_read(tmp_path: Path) -> None:
    assert [one.is_new for one in init_folder(tmp_path / "new" / "folder")] == [True, True]
    path = tmp_path / "new/folder"
    suite = parse_suite((path / SUITE).read_text(), path / SUITE)
    assert [type(one) for one in suite.kernel] == [KERNEL_TABLES["bconv2d"], KERNEL_TABLES["bgemm"]]
    assert list(load(path / INVENTORY, is_given=True).devices) == ["local"]


def test_all_that_they_show_is_right(tmp_path: Path) -> None:
    (tmp_path / "my_engine").write_text("#!/bin/sh\n")
    suite = parse_suite(switched_on(template(SUITE)), tmp_path / SUITE)
    assert {type(one) for one in suite.kernel} == set(KERNEL_TABLES.values())
    assert suite.model
    assert "mine" in suite.engine
    (tmp_path / INVENTORY).write_text(switched_on(template(INVENTORY)))
    devices = load(tmp_path / INVENTORY, is_given=True).devices
    assert {one.transport for one in devices.values()} == {"local", "ssh", "adb", "qemu"}
    assert devices["pi4"].tune


def test_nothing_is_overwritten(bench: Bench) -> None:
    bench.write(SUITE, "mine")
    nowhere = bench.folder / "nowhere"
    (bench.folder / INVENTORY).symlink_to(nowhere)
    done = bench.run("init")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("which exists") == 2
    assert (bench.folder / SUITE).read_text() == "mine"
    assert not nowhere.exists()


@pytest.mark.timeout(60)
def test_what_was_written_is_measured(bench: Bench) -> None:
    assert bench.run("init", "new").returncode == 0
    bench.measure("new/suite.toml", "--filter", "bgemm", "--invocations", "0")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotMeasure, match="is a file"):
        init_folder(tmp_path / "file")
    with pytest.raises(CannotMeasure, match="cannot be written"):
        init_folder(tmp_path / "file" / "below")
