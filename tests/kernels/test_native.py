"""Every ISA level of the native engine and of the Numba engine equals the oracle, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_process import EngineProcess, hello, mismatches, runner
from sweep import sweep

from bnnbench.kernels.targets import ISA_LEVELS, IsaLevel
from bnnbench.kernels.toolchain import EngineBuild, build_native, build_numba

SWEEP = sweep()


def levels() -> list[object]:
    return [
        pytest.param(level, id=f"{level.triple.split('-')[0]}-{level.isa}", marks=_marks(level)) for level in ISA_LEVELS
    ]


def _marks(level: IsaLevel) -> list[pytest.MarkDecorator]:
    return [] if level.triple.startswith("x86_64") else [pytest.mark.timeout(600)]


def start(build: EngineBuild, level: IsaLevel, folder: Path, arguments: list[str]) -> EngineProcess:
    prefix = runner(level.triple)
    if prefix is None:
        pytest.skip(f"qemu-user-static is not installed, which runs {level.triple} here")
    if prefix:
        prefix = [*prefix, "-cpu", "max"]
    elif level.isa not in _host_isas(folder):
        pytest.skip(f"this CPU has no {level.isa}")
    return EngineProcess([*prefix, build.path, *arguments], folder)


def _host_isas(folder: Path) -> list[str]:
    with EngineProcess([build_native("x86_64-linux-musl").path], folder) as engine:
        return hello(engine).isas


@pytest.mark.parametrize("level", levels())
def test_native_equals_oracle(level: IsaLevel, tmp_path: Path) -> None:
    with start(build_native(level.triple), level, tmp_path, ["--isa", level.isa]) as engine:
        assert hello(engine).isa == level.isa
        assert mismatches(engine, SWEEP) == []


@pytest.mark.parametrize("level", levels())
def test_numba_engine_equals_oracle(level: IsaLevel, tmp_path: Path) -> None:
    with start(build_numba(level.triple, level.isa), level, tmp_path, []) as engine:
        assert hello(engine).isa == level.isa
        assert mismatches(engine, SWEEP) == []


def test_native_binaries_are_small_and_static() -> None:
    for triple in {level.triple for level in ISA_LEVELS}:
        build = build_native(triple)
        content = build.path.read_bytes()
        assert len(content) < 200_000, triple
        assert b"/ld-musl" not in content, triple  # no interpreter: static
