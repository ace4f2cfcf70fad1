"""64-bit RISC-V under an emulator, with vectors and without: native and Numba's engine equal the oracle, bit for bit.

Slow, as nobody gets this triple without asking for it: its engines are built here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_process import EngineProcess, hello, mismatches
from newer_qemu import riscv_emulator
from sweep import sweep
from tile_cases import assert_every_tile_is_right

from bnnbench.devices.cpu import parse_cpuinfo
from bnnbench.kernels.engines.numba import NumbaEngine
from bnnbench.kernels.targets import DEFAULT_TRIPLES, ISA_LEVELS, IsaLevel, micro_kernels
from bnnbench.kernels.toolchain import build_native, build_numba
from tests.kernels.plan_cases import CASES
from tests.kernels.test_golden_models import UNDER_QEMU, close, graph_of, inputs_of, make_plan, right_of, run
from tests.kernels.trace_replay import differences

TRIPLE = "riscv64-linux-musl"
LEVELS = {level.isa: level for level in ISA_LEVELS if level.triple == TRIPLE}
MACHINES = [("rv64", 0), ("rvv", 128), ("rvv", 256)]
"""Level, and bits of the machine's vectors."""
each_machine = pytest.mark.parametrize(("isa", "bits"), MACHINES)


def started(isa: str, bits: int, folder: Path) -> EngineProcess:
    return EngineProcess([*riscv_emulator(bits), build_native(TRIPLE).path, "--isa", isa], folder)


def test_nobody_gets_it_without_asking() -> None:
    assert TRIPLE not in DEFAULT_TRIPLES


@pytest.mark.parametrize(
    ("isa", "level"),
    [
        ("rv64imafdcv_zicbom_zba_zbb", "rvv"),
        ("rv64imafdc_zicntr_zve32x", "rv64"),
        ("rv64imafdc", "rv64"),
        ("rv64imafdcvsu", "rvv"),
    ],
)
def test_the_level_by_what_linux_says(isa: str, level: str) -> None:
    (cpu,) = parse_cpuinfo(f"processor\t: 0\nhart\t\t: 0\nisa\t\t: {isa}\nmmu\t\t: sv39\n")
    assert NumbaEngine().isa_for(TRIPLE, cpu.features) == level


@pytest.mark.slow
@pytest.mark.timeout(600)
@each_machine
def test_native_equals_oracle(isa: str, bits: int, tmp_path: Path) -> None:
    with started(isa, bits, tmp_path) as engine:
        assert hello(engine).isas == list(LEVELS)[: 1 + (bits > 0)]
        assert mismatches(engine, sweep()) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@each_machine
def test_numba_equals_oracle(isa: str, bits: int, tmp_path: Path) -> None:
    with EngineProcess([*riscv_emulator(bits), build_numba(TRIPLE, isa).path], tmp_path) as engine:
        assert hello(engine).isa == isa
        assert mismatches(engine, sweep()) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@each_machine
def test_every_tile(isa: str, bits: int, tmp_path: Path) -> None:
    level: IsaLevel = LEVELS[isa]
    with started(isa, bits, tmp_path) as engine:
        assert_every_tile_is_right(engine, [kernel for kernel in micro_kernels(level) if kernel.pixels])


@pytest.mark.slow
@pytest.mark.timeout(600)
@each_machine
def test_steps_and_models(isa: str, bits: int, tmp_path: Path) -> None:
    with started(isa, bits, tmp_path) as engine:
        found = {case.name: differences(engine, case.plan, case.inputs) for case in CASES}
        assert {name: wrong for name, wrong in found.items() if wrong} == {}
        for path in UNDER_QEMU:
            output = run(engine, make_plan(graph_of(path)).to_bytes(), inputs_of(path))
            assert close(output, right_of(path)), path.stem


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_small() -> None:
    assert build_native(TRIPLE).path.stat().st_size < 450_000
