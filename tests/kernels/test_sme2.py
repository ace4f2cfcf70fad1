"""The SME2 level, under an emulator: bit-exact at every vector length, there only where the machine has it.

Its inner loop is looked at as compiled. NEON's instructions trap there in streaming mode, as on hardware.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine_process import EngineProcess, compute, hello, mismatches, runner
from newer_qemu import VECTOR_BITS, qemu, sme_emulator
from sweep import sweep
from tile_cases import assert_every_tile_is_right

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.engines.numba import NumbaEngine
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.ops import BConv2d
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.sources import FLAGS, SOURCES, level_flags, levels_for
from bnnbench.kernels.targets import ISA_LEVELS, caveats_of, micro_kernels
from bnnbench.kernels.toolchain import build_native
from tests.kernels.plan_cases import CASES, DENSE
from tests.kernels.test_golden_models import UNDER_QEMU, close, graph_of, inputs_of, right_of, run
from tests.kernels.trace_replay import differences

LEVEL = next(level for level in ISA_LEVELS if level.isa == "sme2")
LESSER = [level.isa for level in ISA_LEVELS if level.triple == LEVEL.triple and level is not LEVEL]
NUMBERS = 4
"""Tiles of ZA that are kept at once."""
EMULATED = [pytest.param(bits, id=f"{bits}-bits") for bits in VECTOR_BITS]


def started(bits: int, folder: Path) -> EngineProcess:
    return EngineProcess([*sme_emulator(bits), build_native(LEVEL.triple).path], folder)


def kernels_of(bits: int) -> list[str]:
    """Names of the micro-kernels at a vector length."""
    lanes = bits // 32
    products = [kernel for kernel in micro_kernels(LEVEL) if kernel.pixels]
    return [one.name for one in products if one.pixels * one.channels == NUMBERS * lanes * lanes]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bits", EMULATED)
def test_equals_oracle(bits: int, tmp_path: Path) -> None:
    with started(bits, tmp_path) as engine:
        assert hello(engine).isa == LEVEL.isa
        assert mismatches(engine, sweep()) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bits", EMULATED)
def test_every_tile(bits: int, tmp_path: Path) -> None:
    names = kernels_of(bits)
    with started(bits, tmp_path) as engine:
        assert_every_tile_is_right(engine, [one for one in micro_kernels(LEVEL) if one.name in names])


@pytest.mark.parametrize("bits", EMULATED)
def test_tiles_are_those_of_the_vector_length(bits: int, tmp_path: Path) -> None:
    """Linux gives a program 256 bits until it asks for more: the engine takes what there is."""
    spec = BConv2d(h=1, w=1, c=32, oc=8, kh=1, kw=1, kernel="sme2-none")
    with started(bits, tmp_path) as engine, pytest.raises(EngineError) as refused:
        compute(engine, spec, data_bytes(make_data(spec, 0)))
    assert re.findall(r"sme2-\d+x\d+", str(refused.value)) == kernels_of(bits)


def test_threads_have_the_vector_length_too(tmp_path: Path) -> None:
    spec = BConv2d(h=9, w=11, c=96, oc=70, kh=3, kw=3, out="f32")
    arrays = make_data(spec, 1)
    with started(VECTOR_BITS[-1], tmp_path) as engine:
        (tmp_path / "data").write_bytes(data_bytes(arrays))
        engine.client.load("case", {**spec.protocol_items(), "data": "data"})
        engine.client.run("case", samples=1, iterations=1, threads=2, limit_ns=10**11)
        engine.client.output("case", "out")
    assert np.array_equal(np.fromfile(tmp_path / "out", "<f4").reshape(spec.output.shape), oracle.run(spec, arrays))


def test_binary_steps_of_models(tmp_path: Path) -> None:
    """Every kind of padding, border, group and output, with what is fused behind it."""
    cases = [case for case in CASES if case.name.startswith(("bconv", f"{DENSE} 1 binary"))]
    assert len({case.name.split()[0] for case in cases}) == 3
    with started(VECTOR_BITS[-1], tmp_path) as engine:
        found = {case.name: differences(engine, case.plan, case.inputs) for case in cases}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", UNDER_QEMU, ids=lambda path: path.stem)
def test_models(path: Path, tmp_path: Path) -> None:
    """LCE's own outputs, at every vector length; binary layers are exact, so each is equal to the level below."""
    given, plan = inputs_of(path), make_plan(graph_of(path)).to_bytes()
    outputs = {}
    for bits, isa in [*((bits, LEVEL.isa) for bits in VECTOR_BITS), (VECTOR_BITS[-1], str(LEVEL.others))]:
        command = [*sme_emulator(bits), build_native(LEVEL.triple).path, "--isa", isa]
        with EngineProcess(command, tmp_path) as engine:
            outputs[isa, bits] = run(engine, plan, given)
    assert len({output.tobytes() for output in outputs.values()}) == 1
    assert close(next(iter(outputs.values())), right_of(path))


