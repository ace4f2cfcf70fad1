"""Whole models on the AVX-512 level, in an emulated processor that has it: their outputs are LCE's.

The small golden models, and QuickNetSmall when BNNBENCH_GOLDEN names a folder with it; one boot, about two minutes.
"""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.toolchain import build_native
from tests.boards.bochs_avx512 import boot_files_or_skip, run_in_bochs
from tests.kernels.test_golden_models import (
    KNOWN_WRONG_IN_LCE,
    UNDER_QEMU,
    close,
    golden,
    graph_of,
    inputs_of,
    reference,
)

TRIPLE, ISA = "x86_64-linux-musl", "avx512"
BOOT_S = 900

pytestmark = [pytest.mark.board, pytest.mark.timeout(BOOT_S + 300)]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Model -> its raw output on the AVX-512 level."""
    boot = boot_files_or_skip()
    folder = tmp_path_factory.mktemp("bochs")
    files, lines = {"native": build_native(TRIPLE).path}, ["hello"]
    for path in UNDER_QEMU:
        name = path.stem
        (folder / f"{name}.plan").write_bytes(make_plan(graph_of(path)).to_bytes())
        (folder / f"{name}.in").write_bytes(inputs_of(path).tobytes())
        files |= {f"{name}.plan": folder / f"{name}.plan", f"{name}.in": folder / f"{name}.in"}
        lines += [f"load id=m plan={name}.plan", f"input id=m path={name}.in", "run id=m samples=1 iterations=1"]
        lines += [f"output id=m path={name}.out", "unload id=m"]
    (folder / "requests").write_text("\n".join(lines) + "\n")
    files["requests"] = folder / "requests"
    prints = "".join(
        f'echo "{path.stem} $(/bin/busybox base64 {path.stem}.out | /bin/busybox tr -d "\\n")"\n' for path in UNDER_QEMU
    )
    script = (
        f"set -e\n./native --isa {ISA} < requests > replies\n! /bin/busybox grep -v '^{{\"ok\":true' replies\n{prints}"
    )
    printed = run_in_bochs(boot, files, script, folder / "pc", BOOT_S)
    return {name: base64.b64decode(text) for name, text in (line.split(" ") for line in printed.splitlines())}


@pytest.mark.parametrize("path", UNDER_QEMU, ids=lambda path: path.stem)
def test_the_engine_equals_lce_on_avx512(path: Path, outputs: dict[str, bytes]) -> None:
    arrays = golden(path)
    right = arrays["keras_output" if path.stem in KNOWN_WRONG_IN_LCE else "output"][:1]
    output = np.frombuffer(outputs[path.stem], right.dtype)
    assert close(output, right) or close(output, reference(path).outputs[0])


def test_another_output_would_be_seen(outputs: dict[str, bytes]) -> None:
    (path,) = (path for path in UNDER_QEMU if path.stem == "tiny_larq")
    right = golden(path)["output"][:1]
    spoiled = np.frombuffer(outputs[path.stem], right.dtype).copy()
    spoiled[3] += 1e-4 * np.abs(right).max()
    assert not close(spoiled, right)
