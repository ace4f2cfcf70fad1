"""The ahead-of-time objects: reproducible, self-contained, and equal to the oracle on every target."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.kernels.data import make_data
from bnnbench.kernels.numba_aot.targets import TARGETS, NumbaTarget, numba_target
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.reference.exports import EXPORTS, c_header
from bnnbench.kernels.reference.run import compose
from bnnbench.kernels.targets import ISA_LEVELS, TRIPLES

from .aot_link import Server, build_object, link_static, load_shared
from .sweep import sweep

Compile = Callable[[Callable[..., None]], Callable[..., None]]
SUPPLIED = {"memcpy", "memset", "memmove", "__aeabi_memcpy", "__aeabi_memset", "__aeabi_memclr"}
"""Undefined symbols that compiler_rt and every libc have."""

FEATURES = {(level.triple, level.isa): set(level.features) for level in ISA_LEVELS}
QUICK_TARGETS = [
    # Each object takes some 4 s to compile: by default the two that other tests need, and the 32-bit one.
    pytest.param(target, id=f"{target.triple}-{target.isa}", marks=[] if index in (0, 1, 5) else pytest.mark.slow)
    for index, target in enumerate(TARGETS)
]
TARGET_IDS = [f"{target.triple}-{target.isa}" for target in TARGETS]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Callable[[NumbaTarget], Path]:
    """Object files, each compiled once."""
    folder = tmp_path_factory.mktemp("objects")

    def build(target: NumbaTarget) -> Path:
        path = folder / f"{target.triple}-{target.isa}.o"
        return path if path.exists() else build_object(target, path)

    return build


def assert_sweep_equals_oracle(compiled: Compile) -> None:
    for spec in sweep():
        arrays = make_data(spec, 1)
        assert compose(spec, arrays, compiled).tobytes() == oracle.run(spec, arrays).tobytes(), spec.name


def skip_unless_it_runs_here(target: NumbaTarget) -> None:
    if platform.machine() != TRIPLES[target.triple].architecture:
        pytest.skip(f"{target.isa} code of {target.triple} does not run on {platform.machine()}")
    missing = FEATURES[target.triple, target.isa] - set(Path("/proc/cpuinfo").read_text().split())
    if missing:
        pytest.skip(f"this CPU lacks {', '.join(sorted(missing))}")


def test_target_table() -> None:
    assert numba_target("aarch64-linux-musl", "dotprod").llvm_cpu == "cortex-a76"
    assert len({(target.triple, target.isa) for target in TARGETS}) == len(TARGETS)
    with pytest.raises(KeyError, match="no Numba target for aarch64-linux-musl with avx2"):
        numba_target("aarch64-linux-musl", "avx2")


def test_header_declares_every_export() -> None:
    header = c_header()
    assert "int32_t bnn_ref_bgemm(const uint32_t *a, int64_t a_0, int64_t a_1, const uint32_t *b," in header
    assert all(f"int32_t {export.symbol}(" in header for export in EXPORTS)
    assert all(export.symbol.startswith("bnn_ref_") for export in EXPORTS)


@pytest.mark.parametrize("target", [t for t in TARGETS if t.triple.startswith("x86_64")], ids=lambda t: t.isa)
def test_sweep_in_this_process(target: NumbaTarget, objects: Callable[[NumbaTarget], Path]) -> None:
    skip_unless_it_runs_here(target)
    pytest.importorskip("ziglang", reason="the linker comes with ziglang")
    assert_sweep_equals_oracle(load_shared(objects(target)))


@pytest.mark.parametrize(
    "target",
    [TARGETS[1], pytest.param(numba_target("arm-linux-musleabihf", "neon"), marks=pytest.mark.slow)],
    ids=["avx2", "arm"],
)
def test_same_bytes_in_every_process_and_folder(
    target: NumbaTarget, objects: Callable[[NumbaTarget], Path], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "bnnbench.kernels.numba_aot", "--triple", target.llvm_triple]
    command += ["--cpu", target.llvm_cpu, f"--features={target.features}", "-o", "again.o"]
    environment = os.environ | {"PYTHONHASHSEED": "12345", "LANG": "C", "COLUMNS": "33"}
    subprocess.run(command, check=True, timeout=120, cwd=tmp_path, env=environment)
    again = (tmp_path / "again.o").read_bytes()
    assert again == objects(target).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.o"]
    assert str(Path(__file__).parents[2]).encode() not in again


@pytest.mark.parametrize("target", QUICK_TARGETS)
def test_symbols(target: NumbaTarget, objects: Callable[[NumbaTarget], Path]) -> None:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm is not installed (package binutils)")
    run = subprocess.run([nm, str(objects(target))], check=True, capture_output=True, text=True, timeout=30)
    symbols = [line.split()[-2:] for line in run.stdout.splitlines()]
    assert {name for kind, name in symbols if kind == "T"} == {export.symbol for export in EXPORTS}
    undefined = {name for kind, name in symbols if kind == "U"}
    # 64-bit division is a compiler_rt function on 32-bit ARM.
    assert undefined <= SUPPLIED | {"__divdi3", "__moddi3", "__aeabi_ldivmod"}, target


def test_an_unknown_triple_leaves_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bnnbench.kernels.numba_aot", "--triple", "pdp11-none", "--cpu", "x"]
    run = subprocess.run([*command, "-o", str(tmp_path / "x.o")], capture_output=True, text=True, timeout=120)
    assert run.returncode != 0
    assert "pdp11" in run.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("target", TARGETS, ids=TARGET_IDS)
def test_sweep_in_a_static_program(target: NumbaTarget, objects: Callable[[NumbaTarget], Path], tmp_path: Path) -> None:
    pytest.importorskip("ziglang", reason="the linker comes with ziglang")
    command: list[str] = []
    architecture = TRIPLES[target.triple].architecture
    if platform.machine() != architecture:
        emulator = shutil.which(f"qemu-{architecture}-static")
        if emulator is None:
            pytest.skip(f"qemu-{architecture}-static is not installed (package qemu-user-static)")
        command = [emulator]
    else:
        skip_unless_it_runs_here(target)
    program = link_static(objects(target), target.triple, tmp_path / "program")
    with Server([*command, str(program)]) as server:
        assert_sweep_equals_oracle(server.compiled)
