"""The AVX-512 levels equal the oracle, bit for bit, on an emulated processor that has them.

Few machines have AVX-512 VPOPCNTDQ and QEMU does not emulate it, so this is where these levels are proven. One boot
runs the sweep on both engines; it takes about two minutes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.ops import BConv2d, BGemm, KernelSpec
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.toolchain import build_native, build_numba
from tests.boards.bochs_avx512 import boot_files_or_skip, run_in_bochs
from tests.kernels.sweep import sweep

TRIPLE, ISA, SEED = "x86_64-linux-musl", "avx512", 7
BOOT_S = 900
# Whole tiles of 6 pixels x 64 channels, which the sweep's small shapes hardly fill.
FULL_TILES: list[KernelSpec] = [
    *(BConv2d(h=14, w=14, c=128, oc=128, kh=3, kw=3, pad_value=0, out=out) for out in ("i32", "f32", "bits")),
    BConv2d(h=7, w=7, c=256, oc=192, kh=3, kw=3, out="bits"),
    BConv2d(h=28, w=28, c=64, oc=64, kh=3, kw=3, sh=2, sw=2, out="f32"),
    BGemm(m=13, n=128, k=1024, out="f32"),
]
CASES = [*sweep(), *FULL_TILES]
Replies = list[dict[str, object]]

pytestmark = [pytest.mark.board, pytest.mark.timeout(BOOT_S + 300)]


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Replies]:
    """Engine -> its replies to `requests(CASES)`, from one boot."""
    boot = boot_files_or_skip()
    folder = tmp_path_factory.mktemp("bochs")
    builds = {"native": build_native(TRIPLE), "numba": build_numba(TRIPLE, ISA)}
    files = {name: build.path for name, build in builds.items()} | write_data(folder, CASES)
    (folder / "requests").write_text(requests(CASES))
    files["requests"] = folder / "requests"
    script = "".join(f"./{name} --isa {ISA} < requests && echo end of {name}\n" for name in builds)
    return split_by_engine(run_in_bochs(boot, files, "set -e\n" + script, folder / "pc", BOOT_S))


def write_data(folder: Path, specs: Sequence[KernelSpec]) -> dict[str, Path]:
    files = {f"{index}.bin": folder / f"{index}.bin" for index in range(len(specs))}
    for path, spec in zip(files.values(), specs, strict=True):
        path.write_bytes(data_bytes(make_data(spec, SEED)))
    return files


def requests(specs: Sequence[KernelSpec]) -> str:
    lines = ["hello"]
    for index, spec in enumerate(specs):
        keys = " ".join(f"{key}={value}" for key, value in spec.protocol_items().items())
        lines += [f"load id=case {keys} data={index}.bin", "run id=case samples=1 iterations=1"]
        lines += ["output id=case", "unload id=case"]
    return "\n".join(lines) + "\n"


def split_by_engine(output: str) -> dict[str, Replies]:
    engines: dict[str, Replies] = {}
    lines: Replies = []
    for line in output.splitlines():
        if line.startswith("end of "):
            engines[line.removeprefix("end of ")], lines = lines, []
        else:
            lines.append(json.loads(line))
    return engines


def mismatches(replies: Replies, specs: Sequence[KernelSpec]) -> list[str]:
    """Names of the cases whose output's digest differs from the oracle's."""
    outputs = replies[3::4]  # after `hello`, every case is load, run, output, unload
    wrong = []
    for spec, reply in zip(specs, outputs, strict=True):
        expected = hashlib.sha256(oracle.run(spec, make_data(spec, SEED)).tobytes()).hexdigest()
        if reply.get("sha256") != expected:
            wrong.append(f"{spec.name}: {reply.get('error', 'other bytes')}")
    return wrong


@pytest.mark.parametrize("engine", ["native", "numba"])
def test_avx512_equals_oracle(replies: dict[str, Replies], engine: str) -> None:
    hello = replies[engine][0]
    assert (hello["engine"], hello["isa"]) == (engine, ISA)
    assert len(CASES) >= 300
    assert mismatches(replies[engine], CASES) == []


def test_a_flipped_bit_would_be_seen(replies: dict[str, Replies]) -> None:
    """The comparison above can fail: other data for one case is named, and nothing else is."""
    spoiled = [dict(reply) for reply in replies["native"]]
    digest = bytearray.fromhex(str(spoiled[3 + 4 * 100]["sha256"]))
    digest[0] ^= 1
    spoiled[3 + 4 * 100]["sha256"] = digest.hex()
    assert [name.split(":")[0] for name in mismatches(spoiled, CASES)] == [CASES[100].name]