def test_its_roof_can_be_measured(tmp_path: Path) -> None:
    """In an emulator the figure means nothing, but there is one."""
    with started(VECTOR_BITS[-1], tmp_path) as engine:
        assert (engine.client.peak(isa=LEVEL.isa, limit_ns=10**7).popcount_gops or 0) > 0


def test_what_is_not_known_of_it_is_said() -> None:
    (caveat,) = caveats_of(["neon", "dotprod", LEVEL.isa])
    assert caveat.startswith("sme2: ")
    assert "never timed on hardware" in caveat


def test_a_cpu_without_sme_has_no_such_level(tmp_path: Path) -> None:
    with EngineProcess(
        [str(qemu("aarch64")), "-cpu", "max,sme=off", build_native(LEVEL.triple).path], tmp_path
    ) as engine:
        assert hello(engine).isas == LESSER


def test_a_cpu_with_sme_of_the_first_version_has_no_such_level(tmp_path: Path) -> None:
    """That of Debian 12's QEMU has outer products, but not of bits."""
    prefix = runner(LEVEL.triple)
    if not prefix:
        pytest.skip("qemu-user-static is not installed")
    with EngineProcess([*prefix, build_native(LEVEL.triple).path], tmp_path) as engine:
        assert hello(engine).isas == LESSER
    forced = EngineProcess([*prefix, build_native(LEVEL.triple).path, "--isa", LEVEL.isa], tmp_path)
    assert forced.wait() != 0
    assert "sme2" in forced.errors()


def test_numba_has_the_level_below() -> None:
    assert LEVEL.isa not in levels_for("numba", LEVEL.triple)
    assert NumbaEngine().isa_for(LEVEL.triple, frozenset({"asimd", *LEVEL.features})) == LEVEL.others


Functions = dict[str, list[str]]


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Functions:
    """Instructions of the level's functions, as compiled."""
    source, output = f"{LEVEL.folder}/binary_gemm", tmp_path_factory.mktemp("compiled") / "kernels.s"
    flags = [f"-mcpu={LEVEL.zig_cpu}", *FLAGS, "-I", ".", *level_flags(LEVEL, source)]
    command = [sys.executable, "-m", "ziglang", "c++", "-target", LEVEL.triple, *flags]
    command += ["-Wno-unused-command-line-argument", "-S", f"{source}.cpp", "-o", str(output)]
    subprocess.run(command, cwd=SOURCES, check=True, capture_output=True, timeout=100)
    bodies = re.findall(r"^(_Z\w+):.*\n((?:.*\n)*?)\.Lfunc_end", output.read_text(), re.MULTILINE)
    code = {name: [line.split("//")[0].rstrip() for line in body.splitlines()] for name, body in bodies}
    return {name: [line for line in lines if line and not line.startswith("\t.")] for name, lines in code.items()}


def function(functions: Functions, name: str) -> list[str]:
    (found,) = (lines for symbol, lines in functions.items() if name in symbol)
    return found


def loops(lines: list[str]) -> list[list[str]]:
    """Instructions of each loop around outer products, its branch among them."""
    found = []
    for end, line in enumerate(lines):
        target = re.match(r"\tb\.\w+\t(\.L\w+)", line)
        if target and f"{target[1]}:" in lines[:end]:
            body = lines[lines.index(f"{target[1]}:") : end + 1]
            if any("\tbmopa\t" in one for one in body) and not any(one.startswith(".L") for one in body[1:]):
                found.append(body[1:])
    return found


@pytest.mark.parametrize("name", ["implicit_gemm", "popcount_roof"])
def test_streaming_mode_is_entered_once(functions: Functions, name: str) -> None:
    """Per call; in it nothing is called, and no instruction of NEON is executed."""
    lines = function(functions, name)
    (enter,) = (at for at, line in enumerate(lines) if re.match(r"\tsmstart\tsm", line))
    calls = [line for line in lines if re.match(r"\tblr?\t", line)]
    assert calls == ["\tbl\t__arm_tpidr2_save"]  # of the ABI, for a caller that has left something in ZA: none does
    assert "__arm_tpidr2_save" not in "".join(lines[enter:])
    assert not [line for line in lines[enter:] if re.search(r"\bv\d+\.(\d|[bhsd])", line)]


def test_instructions_of_the_inner_loop(functions: Functions) -> None:
    """Of the widest tile: four outer products a word, by two loads and what a turn of the loop takes for two words."""
    found = loops(function(functions, "implicit_gemm"))
    assert len(found) >= 3  # one for each shape of the tile
    for body in found:
        products = sum("\tbmopa\t" in line for line in body)
        loads = sum(bool(re.match(r"\t(ldr|ld1w)\t", line)) for line in body)
        assert products == 2 * NUMBERS
        assert loads == 2 * 2
        assert not any(re.search(r"\bsp\b", line) for line in body)  # nothing is kept on the stack
        assert len(body) <= 21
        print(f"\n{len(body)} instructions for {products} outer products")
        for bits in VECTOR_BITS:
            # An outer product is of lanes x lanes pairs of 32 bits.
            each = len(body) / (products * (bits // 32) ** 2 * 32 / 128)
            print(f"  {bits}-bit vectors: {each:.3f} instructions per 128-bit product")
