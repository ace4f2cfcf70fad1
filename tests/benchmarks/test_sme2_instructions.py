"""Instructions of whole convolutions at the SME2 level: pixels brought into order, the products, and the epilogue.

`pytest -p no:xdist -m slow -s tests/benchmarks/test_sme2_instructions.py` prints them; `dotprod` takes 3.5 to 3.7. A
product is 128 bits of one output value. QEMU logs every instruction that it executes, hence the small image: its build
with SME2 takes no plugin.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_process import EngineProcess
from newer_qemu import sme_emulator

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.ops import BConv2d
from bnnbench.kernels.toolchain import build_native

SHAPES = [(8, 32), (8, 64), (8, 128), (7, 256)]
MOST = {
    128: {32: 4.4, 64: 3.2, 128: 2.3, 256: 2.0},
    256: {32: 1.7, 64: 0.95, 128: 0.65, 256: 0.5},
    512: {32: 1.0, 64: 0.4, 128: 0.22, 256: 0.15},
}
"""Vector bits -> channels -> the most instructions that a product may take."""


def executed(spec: BConv2d, bits: int, iterations: int, folder: Path) -> int:
    """Instructions of a process that computes it so many times."""
    (folder / "data").write_bytes(data_bytes(make_data(spec, 0)))
    log = folder / "log"
    traced = ["-one-insn-per-tb", "-d", "exec,nochain", "-D", str(log)]
    command = [*sme_emulator(bits), *traced, str(build_native("aarch64-linux-musl").path)]
    engine = EngineProcess(command, folder)
    engine.client.load("case", {**spec.protocol_items(), "data": "data"})
    engine.client.run("case", samples=1, iterations=iterations, limit_ns=10**12)
    engine.close()
    assert engine.wait() == 0  # the log is whole
    with log.open("rb") as lines:
        return sum(1 for _ in lines)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bits", MOST)
@pytest.mark.parametrize(("height", "c"), SHAPES)
def test_instructions_per_product(tmp_path: Path, bits: int, height: int, c: int) -> None:
    spec = BConv2d(h=height, w=16, c=c, oc=c, kh=3, kw=3, out="f32")
    more = max(2, 40 * 32**2 // c**2)  # what the engine does besides differs by some thousand from run to run
    found = (executed(spec, bits, 1 + more, tmp_path) - executed(spec, bits, 1, tmp_path)) / more
    each = found / (height * 16 * c * 9 * c / 128)
    print(f"\n{spec.name}, {bits}-bit vectors: {each:.3f} instructions per 128-bit product")
    assert each <= MOST[bits][c]
