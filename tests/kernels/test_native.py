"""Every ISA level of the native engine and of the Numba engine equals the oracle, bit for bit."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from arm_loops import COUNT, counting_loops
from engine_process import HOST, WHOLE_LEVELS, EngineProcess, compute, hello, mismatches, runner
from sweep import sweep
from tile_cases import assert_every_tile_is_right

from bnnbench.kernels.data import data_bytes
from bnnbench.kernels.models.binary_layers import arrays_for, binary_layers
from bnnbench.kernels.models.tflite_file import read
from bnnbench.kernels.ops import KernelSpec
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.targets import DEFAULT_TRIPLES, IsaLevel, micro_kernels
from bnnbench.kernels.toolchain import EngineBuild, build_native, build_numba

SWEEP = sweep()


def levels() -> list[object]:
    return [
        pytest.param(level, id=f"{level.triple.split('-')[0]}-{level.isa}", marks=_marks(level))
        for level in WHOLE_LEVELS
    ]


def _marks(level: IsaLevel) -> list[pytest.MarkDecorator]:
    return [] if level.triple == HOST else [pytest.mark.timeout(600)]


def start(build: EngineBuild, level: IsaLevel, folder: Path, arguments: list[str]) -> EngineProcess:
    prefix = runner(level.triple)
    if prefix is None:
        pytest.skip(f"qemu-user-static is not installed, which runs {level.triple} here")
    with EngineProcess([*prefix, build_native(level.triple).path], folder) as engine:
        if level.isa not in hello(engine).isas:
            pytest.skip(f"this CPU has no {level.isa}")
    return EngineProcess([*prefix, build.path, *arguments], folder)


@pytest.mark.parametrize("level", levels())
def test_native_equals_oracle(level: IsaLevel, tmp_path: Path) -> None:
    with start(build_native(level.triple), level, tmp_path, ["--isa", level.isa]) as engine:
        assert hello(engine).isa == level.isa
        assert mismatches(engine, SWEEP) == []


@pytest.mark.parametrize("level", levels())
def test_every_micro_kernel_at_every_remainder(level: IsaLevel, tmp_path: Path) -> None:
    products = [kernel for kernel in micro_kernels(level) if kernel.pixels]
    with start(build_native(level.triple), level, tmp_path, ["--isa", level.isa]) as engine:
        assert_every_tile_is_right(engine, products)


@pytest.mark.parametrize("level", levels())
def test_numba_engine_equals_oracle(level: IsaLevel, tmp_path: Path) -> None:
    with start(build_numba(level.triple, level.isa), level, tmp_path, []) as engine:
        assert hello(engine).isa == level.isa
        assert mismatches(engine, SWEEP) == []


def arm_levels() -> list[object]:
    return [
        pytest.param(one, id=f"{one.triple.split('-')[0]}-{one.isa}") for one in WHOLE_LEVELS if "x86" not in one.triple
    ]


@pytest.mark.parametrize("level", arm_levels())
def test_nothing_is_spilled_while_bits_are_counted(level: IsaLevel, tmp_path: Path) -> None:
    """The loops of the widest tiles on Arm, as compiled, touch no stack."""
    loops = counting_loops(level, tmp_path)
    assert len(loops) == 4  # one for each form of the output, and that of stages
    for loop in loops:
        assert len(COUNT.findall(loop)) >= level.tile_pixels * level.tile_vectors
        assert not re.search(r"\bsp\b", loop)  # nor an address of it
        assert not re.search(r"^\t(v?st\w*|push|vpush)[.\t]", loop, re.MULTILINE)  # nothing is stored anywhere


def test_native_binaries_are_small_and_static() -> None:
    for triple in DEFAULT_TRIPLES:
        build = build_native(triple)
        content = build.path.read_bytes()
        assert len(content) < 850_000, triple  # every level's kernels, binary, int8 and f32, and the plan loader
        assert b"/ld-musl" not in content, triple  # no interpreter: static


def golden_models() -> list[Path]:
    """The tiny models of the repository, and the full-size ones where BNNBENCH_GOLDEN says."""
    folder = os.environ.get("BNNBENCH_GOLDEN")
    paths = {path.name: path for path in (Path(__file__).parents[1] / "golden").glob("*.tflite")}
    paths |= {path.name: path for path in Path(folder).glob("*.tflite")} if folder else {}
    return sorted(paths.values())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("level", levels())
def test_every_binary_layer_of_the_golden_models(level: IsaLevel, tmp_path: Path) -> None:
    """With the models' own weights; under emulation each distinct shape once, for time's sake."""
    layers = [(path.stem, layer) for path in golden_models() for layer in binary_layers(read(path))]
    assert layers
    if runner(level.triple):
        layers = list({layer.spec: (stem, layer) for stem, layer in layers}.values())
    builds = {"native": build_native(level.triple), "numba": build_numba(level.triple, level.isa)}
    for name, build in builds.items():
        with start(build, level, tmp_path, ["--isa", level.isa] if name == "native" else []) as engine:
            for stem, layer in layers:
                arrays = arrays_for(layer, seed=layer.index)
                output = compute(engine, layer.spec, data_bytes(arrays))
                assert output.tobytes() == expected(layer.spec, arrays), f"{name}: {stem} {layer.name}"


@cache
def _expected_outputs() -> dict[bytes, bytes]:
    return {}


def expected(spec: KernelSpec, arrays: dict[str, np.ndarray]) -> bytes:
    """The oracle's output; kept, because every level asks for the same ones."""
    outputs = _expected_outputs()
    key = hashlib.sha256(repr(spec).encode() + data_bytes(arrays)).digest()
    if key not in outputs:
        outputs[key] = oracle.run(spec, arrays).tobytes()
    return outputs[key]
