"""What lies in the build cache is used only when it is what was built, and nobody else could have changed it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bnnbench.kernels import instruction_counter
from bnnbench.kernels.cache import note_digest, private_folder, require_private, verified
from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.toolchain import build_native

HOST = "x86_64-linux-musl"
OTHER_USER = 12345


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("BNNBENCH_CACHE", str(folder))
    return folder


def as_built(path: Path, content: bytes = b"as built") -> Path:
    path.write_bytes(content)
    path.chmod(0o755)
    note_digest(path)
    return path


def test_a_replaced_engine_is_not_used(cache: Path) -> None:
    real = build_native_key()
    engine = as_built(folder_for(real) / "engine")
    assert build_native(HOST).path == engine
    engine.chmod(0o700)
    engine.write_bytes(b"#!/bin/sh\n")
    with pytest.raises(BuildError, match=r"engine is not the file that was built there.* remove "):
        build_native(HOST)


def build_native_key() -> str:
    """The key of this version's engine, without building it."""
    from bnnbench.kernels import artifacts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "is_noted", lambda path: True)
        patch.setattr(artifacts, "verified", lambda path: "")
        return build_native(HOST).build


def folder_for(key: str) -> Path:
    folder = private_folder("engines") / key
    folder.mkdir()
    return folder


def test_a_replaced_plugin_is_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruction_counter, "run_zig", lambda folder, *_, **__: (folder / "plugin.so").touch())
    plugin = instruction_counter.build_counter(HOST, 1)
    assert instruction_counter.build_counter(HOST, 1) == plugin
    plugin.chmod(0o700)
    plugin.write_bytes(b"another")
    with pytest.raises(BuildError, match=r"\.so is not the file that was built there"):
        instruction_counter.build_counter(HOST, 1)


def test_folders_are_the_users_alone(cache: Path) -> None:
    (cache / "engines").mkdir(parents=True)
    (cache / "engines").chmod(0o755)
    assert private_folder("engines", "key").stat().st_mode & 0o777 == 0o700
    assert (cache / "engines").stat().st_mode & 0o777 == 0o700
    assert as_built(private_folder("engines") / "engine").stat().st_mode & 0o777 == 0o500


@pytest.mark.parametrize("part", [".", "engines", "engines/file"])
@pytest.mark.parametrize(
    ("owner", "mode", "said"),
    [
        (OTHER_USER, 0o755, f"belongs to user {OTHER_USER}"),
        (None, 0o757, "can be written by every user"),
        (None, 0o775, f"can be written by group {OTHER_USER}"),
    ],
)
def test_what_another_user_could_replace_is_not_used(
    cache: Path, part: str, owner: int | None, mode: int, said: str
) -> None:
    if os.getuid() != 0:
        pytest.skip("giving files to another user needs root")
    file = as_built(private_folder("engines") / "file")
    verified(file)
    os.chown(cache / part, os.getuid() if owner is None else owner, OTHER_USER)
    (cache / part).chmod(mode)
    with pytest.raises(BuildError, match=rf"{said}.*BNNBENCH_CACHE"):
        verified(file)


def test_a_sticky_folder_above_protects_what_is_in_it(cache: Path) -> None:
    private_folder("engines")
    cache.chmod(0o1777)
    require_private(cache / "engines")
