"""MobileNetV1 and V2, float and int8, against LiteRT: `pytest -m speed -s tests/benchmarks/test_mobilenets.py`.

Times on this machine, on one core, interleaved; instructions of one inference on Arm cores, which repeat to the digit;
and what llvm-mca says of the float tiles' loops there.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from cycle_model import LLVM_MCA, cycles, is_available

from bnnbench.kernels.instruction_counter import MARKS, build_counter, instructions_per_iteration
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.sources import FLAGS, SOURCES, level_flags
from bnnbench.kernels.targets import ISA_LEVELS, IsaLevel
from bnnbench.kernels.toolchain import build_native
from tests.benchmarks import litert_on_arm
from tests.benchmarks.test_models import MEANT, interleaved, ratio, start
from tests.debian_packages import Unavailable
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.mobilenets import MODELS, Kind

ALL = [(name, kind) for name in MODELS for kind in ("f32", "int8")]
MOST = 1.1
"""Times LiteRT's instructions."""
CORES = [("neon", "cortex-a72", 1.0), ("neon", "neoverse-n1", 0.5), ("dotprod", "neoverse-n1", 0.5)]
"""Level, model in llvm-mca (A57's is the A72's, neoverse-n1 stands for the A76), and cycles a multiply-add at best."""


@cache
def content(name: str, kind: Kind) -> bytes:
    return MODELS[name](kind)


def written(name: str, kind: Kind, folder: Path) -> Path:
    path = folder / f"{name}_{kind}.tflite"
    path.write_bytes(content(name, kind))
    return path


@pytest.mark.speed
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "kind"), ALL)
def test_times(name: str, kind: Kind, tmp_path: Path) -> None:
    path = written(name, kind, tmp_path)
    with ExitStack() as stack:
        clients = [start(stack, engine, path, tmp_path) for engine in ("native", "litert")]
        native, litert = interleaved([(client, 1) for client in clients])
    gain = ratio(litert, native)
    print(
        f"\n{name} {kind}: native {statistics.median(native) / 1e6:.2f} ms, LiteRT "
        f"{statistics.median(litert) / 1e6:.2f} ms: {gain:.2f}x LiteRT's speed"
    )
    if kind == "f32" and MEANT:
        assert gain >= 1.0


def native_instructions(model: Path, cpu: str, folder: Path) -> float:
    """Of one inference by one thread."""
    (folder / "plan").write_bytes(make_plan(graph_of(read_model(model))).to_bytes())
    plugin = f"file={build_counter(HOST, 1)},out={folder / 'blocks'}"
    command = ["qemu-aarch64", "-cpu", cpu, "-E", MARKS, "-plugin", plugin, build_native("aarch64-linux-musl").path]
    with EngineProcess(command, folder) as engine:
        engine.client.load("m", {"plan": "plan"}, timeout_s=300)
        engine.client.run("m", samples=1, iterations=2, limit_ns=10**12)
    found = instructions_per_iteration((folder / "blocks").read_text(), 1)
    assert found is not None
    return found


@pytest.mark.speed
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cpu", litert_on_arm.PARTS)
@pytest.mark.parametrize(("name", "kind"), ALL)
def test_instructions(name: str, kind: Kind, cpu: str, tmp_path: Path) -> None:
    path = written(name, kind, tmp_path)
    try:
        litert = litert_on_arm.instructions(path, cpu, tmp_path)
    except Unavailable as error:
        pytest.skip(str(error))
    native = native_instructions(path, cpu, tmp_path)
    print(
        f"\n{name} {kind} on {cpu}: native {native / 1e6:.1f} M instructions, LiteRT {litert / 1e6:.1f} M: "
        f"{native / litert:.2f}x LiteRT's"
    )
    assert native <= MOST * litert


@cache
def loops(level: IsaLevel, source: str, folder: Path) -> dict[str, str]:
    """The instructions of the loop with most multiply-adds, of each tile: `float_gemm`'s or `windows`'."""
    output = folder / f"{level.isa}-{source}.s"
    flags = [f"-mcpu={level.zig_cpu}", *FLAGS, "-I", ".", *level_flags(level, f"level/{source}")]
    command = [sys.executable, "-m", "ziglang", "c++", "-target", level.triple, *flags]
    command += ["-Wno-unused-command-line-argument", "-S", f"level/{source}.cpp", "-o", str(output)]
    subprocess.run(command, cwd=SOURCES, check=True, capture_output=True, timeout=100)
    found = {}
    for name, body in re.findall(r"^(_Z\w+):.*\n((?:.*\n)*?)\.Lfunc_end", output.read_text(), re.MULTILINE):
        tile = re.search(r"\d((?:row_)?tile(?:ILi\d|ELi\d)+E)", name)
        inner = re.findall(r"^(\.LBB\w+):.*\n((?:(?!\.LBB).*\n)*?)\tb\.?\w+\t\1\n", body, re.MULTILINE)
        if tile and inner:
            most = max((loop for _, loop in inner), key=lambda loop: loop.count("\tfmla\t"))
            lines = [line.split("//")[0] for line in most.splitlines() if re.match(r"\t[a-z]", line)]
            found["x".join(re.findall(r"Li(\d)", tile[1]))] = "\n".join(lines)
    return found


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("assembly")


@pytest.mark.skipif(not is_available(), reason=f"{LLVM_MCA} is not installed (Debian: llvm-22)")
@pytest.mark.parametrize(("isa", "cpu", "best"), CORES)
@pytest.mark.parametrize(
    ("source", "tile", "most"),
    [("float_gemm", "5x4", 1.1), ("float_gemm", "8x2", 1.2), ("windows", "3x1x4", 2.2), ("windows", "3x2x4", 2.6)],
)
def test_cycles(isa: str, cpu: str, best: float, source: str, tile: str, most: float, assembly: Path) -> None:
    """A tile is pixels x vectors, or a depthwise window's width x stride x pixels; `most` is times the best."""
    level = next(one for one in ISA_LEVELS if one.isa == isa and one.triple.startswith("aarch64"))
    loop = loops(level, source, assembly)[tile]
    products = loop.count("\tfmla\t")
    each = cycles(loop, "aarch64", cpu, 100) / products
    print(f"\n{source} {tile} on {cpu}: {each:.3f} cycles a multiply-add of 4 floats, at best {best}")
    assert each <= most * best
