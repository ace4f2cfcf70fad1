"""Engines of the wheel are taken without a compiler, checked, and only when they are those of this version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from bnnbench.kernels import artifacts, instruction_counter, prebuilt, toolchain
from bnnbench.kernels.compilers import Compilers, installed
from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.toolchain import EngineBuild, build_native

HOST = "x86_64-linux-musl"


@pytest.fixture(scope="module")
def built() -> EngineBuild:
    return build_native(HOST)


@pytest.fixture
def wheel(built: EngineBuild, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation from a wheel that carries one engine, without zig, and with an empty cache."""
    folder = tmp_path / "prebuilt"
    folder.mkdir()
    (folder / "engine-native").write_bytes(built.path.read_bytes())
    monkeypatch.setattr(prebuilt, "FOLDER", folder)
    compilers = installed()
    assert compilers is not None, "the tests are run where engines can be built"
    write_manifest(folder, built, compilers)
    monkeypatch.setattr(toolchain, "installed", lambda: None)
    monkeypatch.setattr(artifacts, "installed", lambda: None)
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path / "cache"))
    prebuilt.manifest.cache_clear()
    yield folder
    prebuilt.manifest.cache_clear()


def write_manifest(folder: Path, built: EngineBuild, compilers: Compilers) -> None:
    files = {built.build: prebuilt.PrebuiltFile("engine-native", built.sha256, "engine native")}
    (folder / prebuilt.MANIFEST).write_bytes(msgspec.json.encode(prebuilt.Manifest(compilers, files)))


def test_an_engine_of_the_wheel_needs_no_compiler(wheel: Path, built: EngineBuild, tmp_path: Path) -> None:
    said: list[str] = []
    found = build_native(HOST, said.append)
    assert (found.build, found.sha256) == (built.build, built.sha256)
    assert found.path.is_relative_to(tmp_path / "cache")
    assert found.path.read_bytes() == built.path.read_bytes()
    assert found.path.stat().st_mode & 0o777 == 0o500
    assert said == []
    (wheel / "engine-native").unlink()  # it was copied once
    assert build_native(HOST, said.append) == found


def test_a_changed_engine_of_the_wheel_is_not_used(wheel: Path) -> None:
    content = bytearray((wheel / "engine-native").read_bytes())
    content[len(content) // 2] ^= 1
    (wheel / "engine-native").write_bytes(content)
    with pytest.raises(BuildError, match=r"engine-native is not the file of the wheel: .*install bnnbench again"):
        build_native(HOST)


def test_an_engine_that_is_gone_from_the_wheel_is_named(wheel: Path) -> None:
    (wheel / "engine-native").unlink()
    with pytest.raises(BuildError, match=r"engine-native cannot be read .*install bnnbench again"):
        build_native(HOST)


@pytest.mark.parametrize("content", ["", "{}", '{"compilers": 1, "files": {}}', "[", "\0"])
def test_a_damaged_manifest_is_named(wheel: Path, content: str) -> None:
    (wheel / prebuilt.MANIFEST).write_text(content)
    prebuilt.manifest.cache_clear()
    with pytest.raises(BuildError, match=r"manifest\.json cannot be read .*install bnnbench again"):
        build_native(HOST)


def test_what_the_wheel_lacks_needs_zig(wheel: Path) -> None:
    with pytest.raises(BuildError, match=r"native for aarch64.* not come with .*pip install 'bnnbench\[build\]'"):
        build_native("aarch64-linux-musl")
    with pytest.raises(BuildError, match=r"counts instructions does not come with .*bnnbench\[build\]"):
        instruction_counter.build_counter(HOST, 1)


def test_without_a_wheel_and_without_zig_the_way_out_is_told(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (wheel / prebuilt.MANIFEST).unlink()
    prebuilt.manifest.cache_clear()
    with pytest.raises(BuildError, match=r"pip install 'bnnbench\[build\]'"):
        build_native(HOST)


class CompilerCalledError(Exception):
    """A compiler was called."""


def compile_nothing(*_: object) -> NoReturn:
    raise CompilerCalledError


@pytest.mark.parametrize("change", ["zig", "version", "flag", "source"])
def test_another_compiler_version_flag_or_source_is_built_here(
    change: str, wheel: Path, built: EngineBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = installed()
    assert here is not None
    monkeypatch.setattr(artifacts, "installed", lambda: here)
    monkeypatch.setattr(toolchain, "installed", lambda: here)
    monkeypatch.setattr(toolchain, "_compile_and_link", compile_nothing)
    assert build_native(HOST).sha256 == built.sha256
    if change == "zig":
        monkeypatch.setattr(toolchain, "installed", lambda: replace(here, zig="0.0.1"))
    elif change == "version":
        monkeypatch.setattr(toolchain, "_package_version", lambda: "99")
    elif change == "flag":
        monkeypatch.setattr(toolchain, "FLAGS", (*toolchain.FLAGS, "-DX"))
    else:
        monkeypatch.setattr(toolchain, "source_files", lambda: {"process/main.cpp": b""})
    with pytest.raises(CompilerCalledError):
        build_native(HOST)


def test_numba_of_another_version_takes_the_engines_of_the_wheel(
    wheel: Path, built: EngineBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs from the wheel takes any recent numba: without zig only the versions of the manifest count."""
    monkeypatch.setattr("bnnbench.kernels.compilers.version", lambda package: "0.99")
    assert build_native(HOST).sha256 == built.sha256
