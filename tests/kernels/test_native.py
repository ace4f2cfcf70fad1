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
from engine_process import HOST, EngineProcess, compute, hello, mismatches, runner
from sweep import sweep

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.models.binary_layers import arrays_for, binary_layers
from bnnbench.kernels.models.tflite_file import read
from bnnbench.kernels.ops import BConv2d, KernelSpec
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.targets import ISA_LEVELS, IsaLevel, micro_kernels
from bnnbench.kernels.toolchain import EngineBuild, build_native, build_numba

SWEEP = sweep()


def levels() -> list[object]:
    return [
        pytest.param(level, id=f"{level.triple.split('-')[0]}-{level.isa}", marks=_marks(level)) for level in ISA_LEVELS
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
    """All heights of a tile, all widths and one channel less, words that fill bytes' counts and one more."""
    products = [kernel for kernel in micro_kernels(level) if kernel.pixels]
    assert products
    specs = [
        BConv2d(h=1, w=pixels, c=c, oc=kernel.channels - less, kh=1, kw=1, out=out)
        for kernel in products
        for pixels in range(1, 2 * kernel.pixels + 1)
        for c in (32, 8 * 32, 32 * 32)
        for less in (0, 1)
        for out in ("i32", "f32", "bits")
    ]
    # By name: each at every width, also where the engine would take another.
    specs += [
        BConv2d(h=2, w=9, c=96, oc=oc, kh=3, kw=3, out=out, kernel=kernel.name)
        for kernel in products
        for oc in (1, 24, 32, 70, 128)
        for out in ("i32", "f32", "bits")
    ]
    # More words than counts of 16 bits hold.
    specs += [BConv2d(h=1, w=one.pixels + 1, c=4097 * 32, oc=one.channels, kh=1, kw=1) for one in products]
    with start(build_native(level.triple), level, tmp_path, ["--isa", level.isa]) as engine:
        for spec in specs:
            arrays = make_data(spec, 3)
            if spec.c > 4096 * 32:  # all bits differ: as much as there is to count
                arrays["x"][:], arrays["filter"][:] = 0xFFFFFFFF, 0
            expected = product(spec, arrays) if spec.kh == 1 else oracle.run(spec, arrays)
            assert compute(engine, spec, data_bytes(arrays)).tobytes() == expected.tobytes(), spec.name


def product(spec: BConv2d, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """A 1x1 convolution by a matrix product of +-1: the oracle would take minutes for so many."""

    def signs(words: np.ndarray) -> np.ndarray:
        bits = np.unpackbits(words.reshape(-1, spec.c // 32).view(np.uint8), axis=1, bitorder="little")
        return 1 - 2 * bits.astype(np.int32)

    dots = signs(arrays["x"]) @ signs(arrays["filter"]).T
    if spec.out == "i32":
        return dots.astype("<i4")
    if spec.out == "f32":
        return (dots.astype("<f4") * arrays["multiplier"]).astype("<f4") + arrays["bias"]
    bits = (spec.c - dots > 2 * arrays["threshold"].astype(np.int64)).astype(np.uint8)
    padded = np.pad(bits, ((0, 0), (0, -spec.oc % 32)))
    return np.packbits(padded, axis=1, bitorder="little").view("<u4")


@pytest.mark.parametrize("level", levels())
def test_numba_engine_equals_oracle(level: IsaLevel, tmp_path: Path) -> None:
    with start(build_numba(level.triple, level.isa), level, tmp_path, []) as engine:
        assert hello(engine).isa == level.isa
        assert mismatches(engine, SWEEP) == []


def arm_levels() -> list[object]:
    return [
        pytest.param(one, id=f"{one.triple.split('-')[0]}-{one.isa}") for one in ISA_LEVELS if "x86" not in one.triple
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
    for triple in {level.triple for level in ISA_LEVELS}:
        build = build_native(triple)
        content = build.path.read_bytes()
        assert len(content) < 450_000, triple  # every level's kernels, binary, int8 and f32, and the plan loader
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
