"""Builds: the same bytes from any folder, once however many ask, and one clear error."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bnnbench.kernels import sources
from bnnbench.kernels.cache import cache_folder
from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.toolchain import build_key, build_native, build_numba

HOST = "x86_64-linux-musl"
BUILD = """
import sys
from bnnbench.kernels.toolchain import build_native, build_numba
said = []
build = build_numba("x86_64-linux-musl", "avx2", said.append) if sys.argv[1] == "numba" else build_native(
    "x86_64-linux-musl", said.append)
print(build.build, build.sha256, len(said), build.path)
"""


@pytest.fixture
def empty_cache(tmp_path: Path) -> Path:
    """A cache without engines that borrows zig's own, which takes a minute to fill."""
    build_native(HOST)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "zig").symlink_to(cache_folder() / "zig")
    return cache


def start(cache: Path, folder: Path, engine: str, seed: str = "0") -> subprocess.Popen[str]:
    environment = {**os.environ, "BNNBENCH_CACHE": str(cache), "PYTHONHASHSEED": seed}
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", BUILD, engine]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return out.split()


@pytest.mark.parametrize("engine", ["native", pytest.param("numba", marks=pytest.mark.slow)])
def test_same_bytes_from_another_folder_and_cache(empty_cache: Path, tmp_path: Path, engine: str) -> None:
    build, sha256, said, _ = finish(start(empty_cache, tmp_path / "elsewhere", engine, seed="17"))
    here = build_native(HOST) if engine == "native" else build_numba(HOST, "avx2")
    assert (build, sha256) == (here.build, here.sha256)
    assert said == "1"  # one line for a build, none for what is there


def test_a_key_is_known_without_a_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    native, numba = build_native("x86_64-linux-musl"), build_numba("x86_64-linux-musl", "avx2")
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path / "cache"))
    assert build_key("native", "x86_64-linux-musl", None) == native.build
    assert build_key("numba", "x86_64-linux-musl", "avx2") == numba.build
    assert not (tmp_path / "cache").exists()


def test_two_processes_at_once_build_once(empty_cache: Path, tmp_path: Path) -> None:
    processes = [start(empty_cache, tmp_path / name, "native") for name in ("a", "b")]
    first, second = (finish(process) for process in processes)
    assert first[:2] == second[:2]
    assert sorted([first[2], second[2]]) == ["0", "1"]
    assert not list((empty_cache / "engines").glob(".build-*"))


def test_every_folder_of_the_engine_uses_only_those_before_it() -> None:
    order = ["base", "level", "i8mm", "sme2", "op", "convolution", "plan", "model", "measure", "backend", "process"]
    folders = {name.split("/")[0] for name in sources.source_files()}
    assert folders == set(order)
    for name, content in sources.source_files().items():
        for included in re.findall(rb'#include "(\w+)/', content):
            assert order.index(included.decode()) <= order.index(name.split("/")[0]), (name, included)


@pytest.mark.slow
def test_another_source_is_another_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = build_native(HOST).build
    copy = tmp_path / "native"
    shutil.copytree(sources.SOURCES, copy)
    (copy / "process" / "lock.cpp").write_text((copy / "process" / "lock.cpp").read_text() + "\n// changed\n")
    monkeypatch.setattr(sources, "SOURCES", copy)
    sources.source_files.cache_clear()
    try:
        assert build_native(HOST).build != before
    finally:
        sources.source_files.cache_clear()


def test_a_compiler_error_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty_cache: Path) -> None:
    copy = tmp_path / "native"
    shutil.copytree(sources.SOURCES, copy)
    (copy / "process" / "lock.cpp").write_text("this is no C++")
    monkeypatch.setattr(sources, "SOURCES", copy)
    monkeypatch.setenv("BNNBENCH_CACHE", str(empty_cache))
    sources.source_files.cache_clear()
    try:
        with pytest.raises(BuildError, match=r"lock\.cpp"):
            build_native(HOST)
    finally:
        sources.source_files.cache_clear()
    assert not [path for path in (empty_cache / "engines").iterdir() if path.is_dir()]


def test_unknown_targets_are_named() -> None:
    with pytest.raises(BuildError, match="sparc"):
        build_native("sparc-linux-musl")
    with pytest.raises(BuildError, match="it has x86-64, avx2, avx512"):
        build_numba(HOST, "neon")


def test_unwritable_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(BuildError, match="BNNBENCH_CACHE"):
        build_native(HOST)
