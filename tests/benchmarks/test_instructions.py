"""Instructions of Arm kernels, counted in an emulator: they repeat to the digit, whatever else the machine does.

`pytest -p no:xdist -s tests/benchmarks/test_instructions.py` prints them. A product is 128 bits of one output value:
H_out * W_out * OC * ceil(KH * KW * C / 128) of them in a convolution. Exclusive or, count and add are three.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from engine_process import HOST, EngineProcess
from pytest_benchmark.fixture import BenchmarkFixture

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.instruction_counter import MARKS, build_counter, instructions_per_iteration
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.ops import BConv2d
from bnnbench.kernels.targets import ISA_LEVELS, micro_kernels
from bnnbench.kernels.toolchain import build_native
from tests.benchmarks.network_files import network_file

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None, reason="qemu-aarch64 (Debian: qemu-user) is missing"
)

SHAPES = [(56, 64), (28, 128), (14, 256), (7, 512)]
CPUS = {
    "cortex-a53": ("qemu-aarch64", "aarch64-linux-musl", 3.75),
    "cortex-a72": ("qemu-aarch64", "aarch64-linux-musl", 3.75),
    "cortex-a76": ("qemu-aarch64", "aarch64-linux-musl", 3.75),
    "cortex-a7": ("qemu-arm", "arm-linux-musleabihf", 5.35),
}
"""Emulator, target, and the most instructions that a product may take."""
_COUNTED = 1


def counted(spec: BConv2d, cpu: str, folder: Path) -> float:
    """Instructions of one execution."""
    folder.mkdir()
    (folder / "data").write_bytes(data_bytes(make_data(spec, 0)))
    return counted_load({**spec.protocol_items(), "data": "data"}, cpu, folder)


def counted_load(load: dict[str, str], cpu: str, folder: Path) -> float:
    """Instructions of one execution of what is loaded."""
    program, triple, _ = CPUS[cpu]
    plugin = ["-plugin", f"file={build_counter(HOST, 1)},out={folder / 'blocks'}"]
    command = [program, "-cpu", cpu, "-E", MARKS, *plugin, str(build_native(triple).path)]
    with EngineProcess(command, folder) as engine:
        engine.client.load("case", load)
        engine.client.run("case", samples=1, iterations=1 + _COUNTED, limit_ns=10**12)
    found = instructions_per_iteration((folder / "blocks").read_text(), _COUNTED)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "most"), [("QuickNetSmall", 46e6), ("QuickNet", 74e6), ("QuickNetLarge", 131e6)])
def test_instructions_of_an_inference(name: str, most: float, tmp_path: Path) -> None:
    path = network_file(name, tmp_path)
    (tmp_path / "plan").write_bytes(make_plan(graph_of(read_model(path))).to_bytes())
    found = counted_load({"plan": "plan"}, "cortex-a72", tmp_path)
    print(f"\n{name} cortex-a72: {found / 1e6:.1f} million instructions")
    assert found <= most


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize("out", ["f32", "bits"])
@pytest.mark.parametrize(("size", "c"), SHAPES)
def test_instructions_per_product(
    benchmark: BenchmarkFixture, tmp_path: Path, cpu: str, out: str, size: int, c: int
) -> None:
    spec = BConv2d(h=size, w=size, c=c, oc=c, kh=3, kw=3, out=out)  # type: ignore[arg-type]
    found = benchmark.pedantic(lambda: counted(spec, cpu, tmp_path / "first"), rounds=1)
    if (size, c) == SHAPES[-1]:
        assert counted(spec, cpu, tmp_path / "again") == found
    each = found / (size * size * c * math.ceil(9 * c / 128))
    benchmark.extra_info |= {"cpu": cpu, "instructions": found, "instructions_per_product": round(each, 3)}
    print(f"\n{spec.name} {out} {cpu}: {each:.3f} instructions per 128-bit product")
    assert each <= CPUS[cpu][2]


@pytest.mark.timeout(600)
def test_a_kernel_that_is_asked_for_by_name_is_the_one_that_runs(tmp_path: Path) -> None:
    """Each has a number of instructions of its own, and the widest that of the engine's own choice."""
    level = next(one for one in ISA_LEVELS if one.triple.startswith("aarch64"))
    names = [one.name for one in micro_kernels(level) if "bconv2d" in one.ops]
    spec = BConv2d(h=6, w=6, c=64, oc=64, kh=3, kw=3, out="f32")
    folders = {name: tmp_path / (name or "own") for name in ["", *names]}
    found = {name: counted(replace(spec, kernel=name), "cortex-a72", folder) for name, folder in folders.items()}
    assert len(names) > 1
    assert len(set(found.values())) == len(names), found
    assert found[""] == found[names[0]]
